/* SPDX-License-Identifier: MIT */
/*
 * One thread with a bounded queue, for everything that may block: TPM commands, key generation,
 * fsync. Jobs run one at a time in the order of submission; results come back on the loop thread.
 */
#ifndef LOOP_WORKER_H
#define LOOP_WORKER_H

#include "base/error.h"
#include "loop/loop.h"
#include "loop/op.h"

#include <stdbool.h>
#include <stdint.h>

#define WORKER_QUEUE_MAX   64
#define WORKER_URGENT_ROOM 8 /* places beyond that, for urgent jobs only */

struct worker;

struct worker_job {
    /* Worker thread. Touches nothing but `data`. Not called when the job was cancelled or its
     * deadline passed while it waited. */
    void (*run)(void *data);
    /* Loop thread, exactly once, later than worker_submit, and never while run() is in progress:
     * releases data. code: OK (run has returned, and nobody cancelled), CANCELED, TIMEOUT (never
     * started). */
    void (*done)(void *data, enum edge_code code);
    void *data;
    uint32_t queue_timeout_ms; /* longest wait in the queue; 0: no limit */
    bool urgent; /* goes before jobs that are not, also into a full queue; for token renewal, not
                    for modules */
};

enum edge_code worker_new(struct loop *l, const char *name, struct worker **ret,
                          struct edge_error *err) EDGE_NODISCARD;

/* Queues a job. On success done() will run; on failure it will not and data stays the caller's.
 * ret_op (may be NULL) can be cancelled with op_cancel(loop_ops(l), op). Errors: BUSY when the
 * queue is full, CANCELED after worker_stop, NOMEM. */
enum edge_code worker_submit(struct worker *w, const struct worker_job *job, struct op *ret_op,
                             struct edge_error *err) EDGE_NODISCARD;

/* Takes no more jobs, cancels the waiting ones, waits (without blocking the loop) for the running
 * one, then runs stopped() on the loop thread. last (may be NULL) runs on the worker thread at the
 * very end: the place to close what only that thread may touch. */
void worker_stop(struct worker *w, void (*last)(void *data), void (*stopped)(void *data),
                 void *data);

/* As worker_stop, but never waits: a job that is still running is left behind, with its thread and
 * all that belongs to it, and its done() never runs. For jobs that may hang for ever, at the end of
 * the process. */
void worker_abandon(struct worker *w, void (*stopped)(void *data), void *data);

/* After stopped() has run. */
void worker_free(struct worker *w);

uint32_t worker_queue_len(const struct worker *w);

#endif
