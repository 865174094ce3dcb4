/* SPDX-License-Identifier: MIT */
/*
 * A map for look-up and a list in order of use. Age is checked on every look-up; a timer that runs
 * only while there are keys removes those that nobody asks for, so that they do not stay in memory.
 */
#include "identity/module_cache.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct module_cache_entry {
    struct list node; /* in module_cache.lru */
    unsigned ref_cnt;
    uint64_t expires_ms; /* monotonic */
    struct mac_key *mac;
    struct module_cache_key key;
};

struct module_cache {
    struct map *map;
    struct list lru; /* least recently used first */
    uint64_t ttl_ms;
    struct loop_timer *timer;
};

bool module_cache_key_init(struct module_cache_key *key, const struct module_key_id *id) {
    bool is_primary = slice_eq_str(id->key_id, "primary");
    if ((!is_primary && !slice_eq_str(id->key_id, "secondary")) || id->module.len == 0 ||
        id->module.len > MODULE_KEY_ID_MAX || id->generation.len == 0 ||
        id->generation.len > MODULE_KEY_ID_MAX) {
        return false;
    }
    uint8_t *p = key->bytes;
    *p++ = (uint8_t)id->module.len;
    memcpy(p, id->module.ptr, id->module.len);
    p += id->module.len;
    *p++ = is_primary ? 1 : 2;
    memcpy(p, id->generation.ptr, id->generation.len);
    key->module_len = id->module.len;
    key->len = 2 + id->module.len + id->generation.len;
    return true;
}

bool module_cache_key_eq(const struct module_cache_key *a, const struct module_cache_key *b) {
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static struct slice bare_module(const struct module_cache_key *key) {
    struct slice name = slice_make(key->bytes + 1, key->module_len);
    while (slice_starts_with(name, "$")) {
        name = slice_make(name.ptr + 1, name.len - 1);
    }
    return name;
}

bool module_cache_is_same_module(const struct module_cache_key *a,
                                 const struct module_cache_key *b) {
    return slice_eq(bare_module(a), bare_module(b));
}

static struct slice key_slice(const struct module_cache_key *key) {
    return slice_make(key->bytes, key->len);
}

void module_cache_unref(struct module_cache_entry *e) {
    if (--e->ref_cnt == 0) {
        mac_key_free(e->mac);
        free(e);
    }
}

/* Value destructor of the map: the cache's own reference. */
static void entry_removed(void *value) {
    struct module_cache_entry *e = value;
    list_remove(&e->node);
    module_cache_unref(e);
}

static void entry_remove(struct module_cache *c, struct module_cache_entry *e) {
    const struct module_cache_key key = e->key;
    (void)map_remove(c->map, key_slice(&key));
    if (map_cnt(c->map) == 0) {
        loop_timer_stop(c->timer);
    }
}

static void on_timer(void *data) {
    struct module_cache *c = data;
    uint64_t now_ms = clock_mono_ms();
    uint64_t next_ms = UINT64_MAX;
    list_for_each (pos, tmp, &c->lru) {
        struct module_cache_entry *e = LIST_ENTRY(pos, struct module_cache_entry, node);
        if (e->expires_ms <= now_ms) {
            entry_remove(c, e);
        } else if (e->expires_ms < next_ms) {
            next_ms = e->expires_ms;
        }
    }
    if (next_ms != UINT64_MAX) {
        loop_timer_start(c->timer, next_ms - now_ms);
    }
}

enum edge_code module_cache_new(struct loop *l, uint64_t ttl_ms, struct module_cache **ret,
                                struct edge_error *err) {
    struct module_cache *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the cache of module keys");
    }
    list_init(&c->lru);
    c->ttl_ms = ttl_ms;
    enum edge_code code = map_new(MODULE_KEY_CACHE_MAX, entry_removed, &c->map, err);
    if (code == EDGE_OK) {
        code = loop_timer_new(l, on_timer, c, &c->timer, err);
    }
    if (code != EDGE_OK) {
        module_cache_free(c);
        return code;
    }
    *ret = c;
    return EDGE_OK;
}

void module_cache_free(struct module_cache *c) {
    if (c != NULL) {
        loop_timer_free(c->timer);
        map_free(c->map);
        free(c);
    }
}

struct mac_key *module_cache_get(struct module_cache *c, const struct module_cache_key *key) {
    struct module_cache_entry *e = map_get(c->map, key_slice(key));
    if (e == NULL) {
        return NULL;
    }
    if (e->expires_ms <= clock_mono_ms()) {
        entry_remove(c, e);
        return NULL;
    }
    list_remove(&e->node);
    list_append(&c->lru, &e->node);
    return e->mac;
}

/* Makes room for one key of this module. */
static void make_room(struct module_cache *c, const struct module_cache_key *key) {
    struct module_cache_entry *oldest = NULL;
    size_t cnt = 0;
    list_for_each (pos, tmp, &c->lru) {
        struct module_cache_entry *e = LIST_ENTRY(pos, struct module_cache_entry, node);
        if (module_cache_is_same_module(&e->key, key)) {
            oldest = oldest != NULL ? oldest : e;
            cnt++;
        }
    }
    if (cnt >= MODULE_KEY_CACHE_PER_MODULE) {
        entry_remove(c, oldest);
    } else if (map_cnt(c->map) >= MODULE_KEY_CACHE_MAX) {
        entry_remove(c, LIST_ENTRY(c->lru.next, struct module_cache_entry, node));
    }
}

struct module_cache_entry *module_cache_put(struct module_cache *c,
                                            const struct module_cache_key *key,
                                            struct mac_key *mac) {
    struct module_cache_entry *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return NULL;
    }
    (void)map_remove(c->map, key_slice(key));
    make_room(c, key);
    e->key = *key;
    e->ref_cnt = 1;
    e->expires_ms = clock_mono_ms() + c->ttl_ms;
    if (map_put(c->map, key_slice(key), e, NULL) != EDGE_OK) {
        free(e);
        return NULL;
    }
    e->mac = mac;
    e->ref_cnt++;
    list_append(&c->lru, &e->node);
    if (!loop_timer_is_active(c->timer)) {
        loop_timer_start(c->timer, c->ttl_ms);
    }
    return e;
}

void module_cache_drop(struct module_cache *c) {
    map_clear(c->map);
    loop_timer_stop(c->timer);
}

bool module_cache_is_of(const struct module_cache_key *key, struct slice module) {
    return slice_eq(slice_make(key->bytes + 1, key->module_len), module);
}

void module_cache_drop_module(struct module_cache *c, struct slice module) {
    list_for_each (pos, tmp, &c->lru) {
        struct module_cache_entry *e = LIST_ENTRY(pos, struct module_cache_entry, node);
        if (module_cache_is_of(&e->key, module)) {
            entry_remove(c, e);
        }
    }
}

size_t module_cache_cnt(const struct module_cache *c) {
    return map_cnt(c->map);
}
