/* SPDX-License-Identifier: MIT */
/*
 * What the parts of pki.h's object share: pki.c (life, looks, status), pki_issue.c (leaves) and
 * pki_bundle.c (the trust bundle). The keeper is touched by jobs on the worker only; what the loop
 * knows of it, jobs bring along.
 */
#ifndef PKI_INTERNAL_H
#define PKI_INTERNAL_H

#include "base/list.h"
#include "pki/keeper.h"
#include "pki/leaf_pool.h"
#include "pki/pki.h"

#define PKI_QUEUE_MS 30000 /* longest wait of a request in the worker's queue */

struct pki_bundle_job;

struct pki {
    struct pki_deps deps;
    char *state_dir;
    struct keeper *keeper;
    uint32_t reported; /* worker thread: serial of the last report */
    struct leaf_pool *pool;
    struct loop_timer *timer;
    struct list issuing;           /* jobs that may be cancelled */
    struct pki_bundle_job *bundle; /* the one that all wait for */
    unsigned in_flight;
    bool is_started;
    bool is_looking;
    bool has_doubts;  /* the next look trusts nothing that it remembers */
    bool looks_again; /* once that look is over */
    bool is_stopping;
    bool is_ready;
    void (*stopped)(void *data);
    void *stopped_data;
    struct pki_status status;
    int64_t told_wall_s; /* when days left were logged */
};

/* What a job brings back from the keeper. */
struct pki_report {
    bool is_new;
    struct pki_status status;
    bool is_ready;
    uint64_t pause_ms;
};

/* Worker thread, at the end of a job: the status if it is another one than at the last report, so
 * that the usual request does not pay for it. */
void pki_report_take(struct pki *p, const struct wall_time *now, struct pki_report *ret);

/* Loop thread: a job has ended. report NULL: it has not run. The job is still there. */
void pki_job_ended(struct pki *p, const struct pki_report *report);

/* Cancels requests for leaves; those who wait for the bundle are answered by its job. */
void pki_issue_cancel_all(struct pki *p);

#endif
