/* SPDX-License-Identifier: MIT */
/*
 * One job of the worker per request. The answer is made there as well: it can be told apart from
 * the work itself by nobody who asks.
 */
#include "api/api_work.h"

#include "api/api_error.h"
#include "http/http_reply.h"

#include <stdlib.h>

struct work {
    const struct api_work_kind *kind;
    struct api *api;
    struct api_pending *pending;
    struct hsm *hsm;
    void *state;
    struct buf answer;
    enum edge_code code;
    struct edge_error err;
};

static void work_free(struct work *w) {
    if (w == NULL) {
        return;
    }
    if (w->state != NULL) {
        w->kind->clear(w->state);
        free(w->state);
    }
    buf_clear(&w->answer);
    free(w);
}

static void work_cleanup(struct work **w) {
    work_free(*w);
}

static void run(void *data) {
    struct work *w = data;
    w->code = w->kind->run(w->hsm, w->state, &w->answer, &w->err);
}

static void done(void *data, enum edge_code code) {
    struct work *w = data;
    struct http_exchange *x = api_pending_take(w->pending);
    if (code != EDGE_OK) {
        w->code = edge_set(&w->err, code, "the key store did not get to it");
    }
    if (w->code == EDGE_OK) {
        w->kind->succeeded(w->api, w->state);
    }
    if (x != NULL && w->code == EDGE_OK) {
        http_reply_json(x, 200, &w->answer);
    } else if (x != NULL) {
        api_error_mgmt(x, w->kind->failed, &w->err);
    }
    work_free(w);
}

static struct work *work_new(const struct api_work_kind *kind) {
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return NULL;
    }
    w->kind = kind;
    buf_init(&w->answer, kind->answer_max);
    w->state = calloc(1, kind->state_size);
    if (w->state == NULL) {
        work_free(w);
        return NULL;
    }
    return w;
}

void api_work_start(struct http_exchange *x, const struct api_work_kind *kind) {
    struct edge_error err;
    struct api *api = api_of(x);
    struct work *w EDGE_CLEANUP(work_cleanup) = work_new(kind);
    if (w == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    if (kind->decode(api, http_exchange_body(x), w->state, &err) != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    w->api = api;
    w->hsm = api->hsm;
    w->pending = api_pending_new(x, NULL);
    if (w->pending == NULL) {
        return;
    }
    const struct worker_job job = {.run = run, .done = done, .data = w};
    if (worker_submit(api->worker, &job, NULL, &err) != EDGE_OK) {
        (void)api_pending_take(w->pending);
        api_error_mgmt(x, kind->failed, &err);
        return;
    }
    (void)TAKE_PTR(w);
}
