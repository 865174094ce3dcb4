/* SPDX-License-Identifier: MIT */
/*
 * Handle of an operation in flight: an index and a generation, so that a stale handle misses
 * instead of hitting somebody else's operation. Work that crosses a thread or the network refers
 * back by it.
 */
#ifndef LOOP_OP_H
#define LOOP_OP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct op {
    uint32_t index;
    uint32_t generation; /* 0: no operation */
};

#define OP_NONE ((struct op){0, 0})

/* Table of live operations; belongs to the loop thread. */
struct op_table;

enum edge_code op_table_new(uint32_t max_cnt, struct op_table **ret,
                            struct edge_error *err) EDGE_NODISCARD;
void op_table_free(struct op_table *t); /* must be empty in debug builds */

/* Registers an operation; cancel (may be NULL) is what op_cancel calls. Errors: BUSY when full. */
enum edge_code op_add(struct op_table *t, void (*cancel)(void *data), void *data, struct op *ret,
                      struct edge_error *err) EDGE_NODISCARD;
void *op_get(const struct op_table *t, struct op op); /* data, or NULL for a stale handle */
void op_remove(struct op_table *t, struct op op);     /* stale handles are fine */

/* Asks the operation to stop. Its completion callback still runs, once and later, with CANCELED. A
 * stale handle and a second call do nothing. */
void op_cancel(struct op_table *t, struct op op);
uint32_t op_cnt(const struct op_table *t);

/* Test seam: what the free slot `index` answers as its next generation, to reach the wrap-around.
 */
void op_table_set_generation(struct op_table *t, uint32_t index, uint32_t generation);

static inline bool op_is_set(struct op op) {
    return op.generation != 0;
}

#endif
