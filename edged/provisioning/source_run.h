/* SPDX-License-Identifier: MIT */
/*
 * What the sources of identities have in common: one run from start to outcome, and the jobs of it
 * on the HSM worker. Embedded in each source as its first member.
 */
#ifndef PROVISIONING_SOURCE_RUN_H
#define PROVISIONING_SOURCE_RUN_H

#include "base/buf.h"
#include "base/secret.h"
#include "provisioning/key_label.h"
#include "provisioning/source.h"

struct source_run {
    struct source base;
    struct provisioning_deps deps;
    char inputs[STATE_INPUT_LEN];
    void (*at_end)(struct source_run *s); /* releases what the run holds; may be NULL */
    source_done_fn *done;                 /* NULL: idle */
    void *done_data;
    struct op op; /* what is in flight: worker job, proof or request */
    bool canceled;
    bool looking; /* dry run */
    struct source_outcome outcome;
};

/* One job on the worker; carries copies only. */
struct source_job {
    struct source_run *s;
    struct hsm *hsm;
    const char *dir;
    void (*run)(struct source_job *job);
    void (*next)(struct source_run *s, struct source_job *job);
    struct hsm_attestation keys;
    char registration_id[129];
    char target[KEY_LABEL_TARGET_MAX + 1];
    struct secret key;
    struct buf blob; /* activation blob, or a private key in PEM */
    struct buf cert; /* certificate chain in PEM */
    struct buf label;
    char cert_path[PROVISIONING_PATH_MAX + 1];
    char pk_path[PROVISIONING_PATH_MAX + 1];
    int64_t now_wall_s;
    uint64_t generation;
    uint64_t newest;             /* as source.key_newest */
    enum source_verdict verdict; /* of a failure; LOCAL unless run() says otherwise */
    enum hsm_state key_store;
    enum edge_code code;
    struct edge_error err;
};

/* Errors: RANGE. */
enum edge_code source_run_init(struct source_run *s, const struct source_ops *ops,
                               const struct provisioning_deps *deps, const char *inputs,
                               struct edge_error *err) EDGE_NODISCARD;

void source_run_begin(struct source_run *s, source_done_fn *done, void *data, bool looking);
void source_run_finish(struct source_run *s, enum source_verdict verdict);
void source_run_fail(struct source_run *s, enum source_verdict verdict,
                     const struct edge_error *err);
/* A failure on this machine: LOCAL, or CLOCK when it is the clock that is not right. */
void source_run_fail_local(struct source_run *s, const struct edge_error *err);
void source_run_no_memory(struct source_run *s);

/* True when the run was cancelled, and has been ended for that: to be asked first in each callback.
 */
bool source_run_ends(struct source_run *s);

/* For ops.cancel. False when nothing is in flight that would call back: the source then ends the
 * run itself, later. */
bool source_run_cancel(struct source_run *s);
void source_run_end_later(struct source_run *s);

/* Hub and device id into the result, unproven, since now. Errors: PROTO when one is too long. */
enum edge_code source_run_assign(struct source_run *s, const char *hub, const char *device_id,
                                 struct edge_error *err) EDGE_NODISCARD;

struct source_job *source_job_new(struct source_run *s); /* NULL when memory is short */
void source_job_free(struct source_job *job);            /* NULL allowed */

/* Takes ownership of job, also on failure. next runs on the loop after a run that left code OK;
 * else the run fails with the job's verdict. Errors: those of worker_submit. */
enum edge_code source_job_submit(struct source_job *job, void (*run)(struct source_job *job),
                                 void (*next)(struct source_run *s, struct source_job *job),
                                 struct edge_error *err) EDGE_NODISCARD;

/* A job that finds or imports the key of the configuration; the generation is in next's job. Errors
 * as source_job_submit, and INVALID, RANGE, NOMEM. */
enum edge_code source_job_key(struct source_run *s,
                              void (*next)(struct source_run *s, struct source_job *job),
                              struct edge_error *err) EDGE_NODISCARD;

#endif
