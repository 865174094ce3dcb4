/* SPDX-License-Identifier: MIT */
/*
 * What the authorization asks the Engine, while exchanges wait: who a container is, and which
 * processes a module has. Private to api/authz*.c. Loop thread.
 */
#ifndef API_AUTHZ_ENGINE_H
#define API_AUTHZ_ENGINE_H

#include "api/authz.h"
#include "api/authz_memory.h"
#include "api/authz_peers.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct authz {
    struct loop *loop;
    struct runtime *rt;
    int proc_fd;
    uint64_t epoch; /* counts events that void what was learnt */
    bool lost;      /* no events come */
    bool control_narrowed;
    struct authz_memory memory;
    struct list lookups;  /* inspections in flight */
    struct list listings; /* process lists in flight */
    unsigned listing_cnt;
    struct authz_peers peers;
};

/* Each of these gives the exchange its verdict, now or when the Engine has answered. */

/* By what the Engine said of the caller's container; one that it does not know leads to
 * authz_engine_list. epoch: of when it was asked. */
void authz_engine_settle(struct authz *a, struct http_exchange *x, const char *expected,
                         const char *id, const struct authz_fact *f, uint64_t epoch);

/* Inspects the caller's container, then settles by that. */
void authz_engine_inspect(struct authz *a, struct http_exchange *x, const char *expected,
                          const char *id);

/* Looks for the caller in the process list of the expected module. */
void authz_engine_list(struct authz *a, struct http_exchange *x, const char *expected);

/* Cancels everything in flight; no exchange is answered any more. */
void authz_engine_cancel(struct authz *a);

#endif
