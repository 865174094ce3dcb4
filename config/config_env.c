/* SPDX-License-Identifier: MIT */
/*
 * The environment layer. The 1.1 daemon lets every IOTEDGE_<name> replace a top-level key by a
 * string, which for all but two of them destroys a section; only those two are honoured.
 */
#include "base/env.h"
#include "config/config_doc.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "IOTEDGE_"

static void put_root(struct config_doc *doc, const char *key, const char *value) {
    struct config_node *root = doc->tree->root;
    struct config_node *node = config_tree_node(doc->tree, CONFIG_STRING);
    if (node == NULL || !config_tree_text(doc->tree, slice_str(key), &node->key) ||
        !config_tree_text(doc->tree, slice_str(value), &node->text)) {
        doc->report->nomem = true;
        return;
    }
    const struct config_node *former = config_tree_member(root, node->key);
    if (former != NULL) {
        config_tree_remove(root, former);
    }
    config_tree_append(root, node);
}

static bool visit(void *data, const char *name, const char *value) {
    struct config_doc *doc = data;
    if (strncasecmp(name, PREFIX, sizeof(PREFIX) - 1) != 0) {
        return true;
    }
    struct slice key = slice_str(name + sizeof(PREFIX) - 1);
    if (slice_eq_nocase(key, "hostname")) {
        put_root(doc, "hostname", value);
        return true;
    }
    if (slice_eq_nocase(key, "homedir")) {
        put_root(doc, "homedir", value);
        return true;
    }
    struct slice section = key;
    struct slice rest;
    (void)slice_cut(key, '.', &section, &rest);
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    for (size_t i = 0; i < row_cnt; i++) {
        if (slice_eq_nocase(section, rows[i].path)) {
            config_report_add(doc->report, CONFIG_WARNING, 0, 0, rows[i].path,
                              "the environment variable %s is ignored; only IOTEDGE_HOSTNAME and "
                              "IOTEDGE_HOMEDIR override the file",
                              name);
        }
    }
    return true;
}

void config_env_apply(struct config_doc *doc) {
    env_each(visit, doc);
}
