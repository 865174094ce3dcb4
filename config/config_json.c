/* SPDX-License-Identifier: MIT */
/*
 * From nodes of the document to JSON. The tree is bounded in depth and size, aliases expanded; the
 * text by the buffer.
 */
#include "config/config_json.h"

#include "base/json.h"

struct job {
    struct config_doc *doc;
    const char *path; /* of the whole value, for findings */
    struct json_writer w;
    bool failed; /* a finding says why */
};

static void refuse(struct job *j, const struct config_node *node, const char *why) {
    config_report_add(j->doc->report, CONFIG_ERROR, node->line, node->column, j->path, "%s", why);
    j->failed = true;
}

/* What YAML takes for a number is not always one in JSON: .5, +1.5, .inf. */
static void add_real(struct job *j, const char *name, const struct config_node *node) {
    struct cJSON *number EDGE_CLEANUP(json_cleanup) = NULL;
    enum edge_code code = json_parse(node->text, &number, NULL);
    if (code == EDGE_NOMEM) {
        j->doc->report->nomem = true;
    } else if (code != EDGE_OK) {
        refuse(j, node, "holds a number that JSON cannot say; write it like -0.5 or 1.5e3");
    } else {
        json_add_node(&j->w, name, number);
    }
}

static void add_value(struct job *j, const char *name, const struct config_node *node);

static void add_members(struct job *j, const struct config_node *map) {
    for (const struct config_node *n = map->first; n != NULL && !j->failed; n = n->next) {
        if (slice_is_utf8_text(n->key)) {
            add_value(j, n->key.ptr, n); /* names in the tree end with NUL */
        } else {
            refuse(j, n, "has a member whose name contains a NUL byte");
        }
    }
}

static void add_value(struct job *j, const char *name, const struct config_node *node) {
    switch (node->kind) {
    case CONFIG_NULL:
        json_add_null(&j->w, name);
        break;
    case CONFIG_BOOL:
        json_add_bool(&j->w, name, node->boolean);
        break;
    case CONFIG_INT:
        json_add_i64(&j->w, name, node->number);
        break;
    case CONFIG_REAL:
        add_real(j, name, node);
        break;
    case CONFIG_STRING:
        if (!slice_is_utf8_text(node->text)) {
            refuse(j, node, "holds a text with a NUL byte");
            return;
        }
        json_add_str(&j->w, name, node->text);
        break;
    case CONFIG_LIST:
        json_array_open(&j->w, name);
        for (const struct config_node *n = node->first; n != NULL && !j->failed; n = n->next) {
            add_value(j, NULL, n);
        }
        json_array_close(&j->w);
        break;
    case CONFIG_MAP:
        json_object_open(&j->w, name);
        add_members(j, node);
        json_object_close(&j->w);
        break;
    }
}

/* As deployments have it. Parsed and written again, so that blanks make no difference later. */
static void add_text(struct job *j, const struct config_node *node) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct edge_error err;
    enum edge_code code = json_parse_within(node->text, CONFIG_JSON_NODES_MAX, &root, &err);
    if (code == EDGE_NOMEM) {
        j->doc->report->nomem = true;
    } else if (code == EDGE_RANGE) {
        refuse(j, node, "is too large or nested too deeply");
    } else if (code == EDGE_OK && json_is_object(root)) {
        json_add_node(&j->w, NULL, root);
    } else {
        config_report_add(j->doc->report, CONFIG_ERROR, node->line, node->column, j->path,
                          "is a text that is no JSON object%s%s; write a mapping, or JSON like "
                          "'{\"A\": 1}'",
                          code != EDGE_OK ? ": " : "", code != EDGE_OK ? err.text : "");
        j->failed = true;
    }
}

static bool is_nothing(const struct config_node *node) {
    return node == NULL || node->kind == CONFIG_NULL ||
           (node->kind == CONFIG_STRING && node->text.len == 0);
}

void config_json_object(struct config_doc *doc, const char *path, const struct config_node *node,
                        struct buf *out) {
    struct job j = {.doc = doc, .path = path};
    struct edge_error err;
    size_t start = out->len;
    if (is_nothing(node)) {
        doc->report->nomem = doc->report->nomem || buf_append_str(out, "{}", NULL) != EDGE_OK;
        return;
    }
    json_begin(&j.w, out);
    if (node->kind == CONFIG_STRING) {
        add_text(&j, node);
    } else {
        add_value(&j, NULL, node);
    }
    enum edge_code code = json_end(&j.w, &err);
    if (code == EDGE_NOMEM) {
        doc->report->nomem = true;
    } else if (code != EDGE_OK && !j.failed) {
        refuse(&j, node, "is too large as JSON");
    }
    if (j.failed) {
        buf_truncate(out, start);
    }
}
