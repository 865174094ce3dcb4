/* SPDX-License-Identifier: MIT */
/*
 * Every key of the document against the table, and the table's required keys against the document.
 */
#include "config/config_doc.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN sizeof(((struct config_problem *)NULL)->key)

/* Where the walk is: by the table ("a.b[].c") and as shown ("a.b[2].c"). */
struct spot {
    char path[PATH_MAX_LEN];
    char shown[PATH_MAX_LEN];
};

static void walk_members(struct config_doc *doc, const struct config_node *map,
                         const struct spot *at);

static void report_unknown(struct config_doc *doc, const struct config_node *node,
                           const struct spot *parent, const struct spot *at) {
    /* Nobody would see the suggestion, and thousands of searches take seconds. */
    if (doc->report->cnt >= CONFIG_PROBLEMS_MAX) {
        doc->report->warning_cnt++;
        return;
    }
    if (slice_eq_str(node->key, "<<")) {
        config_report_add(doc->report, CONFIG_WARNING, node->key_line, node->key_column, at->shown,
                          "ignored: merge keys are not part of YAML 1.2; write the keys out");
        return;
    }
    if (slice_find(node->key, '.') >= 0 && config_schema_find(at->path) != NULL) {
        config_report_add(doc->report, CONFIG_WARNING, node->key_line, node->key_column, at->shown,
                          "unknown key, ignored; dots do not nest, write one mapping in another");
        return;
    }
    const char *found = config_schema_suggest(parent->path, node->key);
    config_report_add(doc->report, CONFIG_WARNING, node->key_line, node->key_column, at->shown,
                      "unknown key, ignored%s%s%s", found != NULL ? "; did you mean '" : "",
                      found != NULL ? found : "", found != NULL ? "'?" : "");
}

static void walk_strings(struct config_doc *doc, const struct config_node *map,
                         const struct spot *at) {
    static const struct config_key value_row = {.type = CONFIG_TYPE_STRING};
    for (const struct config_node *n = map->first; n != NULL; n = n->next) {
        struct edge_error err;
        if (config_schema_accepts(&value_row, n, &err) != EDGE_OK) {
            char shown[PATH_MAX_LEN];
            config_report_path(shown, sizeof(shown), at->shown, n->key);
            config_report_add(doc->report, CONFIG_ERROR, n->line, n->column, shown, "%s", err.text);
        }
    }
}

static void walk_value(struct config_doc *doc, const struct config_key *row,
                       const struct config_node *node, const struct spot *at);

static void walk_items(struct config_doc *doc, const struct config_node *list,
                       const struct spot *at) {
    unsigned i = 0;
    for (const struct config_node *n = list->first; n != NULL; n = n->next, i++) {
        struct spot item;
        (void)snprintf(item.path, sizeof(item.path), "%.*s[]", (int)sizeof(item.path) - 3,
                       at->path);
        (void)snprintf(item.shown, sizeof(item.shown), "%.*s[%u]", (int)sizeof(item.shown) - 16,
                       at->shown, i);
        walk_value(doc, config_schema_find(item.path), n, &item);
    }
}

static void walk_value(struct config_doc *doc, const struct config_key *row,
                       const struct config_node *node, const struct spot *at) {
    struct edge_error err;
    if (config_schema_accepts(row, node, &err) != EDGE_OK) {
        config_report_add(doc->report, CONFIG_ERROR, node->line, node->column, at->shown, "%s",
                          err.text);
        return;
    }
    if (row->type == CONFIG_TYPE_STRING_MAP) {
        walk_strings(doc, node, at);
    } else if (row->type == CONFIG_TYPE_LIST ||
               (row->type == CONFIG_TYPE_NUMBERS && node->kind == CONFIG_LIST)) {
        walk_items(doc, node, at);
    } else if (row->type != CONFIG_TYPE_FREE_MAP && node->kind == CONFIG_MAP) {
        walk_members(doc, node, at);
    }
}

static void walk_members(struct config_doc *doc, const struct config_node *map,
                         const struct spot *at) {
    for (const struct config_node *n = map->first; n != NULL; n = n->next) {
        struct spot below;
        config_report_path(below.path, sizeof(below.path), at->path, n->key);
        config_report_path(below.shown, sizeof(below.shown), at->shown, n->key);
        const struct config_key *row = NULL;
        if (slice_find(n->key, '.') < 0) {
            row = config_schema_find(below.path);
        }
        if (row == NULL) {
            report_unknown(doc, n, at, &below);
        } else if (row->modes != 0 && doc->modes != 0 && (row->modes & doc->modes) == 0) {
            config_report_add(doc->report, CONFIG_WARNING, n->key_line, n->key_column, below.shown,
                              "has no meaning in this form of provisioning and is ignored");
        } else {
            walk_value(doc, row, n, &below);
        }
    }
}

static bool is_required(const struct config_doc *doc, const struct config_key *row) {
    if ((row->flags & CONFIG_FLAG_REQUIRED) == 0) {
        return false;
    }
    if (row->modes == 0) {
        return true;
    }
    /* As long as the form is not certain, only what all candidates require is missing. */
    unsigned required_in = row->required_in != 0 ? row->required_in : row->modes;
    return doc->modes != 0 && (doc->modes & ~required_in) == 0;
}

static void report_missing(struct config_doc *doc) {
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    for (size_t i = 0; i < row_cnt; i++) {
        if (!is_required(doc, &rows[i]) || config_doc_find(doc, rows[i].path) != NULL) {
            continue;
        }
        char parent[PATH_MAX_LEN];
        size_t parent_len = (size_t)(strrchr(rows[i].path, '.') - rows[i].path);
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)parent_len, rows[i].path);
        const struct config_node *node = config_doc_find(doc, parent);
        if (node != NULL && node->kind == CONFIG_MAP) {
            config_doc_problem(doc, CONFIG_ERROR, rows[i].path, "missing");
        }
    }
}

void config_walk(struct config_doc *doc) {
    const struct spot top = {0};
    walk_members(doc, doc->tree->root, &top);
    report_missing(doc);
}
