/* SPDX-License-Identifier: MIT */
/*
 * Members in the order of their names, byte by byte; the tree stays as it is.
 */
#include "agent/canonical_json.h"

#include <stdlib.h>
#include <string.h>

struct member {
    const struct cJSON *node;
};

static int by_name(const void *a, const void *b) {
    const struct member *x = a;
    const struct member *y = b;
    return strcmp(json_name(x->node), json_name(y->node));
}

static void add_members(struct json_writer *w, const struct cJSON *object) {
    size_t cnt = 0;
    for (const struct cJSON *n = json_first(object); n != NULL; n = json_next(n)) {
        cnt++;
    }
    struct member *members = calloc(cnt + 1, sizeof(*members));
    if (members == NULL) {
        if (w->code == EDGE_OK) {
            w->code = edge_set(&w->err, EDGE_NOMEM, "out of memory for members of JSON");
        }
        return;
    }
    size_t i = 0;
    for (const struct cJSON *n = json_first(object); n != NULL; n = json_next(n)) {
        members[i++].node = n;
    }
    qsort(members, cnt, sizeof(*members), by_name);
    for (i = 0; i < cnt; i++) {
        canonical_json_add(w, json_name(members[i].node), members[i].node);
    }
    free(members);
}

void canonical_json_add(struct json_writer *w, const char *name, const struct cJSON *node) {
    if (json_is_object(node)) {
        json_object_open(w, name);
        add_members(w, node);
        json_object_close(w);
    } else if (json_is_array(node)) {
        json_array_open(w, name);
        for (const struct cJSON *n = json_first(node); n != NULL; n = json_next(n)) {
            canonical_json_add(w, NULL, n);
        }
        json_array_close(w);
    } else {
        json_add_node(w, name, node);
    }
}
