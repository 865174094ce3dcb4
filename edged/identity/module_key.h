/* SPDX-License-Identifier: MIT */
/*
 * Module keys: derived from the root that does not rotate, cached in locked memory.
 *
 *   K = HMAC(root, LP("edged module key 1") || LP(module id) || LP(key id) || LP(generation id))
 *
 * LP(x) is a 32 bit big-endian length and the bytes, so that no two modules share an input.
 *
 * On a device taken over from release 1.1 the hub still holds that release's keys: until it has
 * ours, signatures are made with them (module_legacy.h). Loop thread only.
 */
#ifndef IDENTITY_MODULE_KEY_H
#define IDENTITY_MODULE_KEY_H

#include "base/error.h"
#include "base/mac.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/worker.h"

#include <stdint.h>

#define MODULE_KEY_CACHE_MAX        512 /* keys in all */
#define MODULE_KEY_CACHE_PER_MODULE 8   /* keys of one module: it may ask for any generation id */
#define MODULE_KEY_ID_MAX           128 /* bytes of a module id or generation id */
#define MODULE_KEY_LEN              32  /* bytes of a key */
#define MODULE_KEY_AT_WORKER_MAX    32  /* different keys being derived at once: half the queue */
#define MODULE_KEY_IN_FLIGHT_MAX    512 /* with those that wait for a place there */
#define MODULE_KEY_PER_MODULE_MAX   4   /* of these of one module */
#define MODULE_KEY_WAITERS_MAX      64  /* requests sharing one derivation */
#define MODULE_KEY_QUEUE_TIMEOUT_MS 30000

struct module_keys;

/* The names a module key goes by. Slices are copied where kept. */
struct module_key_id {
    struct slice module;     /* with its '$' */
    struct slice key_id;     /* "primary" or "secondary"; others: INVALID */
    struct slice generation; /* the hub's generation id, verbatim */
};

/* ttl_s: life of a cached key on the monotonic clock, 0 keeps none. */
enum edge_code module_keys_new(struct loop *l, struct worker *w, struct hsm *h, uint32_t ttl_s,
                               struct module_keys **ret, struct edge_error *err) EDGE_NODISCARD;
void module_keys_free(struct module_keys *k); /* no derivation may be in flight */

/* Warm path: the cached key ready to sign, or NULL (also for ids that derive would refuse).
 * Borrowed until the next call on this object. No allocation, no HSM command. */
struct mac_key *module_keys_cached(struct module_keys *k, const struct module_key_id *id);

/* Derives (one HSM command), caches unless the lifetime is 0, and hands out the key: borrowed
 * during done. Requests for the same key that are in flight share one command. done runs once,
 * later; a cancelled request ends with CANCELED when its command has ended. ret_op may be NULL.
 * Errors: INVALID (key id, empty names), RANGE (long names), BUSY, NOMEM. */
typedef void module_key_done_fn(void *data, enum edge_code code, struct mac_key *key,
                                const struct edge_error *err);
enum edge_code module_keys_derive(struct module_keys *k, const struct module_key_id *id,
                                  module_key_done_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) EDGE_NODISCARD;

/* The two keys as the hub stores them (MODULE_KEY_LEN bytes each), not cached; secrets are borrowed
 * during done and NULL unless code is OK. Errors as module_keys_derive. */
typedef void module_key_pair_fn(void *data, enum edge_code code, const struct secret *primary,
                                const struct secret *secondary, const struct edge_error *err);
enum edge_code module_keys_pair(struct module_keys *k, struct slice module, struct slice generation,
                                module_key_pair_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) EDGE_NODISCARD;

/* Forgets every cached key, as after a change of the root; derivations in flight are handed out but
 * not cached. */
void module_keys_drop(struct module_keys *k);

/* From now on module_keys_derive answers with the keys of release 1.1, derived from this identity
 * key, for every module that has not left; 0: none, as at first. A change drops all cached keys and
 * forgets who left. module_keys_pair always gives ours: it is what the hub is told. */
void module_keys_set_legacy(struct module_keys *k, uint64_t generation);

/* The hub has our keys of this module now: its cached keys are dropped, and the next ones are ours.
 * NULL: of all modules, the old derivation is over. Without legacy keys it does nothing. A module
 * that memory is too short to remember stays with the old keys until all leave. */
void module_keys_leave_legacy(struct module_keys *k, const char *module_id);

/* Keys in the cache. */
size_t module_keys_cnt(const struct module_keys *k);

#endif
