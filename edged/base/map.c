/* SPDX-License-Identifier: MIT */
/*
 * Hash map with separate chains. The hash is SipHash-1-3 (Aumasson, Bernstein) under a key drawn
 * once per process.
 */
#include "base/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAP_SLOTS_MIN 16 /* a power of two */

struct entry {
    struct entry *next;
    void *value;
    uint64_t hash;
    size_t key_len;
    char key[];
};

struct map {
    struct entry **slots;
    size_t slot_cnt; /* a power of two */
    size_t cnt;
    size_t max_cnt;
    void (*free_value)(void *value);
};

static uint64_t seed[2];
static int seed_errno;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_draw(void) {
    ssize_t n;
    do {
        n = getrandom(seed, sizeof(seed), 0);
    } while (n < 0 && errno == EINTR);
    seed_errno = n == (ssize_t)sizeof(seed) ? 0 : (n < 0 ? errno : EIO);
}

static uint64_t rotl(uint64_t x, unsigned n) {
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t hash_of(struct slice key) {
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du,
                     seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
    size_t done = 0;
    for (; key.len - done >= 8; done += 8) {
        uint64_t m;
        memcpy(&m, key.ptr + done, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)key.len << 56;
    if (key.len > done) {
        memcpy(&last, key.ptr + done, key.len - done);
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

enum edge_code map_new(size_t max_cnt, void (*free_value)(void *value), struct map **ret,
                       struct edge_error *err) {
    pthread_once(&seed_once, seed_draw);
    if (seed_errno != 0) {
        return edge_set_errno(err, seed_errno, "cannot draw random bytes for a map");
    }
    struct map *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a map");
    }
    m->slots = calloc(MAP_SLOTS_MIN, sizeof(struct entry *));
    if (m->slots == NULL) {
        free(m);
        return edge_set(err, EDGE_NOMEM, "out of memory for a map");
    }
    m->slot_cnt = MAP_SLOTS_MIN;
    m->max_cnt = max_cnt;
    m->free_value = free_value;
    *ret = m;
    return EDGE_OK;
}

static void value_free(const struct map *m, void *value) {
    if (m->free_value != NULL && value != NULL) {
        m->free_value(value);
    }
}

void map_clear(struct map *m) {
    for (size_t i = 0; i < m->slot_cnt; i++) {
        while (m->slots[i] != NULL) {
            struct entry *e = m->slots[i];
            m->slots[i] = e->next;
            m->cnt--;
            value_free(m, e->value);
            free(e);
        }
    }
}

void map_free(struct map *m) {
    if (m != NULL) {
        map_clear(m);
        free(m->slots);
        free(m);
    }
}

/* The link that points to the entry, or to NULL at the chain's end. */
static struct entry **find(const struct map *m, struct slice key, uint64_t hash) {
    struct entry **link = &m->slots[hash & (m->slot_cnt - 1)];
    while (*link != NULL &&
           ((*link)->hash != hash || !slice_eq(slice_make((*link)->key, (*link)->key_len), key))) {
        link = &(*link)->next;
    }
    return link;
}

static bool grow(struct map *m) {
    size_t slot_cnt = m->slot_cnt * 2;
    struct entry **slots = calloc(slot_cnt, sizeof(struct entry *));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->slot_cnt; i++) {
        while (m->slots[i] != NULL) {
            struct entry *e = m->slots[i];
            m->slots[i] = e->next;
            e->next = slots[e->hash & (slot_cnt - 1)];
            slots[e->hash & (slot_cnt - 1)] = e;
        }
    }
    free(m->slots);
    m->slots = slots;
    m->slot_cnt = slot_cnt;
    return true;
}

enum edge_code map_put(struct map *m, struct slice key, void *value, struct edge_error *err) {
    uint64_t hash = hash_of(key);
    struct entry *e = *find(m, key, hash);
    if (e != NULL) {
        void *old = e->value;
        e->value = value;
        if (old != value) {
            value_free(m, old);
        }
        return EDGE_OK;
    }
    if (m->cnt >= m->max_cnt) {
        return edge_set(err, EDGE_RANGE, "map is full (%zu entries)", m->max_cnt);
    }
    e = malloc(sizeof(*e) + key.len);
    if (e == NULL || (m->cnt >= m->slot_cnt && !grow(m))) {
        free(e);
        return edge_set(err, EDGE_NOMEM, "out of memory for a map entry");
    }
    if (key.len > 0) {
        memcpy(e->key, key.ptr, key.len);
    }
    e->key_len = key.len;
    e->hash = hash;
    e->value = value;
    struct entry **slot = &m->slots[hash & (m->slot_cnt - 1)];
    e->next = *slot;
    *slot = e;
    m->cnt++;
    return EDGE_OK;
}

void *map_get(const struct map *m, struct slice key) {
    const struct entry *e = *find(m, key, hash_of(key));
    return e != NULL ? e->value : NULL;
}

/* Takes the entry out of its chain; the caller frees it. */
static struct entry *unlink_entry(struct map *m, struct entry **link) {
    struct entry *e = *link;
    if (e != NULL) {
        *link = e->next;
        m->cnt--;
    }
    return e;
}

bool map_remove(struct map *m, struct slice key) {
    struct entry *e = unlink_entry(m, find(m, key, hash_of(key)));
    if (e == NULL) {
        return false;
    }
    value_free(m, e->value);
    free(e);
    return true;
}

size_t map_cnt(const struct map *m) {
    return m->cnt;
}

void map_each(struct map *m, bool (*keep)(void *data, struct slice key, void *value), void *data) {
    for (size_t i = 0; i < m->slot_cnt; i++) {
        struct entry **link = &m->slots[i];
        while (*link != NULL) {
            if (keep(data, slice_make((*link)->key, (*link)->key_len), (*link)->value)) {
                link = &(*link)->next;
                continue;
            }
            struct entry *e = unlink_entry(m, link);
            value_free(m, e->value);
            free(e);
        }
    }
}
