/* SPDX-License-Identifier: MIT */
/*
 * Beginning and end of a source's run, and its jobs on the worker.
 */
#include "provisioning/source_run.h"

#include "provisioning/key_import.h"

#include <stdlib.h>
#include <string.h>

#define JOB_QUEUE_MS 60000

enum edge_code source_run_init(struct source_run *s, const struct source_ops *ops,
                               const struct provisioning_deps *deps, const char *inputs,
                               struct edge_error *err) {
    s->base.ops = ops;
    s->deps = *deps;
    if (!slice_to_array(slice_str(inputs), s->inputs, sizeof(s->inputs))) {
        return edge_set(err, EDGE_RANGE, "the digest of the configuration is too long");
    }
    return EDGE_OK;
}

void source_run_begin(struct source_run *s, source_done_fn *done, void *data, bool looking) {
    s->done = done;
    s->done_data = data;
    s->op = OP_NONE;
    s->canceled = false;
    s->looking = looking;
    memset(&s->outcome, 0, sizeof(s->outcome));
}

void source_run_finish(struct source_run *s, enum source_verdict verdict) {
    source_done_fn *done = s->done;
    if (s->at_end != NULL) {
        s->at_end(s);
    }
    s->done = NULL;
    s->op = OP_NONE;
    s->outcome.verdict = s->canceled ? SOURCE_CANCELED : verdict;
    done(s->done_data, &s->outcome);
}

void source_run_fail(struct source_run *s, enum source_verdict verdict,
                     const struct edge_error *err) {
    s->outcome.err = *err;
    source_run_finish(s, verdict);
}

void source_run_fail_local(struct source_run *s, const struct edge_error *err) {
    bool clock = err->code == EDGE_RETRY && !wall_is_usable(s->deps.cloud->wall);
    source_run_fail(s, clock ? SOURCE_CLOCK : SOURCE_LOCAL, err);
}

void source_run_no_memory(struct source_run *s) {
    struct edge_error err;
    (void)edge_set(&err, EDGE_NOMEM, "out of memory");
    source_run_fail(s, SOURCE_LOCAL, &err);
}

bool source_run_ends(struct source_run *s) {
    s->op = OP_NONE;
    if (s->canceled) {
        source_run_finish(s, SOURCE_CANCELED);
        return true;
    }
    return false;
}

bool source_run_cancel(struct source_run *s) {
    if (s->done == NULL || s->canceled) {
        return true;
    }
    s->canceled = true;
    if (!op_is_set(s->op)) {
        return false;
    }
    op_cancel(loop_ops(s->deps.cloud->loop), s->op);
    return true;
}

static void end(void *data) {
    struct source_run *s = data;
    if (s->done != NULL) {
        source_run_finish(s, SOURCE_CANCELED);
    }
}

void source_run_end_later(struct source_run *s) {
    if (loop_post(s->deps.cloud->loop, end, s, NULL) != EDGE_OK) {
        end(s);
    }
}

enum edge_code source_run_assign(struct source_run *s, const char *hub, const char *device_id,
                                 struct edge_error *err) {
    struct provisioning_result *r = &s->outcome.result;
    if (!slice_to_array(slice_str(hub), r->hub, sizeof(r->hub)) ||
        !slice_to_array(slice_str(device_id), r->device_id, sizeof(r->device_id))) {
        return edge_set(err, EDGE_PROTO,
                        "the assigned hub or device id is longer than a hub allows");
    }
    r->since_wall_s = wall_now_s(s->deps.cloud->wall);
    r->proven = false;
    return EDGE_OK;
}

/* --- Jobs --- */

void source_job_free(struct source_job *job) {
    if (job != NULL) {
        buf_clear(&job->blob);
        buf_clear(&job->cert);
        buf_clear(&job->label);
        secret_clear(&job->key);
        free(job);
    }
}

struct source_job *source_job_new(struct source_run *s) {
    struct source_job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        job->s = s;
        job->hsm = s->deps.cloud->hsm;
        job->dir = s->deps.state_dir;
        job->now_wall_s = wall_now_s(s->deps.cloud->wall);
        job->verdict = SOURCE_LOCAL;
        buf_init_sensitive(&job->blob, 65536);
        buf_init(&job->cert, 65536);
        buf_init(&job->label, HSM_LABEL_MAX);
    }
    return job;
}

/* Which key of the configuration's is in use now. */
static void note_key(struct source_run *s, const struct source_job *job) {
    if (job->newest != 0 && (job->key.len > 0 || s->base.key_generation != 0)) {
        s->base.key_newest = job->newest;
        s->base.key_generation = s->base.key_generation != 0 ? job->generation : 0;
    }
}

static void run_job(void *data) {
    struct source_job *job = data;
    job->run(job);
    job->key_store = hsm_get_state(job->hsm);
}

static void job_done(void *data, enum edge_code code) {
    struct source_job *job = data;
    struct source_run *s = job->s;
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the key store was too busy");
    } else {
        s->outcome.key_store = job->key_store;
    }
    if (source_run_ends(s)) {
        source_job_free(job);
        return;
    }
    if (job->code != EDGE_OK) {
        source_run_fail(s, job->verdict, &job->err);
    } else {
        note_key(s, job);
        job->next(s, job);
    }
    source_job_free(job);
}

enum edge_code source_job_submit(struct source_job *job, void (*run)(struct source_job *job),
                                 void (*next)(struct source_run *s, struct source_job *job),
                                 struct edge_error *err) {
    struct source_run *s = job->s;
    job->run = run;
    job->next = next;
    const struct worker_job work = {.run = run_job,
                                    .done = job_done,
                                    .data = job,
                                    .queue_timeout_ms = JOB_QUEUE_MS,
                                    .urgent = true};
    enum edge_code code = worker_submit(s->deps.cloud->worker, &work, &s->op, err);
    if (code != EDGE_OK) {
        source_job_free(job);
    }
    return code;
}

static void run_key(struct source_job *job) {
    /* Found before, when the key still stood in the configuration; keys have come or gone since? */
    bool found = job->generation != 0 && job->key.len == 0;
    if (!found) {
        job->newest = 0;
        job->code = key_import_ensure(job->hsm, job->target, &job->key, job->now_wall_s,
                                      &job->generation, &job->err);
    }
    if (job->code == EDGE_OK) {
        job->code =
            key_import_current(job->hsm, job->target, &job->generation, &job->newest, &job->err);
    }
    if (job->code == EDGE_CONFIG) {
        job->verdict = SOURCE_REFUSED;
    }
}

enum edge_code source_job_key(struct source_run *s,
                              void (*next)(struct source_run *s, struct source_job *job),
                              struct edge_error *err) {
    const struct config_provisioning *cfg = &s->deps.config->provisioning;
    struct source_job *job = source_job_new(s);
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    job->generation = s->base.key_generation;
    job->newest = s->base.key_newest;
    enum edge_code code = key_import_target(cfg, job->target, err);
    if (code == EDGE_OK && cfg->key.len > 0) {
        code = secret_copy(&job->key, cfg->key.data, cfg->key.len, err);
    }
    if (code != EDGE_OK) {
        source_job_free(job);
        return code;
    }
    return source_job_submit(job, run_key, next, err);
}
