/* SPDX-License-Identifier: MIT */
/*
 * Arena and links of the document tree.
 */
#include "config/config_tree.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (size_t)4096

struct config_chunk {
    struct config_chunk *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

struct config_tree *config_tree_new(void) {
    return calloc(1, sizeof(struct config_tree));
}

void config_tree_free(struct config_tree *tree) {
    if (tree == NULL) {
        return;
    }
    struct config_chunk *chunk = tree->chunks;
    while (chunk != NULL) {
        struct config_chunk *next = chunk->next;
        secret_wipe(chunk->data, chunk->used);
        free(chunk);
        chunk = next;
    }
    free(tree);
}

static void *arena_alloc(struct config_tree *tree, size_t len) {
    const size_t align = _Alignof(max_align_t);
    if (len > SIZE_MAX - align - sizeof(struct config_chunk)) {
        return NULL;
    }
    len = (len + align - 1) / align * align;
    struct config_chunk *chunk = tree->chunks;
    if (chunk == NULL || chunk->size - chunk->used < len) {
        size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;
        chunk = calloc(1, sizeof(*chunk) + size);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->size = size;
        chunk->next = tree->chunks;
        tree->chunks = chunk;
    }
    char *ptr = (char *)chunk->data + chunk->used;
    chunk->used += len;
    return ptr;
}

struct config_node *config_tree_node(struct config_tree *tree, enum config_kind kind) {
    struct config_node *node = arena_alloc(tree, sizeof(*node));
    if (node != NULL) {
        *node = (struct config_node){.kind = kind, .node_cnt = 1};
    }
    return node;
}

bool config_tree_text(struct config_tree *tree, struct slice text, struct slice *ret) {
    if (text.len >= SIZE_MAX / 2) {
        return false;
    }
    char *copy = arena_alloc(tree, text.len + 1);
    if (copy == NULL) {
        return false;
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    *ret = slice_make(copy, text.len);
    return true;
}

void config_tree_append(struct config_node *parent, struct config_node *child) {
    if (parent->last == NULL) {
        parent->first = child;
    } else {
        parent->last->next = child;
    }
    parent->last = child;
    parent->node_cnt += child->node_cnt;
    if (child->height >= parent->height) {
        parent->height = child->height + 1;
    }
}

void config_tree_remove(struct config_node *map, const struct config_node *member) {
    struct config_node *before = NULL;
    for (struct config_node *n = map->first; n != NULL; before = n, n = n->next) {
        if (n != member) {
            continue;
        }
        if (before == NULL) {
            map->first = n->next;
        } else {
            before->next = n->next;
        }
        if (map->last == n) {
            map->last = before;
        }
        return;
    }
}

struct config_node *config_tree_member(const struct config_node *node, struct slice key) {
    if (node == NULL || node->kind != CONFIG_MAP) {
        return NULL;
    }
    for (struct config_node *n = node->first; n != NULL; n = n->next) {
        if (slice_eq(n->key, key)) {
            return n;
        }
    }
    return NULL;
}
