/* SPDX-License-Identifier: MIT */
/*
 * The Engine's statistics of all modules, side by side: one sample takes the Engine one to two
 * seconds. Loop thread only.
 */
#ifndef API_STATS_GATHER_H
#define API_STATS_GATHER_H

#include "base/buf.h"
#include "loop/loop.h"
#include "runtime/runtime.h"

#define STATS_AT_ONCE  32                        /* samples under way for one caller */
#define STATS_START_MS 20000                     /* none is begun later than this */
#define STATS_TEXT_MAX ((size_t)4 * 1024 * 1024) /* bytes */

/* json is an array of what the Engine said, in no order; NULL unless OK. It lives until the
 * callback returns. */
typedef void stats_gather_fn(void *data, enum edge_code code, const struct buf *json,
                             const struct edge_error *err);

/* Modules that vanish, fail, or do not fit into time and text are left out. Only without a list of
 * modules there is no answer: codes as of runtime_list. done runs once, later than this call;
 * CANCELED after op_cancel. */
enum edge_code stats_gather(struct loop *l, struct runtime *rt, stats_gather_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

#endif
