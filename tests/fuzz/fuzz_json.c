/* SPDX-License-Identifier: MIT */
/*
 * What the scan lets pass must parse, can be walked, and comes out of the writer as text that means
 * the same: written, parsed and written again it does not change. Strings are the same when they
 * are read without a tree.
 */
#include "base/json.h"

#include <stdlib.h>

#define OUT_MAX (8 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void write_tree(const struct cJSON *root, struct buf *out) {
    struct json_writer w;
    buf_init_sensitive(out, OUT_MAX);
    json_begin(&w, out);
    json_add_node(&w, NULL, root);
    require(json_end(&w, NULL) == EDGE_OK);
}

static void ask_every_type(const struct cJSON *obj, const char *name) {
    const struct cJSON *node = NULL;
    struct edge_error err = {0};
    struct slice text;
    bool flag;
    int64_t integer;
    int hits = 0;
    hits += json_get_object(obj, name, &node, &err) == EDGE_OK;
    hits += json_get_array(obj, name, &node, &err) == EDGE_OK;
    hits += json_get_str(obj, name, &text, &err) == EDGE_OK;
    hits += json_get_bool(obj, name, &flag, &err) == EDGE_OK;
    hits += json_get_i64(obj, name, &integer, &err) == EDGE_OK;
    require(hits <= 1);
    if (json_get_opt_str(obj, name, &text, &err) == EDGE_OK) {
        require(slice_is_utf8_text(text));
    }
}

static void walk(const struct cJSON *node) {
    for (const struct cJSON *c = json_first(node); c != NULL; c = json_next(c)) {
        if (json_is_object(node)) {
            ask_every_type(node, json_name(c));
        }
        require(slice_is_utf8_text(json_str(c)));
        walk(c);
    }
}

/* A member is the same without a tree. */
static void compare_views(struct slice text, const struct cJSON *root) {
    int left = 4; /* of members, as each takes a pass */
    for (const struct cJSON *c = json_first(root); c != NULL && left > 0; c = json_next(c)) {
        struct json_view view = {.name = json_is_object(root) ? json_name(c) : "a"};
        struct slice want = {0};
        struct cJSON *kept = NULL;
        enum edge_code code = json_get_str(root, view.name, &want, NULL);
        require(json_parse_views(text, JSON_NODES_MAX, &view, 1, &kept, NULL) == code);
        require(code != EDGE_OK || slice_eq(view.value, want));
        json_free(kept);
        left--;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct edge_error err = {0};
    struct cJSON *root = NULL;
    enum edge_code code = json_parse(slice_make(data, size), &root, &err);
    if (code != EDGE_OK) {
        require(code == err.code && (code == EDGE_PARSE || code == EDGE_RANGE));
        return 0;
    }
    walk(root);
    compare_views(slice_make(data, size), root);
    struct buf first;
    struct buf second;
    struct cJSON *again = NULL;
    write_tree(root, &first);
    require(json_parse(buf_slice(&first), &again, NULL) == EDGE_OK);
    write_tree(again, &second);
    require(slice_eq(buf_slice(&first), buf_slice(&second)));
    buf_clear(&first);
    buf_clear(&second);
    json_free_sensitive(root);
    json_free(again);
    return 0;
}
