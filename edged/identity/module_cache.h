/* SPDX-License-Identifier: MIT */
/*
 * Cache of prepared module keys: bounded in all (MODULE_KEY_CACHE_MAX) and per module
 * (MODULE_KEY_CACHE_PER_MODULE), least recently used goes first, each key for a fixed time. Loop
 * thread only.
 */
#ifndef IDENTITY_MODULE_CACHE_H
#define IDENTITY_MODULE_CACHE_H

#include "identity/module_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODULE_CACHE_KEY_MAX (2 + 2 * MODULE_KEY_ID_MAX)

/* Unambiguous bytes of a module_key_id, the module's part first. */
struct module_cache_key {
    size_t len;
    size_t module_len; /* bytes that name the module: bytes[1 .. 1 + module_len) and the length
                          before */
    uint8_t bytes[MODULE_CACHE_KEY_MAX];
};

struct module_cache;
struct module_cache_entry;

/* False when the id is not one that can have a key. */
bool module_cache_key_init(struct module_cache_key *key, const struct module_key_id *id);
/* Whether one container may ask for both: it may put any number of '$' before its name. */
bool module_cache_is_same_module(const struct module_cache_key *a,
                                 const struct module_cache_key *b);
bool module_cache_key_eq(const struct module_cache_key *a, const struct module_cache_key *b);

enum edge_code module_cache_new(struct loop *l, uint64_t ttl_ms, struct module_cache **ret,
                                struct edge_error *err) EDGE_NODISCARD;
void module_cache_free(struct module_cache *c); /* NULL allowed */

/* The key, or NULL when it is not there or too old. Borrowed until the next call on the cache. */
struct mac_key *module_cache_get(struct module_cache *c, const struct module_cache_key *key);

/* Keeps mac and takes ownership of it, evicting what must go. The entry is referenced for the
 * caller, so that the key lives until module_cache_unref whatever happens to the cache. NULL when
 * memory is short: mac then stays the caller's. */
struct module_cache_entry *module_cache_put(struct module_cache *c,
                                            const struct module_cache_key *key,
                                            struct mac_key *mac);
void module_cache_unref(struct module_cache_entry *e);

void module_cache_drop(struct module_cache *c);
/* The keys of the module with exactly this name. */
void module_cache_drop_module(struct module_cache *c, struct slice module);
bool module_cache_is_of(const struct module_cache_key *key, struct slice module);
size_t module_cache_cnt(const struct module_cache *c);

#endif
