/* SPDX-License-Identifier: MIT */
/*
 * What authorization has learnt and may use again: the Engine's word on container ids, and who was
 * refused by a process list a moment ago. Keeps and forgets; decides nothing. Loop thread.
 */
#ifndef API_AUTHZ_MEMORY_H
#define API_AUTHZ_MEMORY_H

#include "base/error.h"
#include "base/map.h"
#include "http/http_server.h"
#include "runtime/runtime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTHZ_FACTS_MAX   RUNTIME_CONTAINERS_MAX
#define AUTHZ_UNKNOWN_MS  30000 /* how long a container stays unknown to the Engine */
#define AUTHZ_DENIALS_MAX 64
#define AUTHZ_DENIAL_MS   5000 /* how long a refusal by process list is remembered */

/* What the Engine said of an id. */
struct authz_fact {
    bool known; /* false: the Engine has no such container */
    bool owned;
    char name[RUNTIME_NAME_MAX + 1];
    uint64_t asked_ms;
};

struct authz_denial {
    pid_t pid;
    uint64_t start_time;
    uint64_t until_ms;
    char name[RUNTIME_NAME_MAX + 1];
};

struct authz_memory {
    struct map *facts;
    struct authz_denial denials[AUTHZ_DENIALS_MAX];
    size_t next_denial;
};

enum edge_code authz_memory_init(struct authz_memory *m, struct edge_error *err) EDGE_NODISCARD;
void authz_memory_clear(struct authz_memory *m);

/* NULL when nothing is known, or only that the container was unknown too long ago. Borrowed until
 * the next call. */
const struct authz_fact *authz_memory_fact(const struct authz_memory *m, const char *id);

/* Best effort: without memory nothing is kept; a full memory starts over. */
void authz_memory_store(struct authz_memory *m, const char *id, const struct authz_fact *f);
void authz_memory_forget(struct authz_memory *m, const char *id); /* one container */
void authz_memory_forget_facts(struct authz_memory *m);
void authz_memory_forget_denials(struct authz_memory *m);

/* A number alone would stand for whoever has it next, so a process is its number and start time,
 * which is read below proc_fd where the peer has none. Call only with a peer that was just
 * verified. */
bool authz_memory_is_denied(const struct authz_memory *m, int proc_fd, const struct http_peer *peer,
                            const char *name);

/* Verifies the peer itself; best effort. */
void authz_memory_deny(struct authz_memory *m, int proc_fd, const struct http_peer *peer,
                       const char *name);

#endif
