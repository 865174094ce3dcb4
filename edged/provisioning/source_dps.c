/* SPDX-License-Identifier: MIT */
/*
 * Registration with the Device Provisioning Service, proven by the TPM:
 *
 *   keys -> PUT register -> 401 challenge -> activate (transient) -> PUT with token -> poll ->
 * assigned -> import the device key as a candidate -> done
 *
 * The challenge key never touches a persistent slot, and the key in use is not touched at all.
 */
#include "provisioning/source.h"

#include "base/b64.h"
#include "base/clock.h"
#include "base/log.h"
#include "cloud/dps.h"
#include "cloud/sas.h"
#include "loop/backoff.h"

#include <stdlib.h>
#include <string.h>

#define POLL_DEFAULT_MS 3000
#define POLL_MIN_MS     1000
#define POLL_LIMIT_MS   (15 * 60 * 1000) /* from the accepted registration to the assignment */
#define JOB_QUEUE_MS    60000

struct source_dps {
    struct source base;
    struct provisioning_deps deps;
    struct dps dps;
    char inputs[STATE_INPUT_LEN];
    char registration_id[129];
    struct loop_timer *poll_timer;
    source_done_fn *done; /* NULL: idle */
    void *done_data;
    struct op op; /* what is in flight: worker job, token or request */
    bool canceled;
    bool has_challenge;
    bool has_operation;
    uint64_t poll_until_ms;
    char operation_id[DPS_TEXT_MAX];
    struct hsm_attestation keys;
    struct source_outcome outcome;
};

/* One job on the HSM worker; carries copies only. */
struct hsm_job {
    struct source_dps *s;
    struct hsm *hsm;
    void (*next)(struct source_dps *s, struct hsm_job *job);
    struct hsm_attestation keys;
    char registration_id[129];
    struct buf blob;
    struct buf label;
    uint64_t generation;
    enum edge_code code;
    struct edge_error err;
};

static void run_drop(void *data) {
    hsm_challenge_drop(data);
}

static void dropped(void *data, enum edge_code code) {
    (void)data;
    (void)code;
}

/* The challenge key has no use after the registration; if the queue is full, the next challenge
 * replaces it. */
static void drop_challenge(struct source_dps *s) {
    const struct worker_job work = {.run = run_drop, .done = dropped, .data = s->deps.hsm};
    if (s->has_challenge && worker_submit(s->deps.worker, &work, NULL, NULL) != EDGE_OK) {
        log_debug("the challenge key stays loaded until the next registration");
    }
    s->has_challenge = false;
}

static void finish(struct source_dps *s, enum source_verdict verdict) {
    source_done_fn *done = s->done;
    drop_challenge(s);
    s->done = NULL;
    s->op = OP_NONE;
    loop_timer_stop(s->poll_timer);
    s->outcome.verdict = s->canceled ? SOURCE_CANCELED : verdict;
    done(s->done_data, &s->outcome);
}

static void fail(struct source_dps *s, enum source_verdict verdict, const struct edge_error *err) {
    s->outcome.err = *err;
    finish(s, verdict);
}

/* --- Jobs on the HSM worker --- */

static void job_free(struct hsm_job *job) {
    buf_clear(&job->blob);
    buf_clear(&job->label);
    free(job);
}

static void job_done(void *data, enum edge_code code) {
    struct hsm_job *job = data;
    struct source_dps *s = job->s;
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the key store was too busy");
    }
    if (s->canceled) {
        finish(s, SOURCE_CANCELED);
    } else if (job->code != EDGE_OK) {
        fail(s, SOURCE_LOCAL, &job->err);
    } else {
        job->next(s, job);
    }
    job_free(job);
}

static struct hsm_job *job_new(struct source_dps *s) {
    struct hsm_job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        job->s = s;
        job->hsm = s->deps.hsm;
        buf_init_sensitive(&job->blob, HSM_BLOB_MAX);
        buf_init(&job->label, HSM_LABEL_MAX);
    }
    return job;
}

/* Takes ownership of job. */
static void job_submit(struct source_dps *s, struct hsm_job *job, void (*run)(void *data),
                       void (*next)(struct source_dps *s, struct hsm_job *job)) {
    struct edge_error err;
    job->next = next;
    const struct worker_job work = {.run = run,
                                    .done = job_done,
                                    .data = job,
                                    .queue_timeout_ms = JOB_QUEUE_MS,
                                    .urgent = true};
    if (worker_submit(s->deps.worker, &work, &s->op, &err) != EDGE_OK) {
        job_free(job);
        fail(s, SOURCE_LOCAL, &err);
    }
}

/* --- Steps of the registration, last first --- */

static void out_of_memory(struct source_dps *s) {
    struct edge_error err;
    (void)edge_set(&err, EDGE_NOMEM, "out of memory");
    fail(s, SOURCE_LOCAL, &err);
}

static void run_import(void *data) {
    struct hsm_job *job = data;
    job->code = hsm_identity_import_blob(job->hsm, buf_slice(&job->blob), buf_slice(&job->label),
                                         &job->generation, &job->err);
    if (job->code != EDGE_OK) {
        (void)edge_wrap(&job->err, job->code, "importing the device key that the service sent");
    }
}

static void on_imported(struct source_dps *s, struct hsm_job *job) {
    s->outcome.result.key_generation = job->generation;
    finish(s, SOURCE_ASSIGNED);
}

static void assigned(struct source_dps *s, const struct dps_answer *a) {
    struct provisioning_result *r = &s->outcome.result;
    struct hsm_job *job;

    if (!slice_to_array(slice_str(a->hub), r->hub, sizeof(r->hub)) ||
        !slice_to_array(slice_str(a->device_id), r->device_id, sizeof(r->device_id))) {
        struct edge_error err;
        (void)edge_set(&err, EDGE_PROTO,
                       "the service assigned a hub or device id that is too long");
        fail(s, SOURCE_REFUSED, &err);
        return;
    }
    r->since_wall_s = clock_wall_s();
    r->proven = false;
    if (a->blob.len == 0) {
        struct edge_error err;
        (void)edge_set(&err, EDGE_PROTO,
                       "the service assigned hub '%s' but sent no device key; the enrollment is "
                       "probably not of type TPM",
                       r->hub);
        fail(s, SOURCE_REFUSED, &err);
        return;
    }
    job = job_new(s);
    if (job == NULL || buf_append_slice(&job->blob, a->blob, NULL) != EDGE_OK ||
        state_label_encode(r, s->inputs, &job->label, NULL) != EDGE_OK) {
        if (job != NULL) {
            job_free(job);
        }
        out_of_memory(s);
        return;
    }
    job_submit(s, job, run_import, on_imported);
}

static void poll_later(struct source_dps *s, const struct dps_answer *a) {
    uint32_t delay = a->retry_after_ms > 0 ? a->retry_after_ms : POLL_DEFAULT_MS;
    if (!s->has_operation) {
        s->has_operation = true;
        s->poll_until_ms = clock_mono_ms() + POLL_LIMIT_MS;
    }
    memcpy(s->operation_id, a->operation_id, sizeof(s->operation_id));
    if (clock_mono_ms() + delay > s->poll_until_ms) {
        struct edge_error err;
        (void)edge_set(&err, EDGE_TIMEOUT,
                       "the service has not assigned a hub within %d minutes; is a hub linked and "
                       "does the allocation policy answer?",
                       POLL_LIMIT_MS / 60000);
        fail(s, SOURCE_TRANSIENT, &err);
        return;
    }
    loop_timer_start(s->poll_timer, delay < POLL_MIN_MS ? POLL_MIN_MS : delay);
}

static void refused(struct source_dps *s, const struct dps_answer *a) {
    s->outcome.retry_after_ms = a->retry_after_ms;
    switch (a->kind) {
    case DPS_TRANSIENT:
    case DPS_THROTTLED:
    case DPS_CONFLICT:
        fail(s, SOURCE_TRANSIENT, &a->err);
        return;
    case DPS_NOT_FOUND:
        /* An operation that the service has forgotten: the registration simply starts again. */
        fail(s, s->has_operation ? SOURCE_TRANSIENT : SOURCE_REFUSED, &a->err);
        return;
    case DPS_CHALLENGE:
    case DPS_ASSIGNING:
    case DPS_ASSIGNED:
    case DPS_FAILED:
    case DPS_DISABLED:
    case DPS_REFUSED:
    case DPS_INVALID:
        break;
    }
    fail(s, SOURCE_REFUSED, &a->err);
}

/* Answers to the second leg and to polling. */
static void on_answer(void *data, const struct dps_answer *a) {
    struct source_dps *s = data;
    s->op = OP_NONE;
    if (s->canceled) {
        finish(s, SOURCE_CANCELED);
    } else if (a->kind == DPS_ASSIGNED) {
        assigned(s, a);
    } else if (a->kind == DPS_ASSIGNING) {
        poll_later(s, a);
    } else {
        refused(s, a);
    }
}

static void on_token(void *data, enum edge_code code, const char *token,
                     const struct edge_error *err) {
    struct source_dps *s = data;
    struct edge_error send_err;
    s->op = OP_NONE;
    if (s->canceled) {
        finish(s, SOURCE_CANCELED);
        return;
    }
    if (code != EDGE_OK) {
        fail(s, SOURCE_LOCAL, err);
        return;
    }
    if (s->has_operation) {
        code = dps_operation(&s->dps, s->operation_id, token, on_answer, s, &s->op, &send_err);
    } else {
        code = dps_register(&s->dps, &s->keys, token, on_answer, s, &s->op, &send_err);
    }
    if (code != EDGE_OK) {
        fail(s, SOURCE_LOCAL, &send_err);
    }
}

/* One fresh token for each request: a slow assignment must not outlive its own token. */
static void mint(struct source_dps *s) {
    struct edge_error err;
    struct buf audience;
    buf_init(&audience, SAS_AUDIENCE_MAX);
    enum edge_code code = dps_audience(&s->dps, &audience, &err);
    if (code == EDGE_OK) {
        const struct sas_request req = {.key = SAS_KEY_CHALLENGE,
                                        .audience = buf_slice(&audience),
                                        .key_name = "registration",
                                        .expiry_wall_s = clock_wall_s() + SAS_TTL_S};
        code = sas_mint(s->deps.worker, s->deps.hsm, &req, on_token, s, &s->op, &err);
    }
    buf_clear(&audience);
    if (code != EDGE_OK) {
        fail(s, SOURCE_LOCAL, &err);
    }
}

static void on_poll_timer(void *data) {
    mint(data);
}

static void run_challenge(void *data) {
    struct hsm_job *job = data;
    job->code = hsm_challenge_load(job->hsm, buf_slice(&job->blob), &job->err);
    if (job->code != EDGE_OK) {
        (void)edge_wrap(&job->err, job->code, "activating the challenge of the service");
    }
}

static void on_challenge_loaded(struct source_dps *s, struct hsm_job *job) {
    (void)job;
    s->has_challenge = true;
    mint(s);
}

static void on_first_answer(void *data, const struct dps_answer *a) {
    struct source_dps *s = data;
    s->op = OP_NONE;
    if (s->canceled) {
        finish(s, SOURCE_CANCELED);
        return;
    }
    if (a->kind != DPS_CHALLENGE) {
        refused(s, a);
        return;
    }
    struct hsm_job *job = job_new(s);
    if (job == NULL || buf_append_slice(&job->blob, a->blob, NULL) != EDGE_OK) {
        if (job != NULL) {
            job_free(job);
        }
        out_of_memory(s);
        return;
    }
    job_submit(s, job, run_challenge, on_challenge_loaded);
}

static void run_keys(void *data) {
    struct hsm_job *job = data;
    job->code = hsm_attestation_get(job->hsm, &job->keys, &job->err);
    if (job->code == EDGE_OK && job->registration_id[0] == '\0') {
        char id[64];
        job->code = hsm_registration_id(job->keys.ek, job->keys.ek_len, id, &job->err);
        memcpy(job->registration_id, id, sizeof(id));
    }
}

static void on_keys(struct source_dps *s, struct hsm_job *job) {
    struct edge_error err;
    s->keys = job->keys;
    memcpy(s->registration_id, job->registration_id, sizeof(s->registration_id));
    if (dps_register(&s->dps, &s->keys, NULL, on_first_answer, s, &s->op, &err) != EDGE_OK) {
        fail(s, SOURCE_LOCAL, &err);
    }
}

/* --- The ops table --- */

static enum edge_code start(struct source *base, source_done_fn *done, void *data,
                            struct edge_error *err) {
    struct source_dps *s = (struct source_dps *)base;
    struct hsm_job *job = job_new(s);
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    memcpy(job->registration_id, s->registration_id, sizeof(job->registration_id));
    job->next = on_keys;
    const struct worker_job work = {.run = run_keys, .done = job_done, .data = job, .urgent = true};
    enum edge_code code = worker_submit(s->deps.worker, &work, &s->op, err);
    if (code != EDGE_OK) {
        job_free(job);
        return code;
    }
    s->done = done;
    s->done_data = data;
    s->canceled = false;
    s->has_operation = false;
    memset(&s->outcome, 0, sizeof(s->outcome));
    return EDGE_OK;
}

static void cancel_waiting(void *data) {
    struct source_dps *s = data;
    if (s->done != NULL) {
        finish(s, SOURCE_CANCELED);
    }
}

static void cancel(struct source *base) {
    struct source_dps *s = (struct source_dps *)base;
    if (s->done == NULL || s->canceled) {
        return;
    }
    s->canceled = true;
    if (op_is_set(s->op)) {
        op_cancel(loop_ops(s->deps.loop), s->op);
    } else if (loop_timer_is_active(s->poll_timer)) {
        loop_timer_stop(s->poll_timer);
        if (loop_post(s->deps.loop, cancel_waiting, s, NULL) != EDGE_OK) {
            cancel_waiting(s);
        }
    }
}

static const char *registration_id(const struct source *base) {
    return ((const struct source_dps *)base)->registration_id;
}

static void free_source(struct source *base) {
    struct source_dps *s = (struct source_dps *)base;
    loop_timer_free(s->poll_timer);
    free(s);
}

static const struct source_ops dps_ops = {start, cancel, registration_id, free_source};

enum edge_code source_dps_new(const struct provisioning_deps *deps, const char *inputs,
                              struct source **ret, struct edge_error *err) {
    const struct config_provisioning *cfg = &deps->config->provisioning;
    struct source_dps *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    s->base.ops = &dps_ops;
    s->deps = *deps;
    s->dps = (struct dps){deps->http, cfg->global_endpoint, cfg->scope_id, s->registration_id};
    enum edge_code code = EDGE_OK;
    if (!slice_to_array(slice_str(inputs), s->inputs, sizeof(s->inputs)) ||
        !slice_to_array(slice_str(cfg->registration_id), s->registration_id,
                        sizeof(s->registration_id))) {
        code = edge_set(err, EDGE_RANGE, "the registration id is too long");
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(deps->loop, on_poll_timer, s, &s->poll_timer, err);
    }
    if (code != EDGE_OK) {
        free(s);
        return code;
    }
    *ret = &s->base;
    return EDGE_OK;
}
