/* SPDX-License-Identifier: MIT */
/*
 * Keys prepared ahead, so that a request need not wait for an RSA key to be found. Filled by the
 * worker, one key in each job, only while its queue is empty and nobody has taken a key for a
 * moment. P-256 keys are made faster than they are stored: of that type the pool keeps none. Loop
 * thread.
 */
#ifndef PKI_LEAF_POOL_H
#define PKI_LEAF_POOL_H

#include "base/error.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "pki/leaf_key.h"

#include <stdbool.h>
#include <stddef.h>

#define LEAF_POOL_MAX      8    /* keys */
#define LEAF_POOL_QUIET_MS 1000 /* after a key was taken, and between looks at a busy worker */

struct leaf_pool;

enum edge_code leaf_pool_new(struct loop *loop, struct worker *worker, enum leaf_key_type type,
                             struct leaf_pool **ret, struct edge_error *err) EDGE_NODISCARD;

/* Begins to fill it. */
void leaf_pool_start(struct leaf_pool *p);

/* Moves a prepared key to *ret, which is empty before; false and untouched when there is none: then
 * the key is made with the certificate. */
bool leaf_pool_take(struct leaf_pool *p, struct leaf_key *ret);

enum leaf_key_type leaf_pool_type(const struct leaf_pool *p);
size_t leaf_pool_cnt(const struct leaf_pool *p);

/* Wipes what is left. A job under way ends by itself. NULL allowed. */
void leaf_pool_free(struct leaf_pool *p);

#endif
