/* SPDX-License-Identifier: MIT */
/*
 * Requests that are one job for the worker: decoded, done there, answered. What was asked for is
 * done also when the one who asked has gone.
 */
#ifndef API_API_WORK_H
#define API_API_WORK_H

#include "api/api.h"
#include "base/buf.h"

/* What one kind of request does; the state starts zeroed. */
struct api_work_kind {
    const char *failed; /* "Could not do it": before the reason in an answer */
    size_t state_size;
    size_t answer_max; /* bytes */
    /* Loop thread. A failure is answered as a malformed request. */
    enum edge_code (*decode)(const struct api *api, struct slice body, void *state,
                             struct edge_error *err);
    /* Worker thread: the work, and its answer as JSON. */
    enum edge_code (*run)(struct hsm *h, void *state, struct buf *answer, struct edge_error *err);
    /* Loop thread, after success, also when nobody waits. */
    void (*succeeded)(struct api *api, const void *state);
    void (*clear)(void *state); /* wipes and releases; idempotent */
};

/* Handles an exchange; kind is borrowed for good. */
void api_work_start(struct http_exchange *x, const struct api_work_kind *kind);

#endif
