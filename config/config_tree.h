/* SPDX-License-Identifier: MIT */
/*
 * A YAML document as a tree of nodes that know where they were written. All nodes and texts of a
 * tree live in one arena, which is wiped on release because connection strings and keys pass
 * through it.
 */
#ifndef CONFIG_CONFIG_TREE_H
#define CONFIG_CONFIG_TREE_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_DEPTH_MAX 32    /* nesting, aliases expanded */
#define CONFIG_NODES_MAX 10000 /* nodes of a document, keys included, aliases expanded */

enum config_kind {
    CONFIG_NULL,
    CONFIG_BOOL,
    CONFIG_INT,
    CONFIG_REAL,
    CONFIG_STRING,
    CONFIG_LIST,
    CONFIG_MAP,
};

/* Children of a list or mapping are linked by `next`. An alias shares the children of its anchor,
 * so a subtree may be reached by more than one path: nodes are constant once built. */
struct config_node {
    enum config_kind kind;
    bool plain;                    /* scalar written without quotes */
    bool boolean;                  /* CONFIG_BOOL */
    unsigned line, column;         /* where the value starts, from 1; 0: not from the file */
    unsigned key_line, key_column; /* member of a mapping: where its key starts */
    unsigned height;               /* levels below, aliases expanded */
    size_t node_cnt;               /* itself and all below, aliases expanded */
    int64_t number;                /* CONFIG_INT */
    struct slice key;              /* member of a mapping */
    struct slice text;             /* scalar as resolved by YAML; also NUL-terminated */
    struct config_node *first, *last, *next;
};

struct config_tree {
    struct config_node *root; /* a mapping once config_yaml_parse succeeded */
    struct config_chunk *chunks;
};

/* Empty tree, or NULL when memory is short. */
struct config_tree *config_tree_new(void) EDGE_NODISCARD;
void config_tree_free(struct config_tree *tree); /* NULL allowed; wipes */

/* Zeroed node, or NULL when memory is short. */
struct config_node *config_tree_node(struct config_tree *tree,
                                     enum config_kind kind) EDGE_NODISCARD;

/* Copies text into the arena, NUL-terminated; false when memory is short. */
bool config_tree_text(struct config_tree *tree, struct slice text,
                      struct slice *ret) EDGE_NODISCARD;

/* Appends a child to a list or a mapping and updates the parent's size and height. */
void config_tree_append(struct config_node *parent, struct config_node *child);

/* Takes a member out of its mapping. */
void config_tree_remove(struct config_node *map, const struct config_node *member);

/* Member of a mapping, or NULL (also when node is NULL or no mapping). */
struct config_node *config_tree_member(const struct config_node *node, struct slice key);

#endif
