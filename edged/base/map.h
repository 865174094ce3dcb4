/* SPDX-License-Identifier: MIT */
/*
 * Hash map from bytes to pointers, with a maximum number of entries. Keys are copied; hashing is
 * keyed with a per-process random value, so that a peer cannot choose colliding keys.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct map;

/* free_value (may be NULL) is called for values that are replaced, removed or left at map_free. */
enum edge_code map_new(size_t max_cnt, void (*free_value)(void *value), struct map **ret,
                       struct edge_error *err) EDGE_NODISCARD;
void map_free(struct map *m); /* NULL allowed */

/* Inserts or replaces (an equal pointer is kept, not freed). On success the map owns value. Errors:
 * RANGE when full, NOMEM. */
enum edge_code map_put(struct map *m, struct slice key, void *value,
                       struct edge_error *err) EDGE_NODISCARD;
void *map_get(const struct map *m, struct slice key); /* NULL when absent */
bool map_remove(struct map *m, struct slice key);
void map_clear(struct map *m);
size_t map_cnt(const struct map *m);

/* Visits all; the visitor may remove the visited entry by returning false, nothing else. */
void map_each(struct map *m, bool (*keep)(void *data, struct slice key, void *value), void *data);

#endif
