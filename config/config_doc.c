/* SPDX-License-Identifier: MIT */
/*
 * Access to a document by dotted path, with the defaults of the schema underneath.
 */
#include "config/config_doc.h"

#include "config/config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct config_node *config_doc_find(const struct config_doc *doc, const char *path) {
    const struct config_node *node = doc->tree->root;
    struct slice rest = slice_str(path);
    while (node != NULL && rest.len > 0) {
        struct slice name = rest;
        if (!slice_cut(rest, '.', &name, &rest)) {
            rest = slice_make(NULL, 0);
        }
        node = config_tree_member(node, name);
    }
    return node;
}

const struct config_node *config_doc_get(const struct config_doc *doc, const char *path) {
    const struct config_node *node = config_doc_find(doc, path);
    if (node == NULL || node->kind == CONFIG_NULL ||
        config_schema_accepts(config_schema_find(path), node, NULL) != EDGE_OK) {
        return NULL;
    }
    return node;
}

struct slice config_doc_text(const struct config_doc *doc, const char *path) {
    const struct config_node *node = config_doc_get(doc, path);
    return node != NULL ? node->text : slice_str(config_schema_find(path)->def);
}

bool config_doc_bool(const struct config_doc *doc, const char *path) {
    const struct config_node *node = config_doc_get(doc, path);
    return node != NULL ? node->boolean : strcmp(config_schema_find(path)->def, "true") == 0;
}

uint64_t config_doc_uint(const struct config_doc *doc, const char *path) {
    const struct config_node *node = config_doc_get(doc, path);
    uint64_t value = 0;
    if (node != NULL) {
        return (uint64_t)node->number;
    }
    (void)slice_parse_u64(slice_str(config_schema_find(path)->def), UINT64_MAX, &value);
    return value;
}

uint32_t config_doc_numbers(const struct config_doc *doc, const char *path) {
    const struct config_node *node = config_doc_get(doc, path);
    uint32_t bits = 0;
    if (node == NULL) {
        return 0;
    }
    if (node->kind == CONFIG_STRING) {
        (void)config_value_numbers(node->text, config_schema_find(path)->max, &bits);
        return bits;
    }
    const struct config_node *item = node->kind == CONFIG_LIST ? node->first : node;
    for (; item != NULL; item = item->next) {
        if (item->kind == CONFIG_INT && item->number >= 0 &&
            (uint64_t)item->number <= config_schema_find(path)->max) {
            bits |= UINT32_C(1) << item->number;
        }
        if (node->kind != CONFIG_LIST) {
            break;
        }
    }
    return bits;
}

void config_doc_problem(struct config_doc *doc, enum config_severity severity, const char *path,
                        const char *fmt, ...) {
    char text[sizeof(((struct config_problem *)NULL)->text)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    const struct config_node *node = config_doc_find(doc, path);
    if (node != NULL) {
        config_report_add(doc->report, severity, node->line, node->column, path, "%s%s", text,
                          node->line == 0 ? " (from the environment)" : "");
        return;
    }
    char above[sizeof(((struct config_problem *)NULL)->key)];
    (void)snprintf(above, sizeof(above), "%s", path);
    while (node == NULL) {
        char *dot = strrchr(above, '.');
        *(dot != NULL ? dot : above) = '\0';
        node = config_doc_find(doc, above);
    }
    config_report_add(doc->report, severity, node->key_line, node->key_column, path, "%s", text);
}
