/* SPDX-License-Identifier: MIT */
/*
 * Bounded on both sides: facts by the number of containers an Engine may have, refusals by a ring.
 */
#include "api/authz_memory.h"

#include "api/authz_proc.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum edge_code authz_memory_init(struct authz_memory *m, struct edge_error *err) {
    *m = (struct authz_memory){0};
    return map_new(AUTHZ_FACTS_MAX, free, &m->facts, err);
}

void authz_memory_clear(struct authz_memory *m) {
    map_free(m->facts);
    m->facts = NULL;
}

const struct authz_fact *authz_memory_fact(const struct authz_memory *m, const char *id) {
    const struct authz_fact *f = map_get(m->facts, slice_str(id));
    if (f != NULL && !f->known && clock_mono_ms() - f->asked_ms >= AUTHZ_UNKNOWN_MS) {
        return NULL;
    }
    return f;
}

void authz_memory_store(struct authz_memory *m, const char *id, const struct authz_fact *f) {
    struct authz_fact *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return;
    }
    *copy = *f;
    if (map_cnt(m->facts) >= AUTHZ_FACTS_MAX) {
        map_clear(m->facts);
    }
    if (map_put(m->facts, slice_str(id), copy, NULL) != EDGE_OK) {
        free(copy);
    }
}

void authz_memory_forget(struct authz_memory *m, const char *id) {
    (void)map_remove(m->facts, slice_str(id));
}

void authz_memory_forget_facts(struct authz_memory *m) {
    map_clear(m->facts);
}

void authz_memory_forget_denials(struct authz_memory *m) {
    memset(m->denials, 0, sizeof(m->denials));
}

static bool find_process(int proc_fd, const struct http_peer *peer, uint64_t *ret_start) {
    if (peer->start_time != 0) {
        *ret_start = peer->start_time;
        return true;
    }
    return authz_proc_read_start(proc_fd, peer->pid, ret_start);
}

bool authz_memory_is_denied(const struct authz_memory *m, int proc_fd, const struct http_peer *peer,
                            const char *name) {
    uint64_t now_ms = clock_mono_ms(), start_time;

    if (!find_process(proc_fd, peer, &start_time)) {
        return false;
    }
    for (size_t i = 0; i < AUTHZ_DENIALS_MAX; i++) {
        const struct authz_denial *d = &m->denials[i];
        if (d->pid == peer->pid && d->start_time == start_time && d->until_ms > now_ms &&
            strcmp(d->name, name) == 0) {
            return true;
        }
    }
    return false;
}

void authz_memory_deny(struct authz_memory *m, int proc_fd, const struct http_peer *peer,
                       const char *name) {
    struct authz_denial d = {.pid = peer->pid, .until_ms = clock_mono_ms() + AUTHZ_DENIAL_MS};

    /* Read first, verified afterwards: the start time is the peer's own. */
    if (!find_process(proc_fd, peer, &d.start_time) ||
        authz_proc_verify(proc_fd, peer, NULL) != EDGE_OK ||
        !slice_to_array(slice_str(name), d.name, sizeof(d.name))) {
        return;
    }
    m->denials[m->next_denial] = d;
    m->next_denial = (m->next_denial + 1) % AUTHZ_DENIALS_MAX;
}
