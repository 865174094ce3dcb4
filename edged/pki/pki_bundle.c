/* SPDX-License-Identifier: MIT */
/*
 * The trust bundle. Anybody may ask and each answer takes a place in the worker's queue, so all who
 * ask while one is under way share it.
 */
#include "base/buf.h"
#include "pki/internal.h"

#include <stdlib.h>

#define ROOTS_MAX (64 * 1024) /* bytes of ours beside the operator's bundle */

struct waiter {
    struct list node;
    struct pki *p;
    struct op op;
    bool is_canceled;
    pki_bundle_fn *done;
    void *data;
};

struct pki_bundle_job {
    struct pki *p;
    struct keeper *keeper;
    struct wall_time now;
    struct list waiters;
    size_t waiter_cnt;
    struct buf pem;
    struct pki_report report;
    bool has_run;
    enum edge_code code;
    struct edge_error err;
};

static void run(void *data) {
    struct pki_bundle_job *job = data;
    job->code = keeper_bundle(job->keeper, &job->now, &job->pem, &job->err);
    if (job->code == EDGE_DENIED || job->code == EDGE_NOT_FOUND) {
        job->code = edge_set(&job->err, EDGE_HSM, "%s", job->err.text);
    }
    job->has_run = true;
    pki_report_take(job->p, &job->now, &job->report);
}

static void answer(struct pki_bundle_job *job, struct waiter *w) {
    op_remove(loop_ops(w->p->deps.loop), w->op);
    list_remove(&w->node);
    if (w->is_canceled) {
        struct edge_error err;
        (void)edge_set(&err, EDGE_CANCELED, "nobody waits for the trust bundle");
        w->done(w->data, EDGE_CANCELED, slice_str(NULL), &err);
    } else if (job->code == EDGE_OK) {
        w->done(w->data, EDGE_OK, buf_slice(&job->pem), NULL);
    } else {
        w->done(w->data, job->code, slice_str(NULL), &job->err);
    }
    free(w);
}

static void on_done(void *data, enum edge_code code) {
    struct pki_bundle_job *job = data;
    job->p->bundle = NULL; /* answers may bring new requests */
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the request was not worked on in time");
    }
    while (!list_is_empty(&job->waiters)) {
        answer(job, LIST_ENTRY(job->waiters.next, struct waiter, node));
    }
    pki_job_ended(job->p, job->has_run ? &job->report : NULL);
    buf_clear(&job->pem);
    free(job);
}

static enum edge_code job_start(struct pki *p, struct edge_error *err) {
    struct pki_bundle_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the trust bundle");
    }
    job->p = p;
    job->keeper = p->keeper;
    job->now = wall_get_time(p->deps.wall);
    list_init(&job->waiters);
    buf_init(&job->pem, PKI_BUNDLE_MAX + ROOTS_MAX);
    const struct worker_job work = {
        .run = run, .done = on_done, .data = job, .queue_timeout_ms = PKI_QUEUE_MS};
    enum edge_code code = worker_submit(p->deps.worker, &work, NULL, err);
    if (code != EDGE_OK) {
        free(job);
        return code;
    }
    p->bundle = job;
    p->in_flight++;
    return EDGE_OK;
}

static void cancel(void *data) {
    struct waiter *w = data;
    w->is_canceled = true;
}

enum edge_code pki_trust_bundle(struct pki *p, pki_bundle_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) {
    if (p->is_stopping) {
        return edge_set(err, EDGE_CANCELED, "the daemon is stopping");
    }
    if (p->bundle != NULL && p->bundle->waiter_cnt >= PKI_WAITERS_MAX) {
        return edge_set(err, EDGE_BUSY, "too many wait for the trust bundle");
    }
    struct waiter *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the trust bundle");
    }
    *w = (struct waiter){.p = p, .done = done, .data = data};
    enum edge_code code = op_add(loop_ops(p->deps.loop), cancel, w, &w->op, err);
    if (code == EDGE_OK && p->bundle == NULL) {
        code = job_start(p, err);
        if (code != EDGE_OK) {
            op_remove(loop_ops(p->deps.loop), w->op);
        }
    }
    if (code != EDGE_OK) {
        free(w);
        return code;
    }
    list_append(&p->bundle->waiters, &w->node);
    p->bundle->waiter_cnt++;
    if (ret_op != NULL) {
        *ret_op = w->op;
    }
    return EDGE_OK;
}
