/* SPDX-License-Identifier: MIT */
/*
 * Taking single values out of the document.
 */
#include "config/config_take.h"

#include <stdlib.h>

void config_take_copy(struct config_doc *doc, struct slice value, char **ret) {
    free(*ret);
    *ret = slice_dup(value);
    if (*ret == NULL) {
        doc->report->nomem = true;
    }
}

bool config_take_value(const struct config_doc *doc, const char *path, struct slice *ret) {
    *ret = config_doc_text(doc, path);
    return ret->ptr != NULL;
}

void config_take_text(struct config_doc *doc, const char *path, config_rule *rule,
                      config_rule *doubt, char **ret) {
    struct slice value;
    if (!config_take_value(doc, path, &value)) {
        return;
    }
    const char *reason = rule(value);
    if (reason != NULL) {
        config_doc_problem(doc, CONFIG_ERROR, path, "%s", reason);
        return;
    }
    const char *second = doubt != NULL ? doubt(value) : NULL;
    if (second != NULL) {
        config_doc_problem(doc, CONFIG_WARNING, path, "%s", second);
    }
    config_take_copy(doc, value, ret);
}

void config_take_result(struct config_doc *doc, const char *path, enum edge_code code,
                        const struct edge_error *err) {
    if (code == EDGE_NOMEM) {
        doc->report->nomem = true;
    } else if (code != EDGE_OK) {
        config_doc_problem(doc, CONFIG_ERROR, path, "%s", err->text);
    }
}
