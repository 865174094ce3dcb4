/* SPDX-License-Identifier: MIT */
/*
 * Registration with the Device Provisioning Service.
 *
 *   TPM   keys -> PUT register -> 401 challenge -> activate (transient) -> PUT with token
 *   key   find or import it -> PUT with token
 *   X.509 read the files -> PUT with the client certificate
 *   then  poll -> assigned -> (TPM) import the device key as a candidate -> done
 *
 * The TPM's challenge key never touches a persistent slot, and the key in use is not touched at
 * all. A dry run takes the same way with a look-up in place of the registration.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cloud/dps.h"
#include "cloud/sas.h"
#include "provisioning/source_run.h"

#include <stdlib.h>
#include <string.h>

#define POLL_DEFAULT_MS 3000
#define POLL_MIN_MS     1000
#define POLL_MAX_MS     (5 * 60 * 1000)
#define POLL_LIMIT_MS   (15 * 60 * 1000) /* from the accepted registration to the assignment */

struct source_dps {
    struct source_run run;
    struct dps dps;
    enum config_credential credential;
    char registration_id[129];
    struct loop_timer *poll_timer;
    bool has_challenge;
    bool has_operation;
    bool has_asked_time;
    bool proven_again; /* a refused proof has been made anew, as the clock may have been off */
    uint64_t key_generation;
    uint64_t poll_until_ms;
    char operation_id[DPS_TEXT_MAX];
    struct hsm_attestation keys;
};

static struct source_dps *of(struct source_run *s) {
    return (struct source_dps *)s;
}

static const struct hsm_attestation *attestation(const struct source_dps *s) {
    return s->credential == CONFIG_CREDENTIAL_TPM ? &s->keys : NULL;
}

static void run_drop(void *data) {
    hsm_challenge_drop(data);
}

static void dropped(void *data, enum edge_code code) {
    (void)data;
    (void)code;
}

/* The challenge key has no use after the registration; if the queue is full, the next challenge
 * replaces it. */
static void at_end(struct source_run *run) {
    struct source_dps *s = of(run);
    const struct cloud *c = run->deps.cloud;
    const struct worker_job work = {.run = run_drop, .done = dropped, .data = c->hsm};
    if (s->has_challenge && worker_submit(c->worker, &work, NULL, NULL) != EDGE_OK) {
        log_debug("the challenge key stays loaded until the next registration");
    }
    s->has_challenge = false;
    loop_timer_stop(s->poll_timer);
}

/* --- Steps of the registration, last first --- */

static void run_import(struct source_job *job) {
    job->code = hsm_identity_import_blob(job->hsm, buf_slice(&job->blob), buf_slice(&job->label),
                                         &job->generation, &job->err);
    if (job->code != EDGE_OK) {
        (void)edge_wrap(&job->err, job->code, "importing the device key that the service sent");
    }
}

static void on_imported(struct source_run *run, struct source_job *job) {
    run->outcome.result.key_generation = job->generation;
    source_run_finish(run, SOURCE_ASSIGNED);
}

static void import(struct source_dps *s, const struct dps_answer *a) {
    struct source_run *run = &s->run;
    struct edge_error err;
    if (a->blob.len == 0) {
        (void)edge_set(&err, EDGE_PROTO,
                       "the service assigned hub '%.80s' but sent no device key; the enrollment is "
                       "probably not of type TPM",
                       run->outcome.result.hub);
        source_run_fail(run, SOURCE_REFUSED, &err);
        return;
    }
    struct source_job *job = source_job_new(run);
    if (job == NULL || buf_append_slice(&job->blob, a->blob, NULL) != EDGE_OK ||
        state_label_encode(&run->outcome.result, run->inputs, &job->label, NULL) != EDGE_OK) {
        source_job_free(job);
        source_run_no_memory(run);
        return;
    }
    if (source_job_submit(job, run_import, on_imported, &err) != EDGE_OK) {
        source_run_fail(run, SOURCE_LOCAL, &err);
    }
}

static void assigned(struct source_dps *s, const struct dps_answer *a) {
    struct source_run *run = &s->run;
    struct provisioning_result *r = &run->outcome.result;
    struct edge_error err;
    if (source_run_assign(run, a->hub, a->device_id, &err) != EDGE_OK) {
        source_run_fail(run, SOURCE_REFUSED, &err);
        return;
    }
    r->credential = s->credential == CONFIG_CREDENTIAL_X509 ? PROVISIONING_CERT : PROVISIONING_KEY;
    r->key_generation = s->key_generation;
    if (s->credential == CONFIG_CREDENTIAL_TPM && !run->looking) {
        import(s, a);
    } else {
        source_run_finish(run, SOURCE_ASSIGNED);
    }
}

static void poll_later(struct source_dps *s, const struct dps_answer *a) {
    uint32_t delay = a->retry_after_ms > 0 ? a->retry_after_ms : POLL_DEFAULT_MS;
    delay = delay > POLL_MAX_MS ? POLL_MAX_MS : delay;
    struct edge_error err;
    if (s->run.looking) {
        (void)edge_set(&err, EDGE_RETRY, "the service is just assigning a hub to this device");
        source_run_fail(&s->run, SOURCE_TRANSIENT, &err);
        return;
    }
    if (!s->has_operation) {
        s->has_operation = true;
        s->poll_until_ms = clock_mono_ms() + POLL_LIMIT_MS;
    }
    memcpy(s->operation_id, a->operation_id, sizeof(s->operation_id));
    if (clock_mono_ms() + delay > s->poll_until_ms) {
        (void)edge_set(&err, EDGE_TIMEOUT,
                       "the service has not assigned a hub within %d minutes; is a hub linked and "
                       "does the allocation policy answer?",
                       POLL_LIMIT_MS / 60000);
        source_run_fail(&s->run, SOURCE_TRANSIENT, &err);
        return;
    }
    loop_timer_start(s->poll_timer, delay < POLL_MIN_MS ? POLL_MIN_MS : delay);
}

static void refused(struct source_dps *s, const struct dps_answer *a) {
    enum source_verdict verdict = SOURCE_REFUSED;
    s->run.outcome.retry_after_ms = a->retry_after_ms;
    s->run.outcome.is_throttled = a->kind == DPS_THROTTLED;
    switch (a->kind) {
    case DPS_TRANSIENT:
    case DPS_THROTTLED:
    case DPS_CONFLICT:
        verdict = SOURCE_TRANSIENT;
        break;
    case DPS_NOT_FOUND:
        /* An operation that the service has forgotten: the registration simply starts again. */
        verdict = s->has_operation ? SOURCE_TRANSIENT : SOURCE_REFUSED;
        break;
    case DPS_CHALLENGE:
    case DPS_ASSIGNING:
    case DPS_ASSIGNED:
    case DPS_FAILED:
    case DPS_DISABLED:
    case DPS_REFUSED:
    case DPS_INVALID:
        break;
    }
    source_run_fail(&s->run, verdict, &a->err);
}

static void prove(struct source_dps *s);

/* The clock has been told the service's time by now: a token made anew may be a better one. */
static bool is_worth_a_new_proof(const struct source_dps *s, const struct dps_answer *a) {
    return a->kind == DPS_REFUSED && a->http_status == 401 && !s->proven_again &&
           s->credential != CONFIG_CREDENTIAL_X509;
}

/* Answers to a request with a proof. */
static void on_answer(void *data, const struct dps_answer *a) {
    struct source_dps *s = data;
    if (source_run_ends(&s->run)) {
        return;
    }
    if (a->kind == DPS_ASSIGNED) {
        assigned(s, a);
    } else if (a->kind == DPS_ASSIGNING) {
        poll_later(s, a);
    } else if (is_worth_a_new_proof(s, a)) {
        s->proven_again = true;
        prove(s);
    } else {
        refused(s, a);
    }
}

/* The answer is a refusal; what counts is its Date, which the clock has been told by now. */
static void on_time(void *data, const struct dps_answer *a) {
    struct source_dps *s = data;
    (void)a;
    if (!source_run_ends(&s->run)) {
        prove(s);
    }
}

/* Nothing can be signed for want of the time. A TPM's first leg has brought it already, if it can
 * be had; with a key a look-up without any proof does. */
static void no_proof(struct source_dps *s, const struct edge_error *err) {
    bool clock = err->code == EDGE_RETRY && !wall_is_usable(s->run.deps.cloud->wall);
    if (clock && s->credential == CONFIG_CREDENTIAL_KEY && !s->has_asked_time) {
        s->has_asked_time = true;
        if (dps_lookup(&s->dps, NULL, NULL, on_time, s, &s->run.op, NULL) == EDGE_OK) {
            return;
        }
    }
    source_run_fail_local(&s->run, err);
}

static void on_proof(void *data, enum edge_code code, const struct proof *proof,
                     const struct edge_error *err) {
    struct source_dps *s = data;
    struct edge_error send_err;
    if (source_run_ends(&s->run)) {
        return;
    }
    if (code != EDGE_OK) {
        no_proof(s, err);
        return;
    }
    struct op *op = &s->run.op;
    if (s->run.looking) {
        code = dps_lookup(&s->dps, attestation(s), proof, on_answer, s, op, &send_err);
    } else if (s->has_operation) {
        code = dps_operation(&s->dps, s->operation_id, proof, on_answer, s, op, &send_err);
    } else {
        code = dps_register(&s->dps, attestation(s), proof, on_answer, s, op, &send_err);
    }
    if (code != EDGE_OK) {
        source_run_fail(&s->run, SOURCE_LOCAL, &send_err);
    }
}

/* One fresh proof for each request: a slow assignment must not outlive its own token. */
static void prove(struct source_dps *s) {
    struct proof_source from = {.kind = PROOF_CHALLENGE};
    struct edge_error err;
    struct buf audience;
    if (s->credential == CONFIG_CREDENTIAL_KEY) {
        from = (struct proof_source){.kind = PROOF_KEY, .key_generation = s->key_generation};
    } else if (s->credential == CONFIG_CREDENTIAL_X509) {
        from = (struct proof_source){.kind = PROOF_CERT, .cert = s->run.deps.cert};
    }
    buf_init(&audience, SAS_AUDIENCE_MAX);
    enum edge_code code = dps_audience(&s->dps, &audience, &err);
    if (code == EDGE_OK) {
        code = proof_make(s->run.deps.cloud, &from, buf_slice(&audience), "registration", on_proof,
                          s, &s->run.op, &err);
    }
    buf_clear(&audience);
    if (code != EDGE_OK) {
        no_proof(s, &err);
    }
}

static void on_poll_timer(void *data) {
    prove(data);
}

/* --- The TPM's challenge --- */

static void run_challenge(struct source_job *job) {
    job->code = hsm_challenge_load(job->hsm, buf_slice(&job->blob), &job->err);
    if (job->code != EDGE_OK) {
        (void)edge_wrap(&job->err, job->code, "activating the challenge of the service");
    }
}

static void on_challenge_loaded(struct source_run *run, struct source_job *job) {
    (void)job;
    of(run)->has_challenge = true;
    prove(of(run));
}

static void on_first_answer(void *data, const struct dps_answer *a) {
    struct source_dps *s = data;
    struct edge_error err;
    if (source_run_ends(&s->run)) {
        return;
    }
    if (a->kind != DPS_CHALLENGE) {
        refused(s, a);
        return;
    }
    struct source_job *job = source_job_new(&s->run);
    if (job == NULL || buf_append_slice(&job->blob, a->blob, NULL) != EDGE_OK) {
        source_job_free(job);
        source_run_no_memory(&s->run);
    } else if (source_job_submit(job, run_challenge, on_challenge_loaded, &err) != EDGE_OK) {
        source_run_fail(&s->run, SOURCE_LOCAL, &err);
    }
}

static void run_keys(struct source_job *job) {
    job->code = hsm_attestation_get(job->hsm, &job->keys, &job->err);
    if (job->code == EDGE_OK && job->registration_id[0] == '\0') {
        char id[64];
        job->code = hsm_registration_id(job->keys.ek, job->keys.ek_len, id, &job->err);
        memcpy(job->registration_id, id, sizeof(id));
    }
}

static void on_keys(struct source_run *run, struct source_job *job) {
    struct source_dps *s = of(run);
    struct edge_error err;
    s->keys = job->keys;
    memcpy(s->registration_id, job->registration_id, sizeof(s->registration_id));
    enum edge_code code =
        run->looking ? dps_lookup(&s->dps, &s->keys, NULL, on_first_answer, s, &run->op, &err)
                     : dps_register(&s->dps, &s->keys, NULL, on_first_answer, s, &run->op, &err);
    if (code != EDGE_OK) {
        source_run_fail(run, SOURCE_LOCAL, &err);
    }
}

static enum edge_code start_tpm(struct source_dps *s, struct edge_error *err) {
    struct source_job *job = source_job_new(&s->run);
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    memcpy(job->registration_id, s->registration_id, sizeof(job->registration_id));
    return source_job_submit(job, run_keys, on_keys, err);
}

/* --- Key and certificate --- */

static void on_key(struct source_run *run, struct source_job *job) {
    of(run)->key_generation = job->generation;
    prove(of(run));
}

static void on_cert(void *data, enum edge_code code, const struct device_cert_view *view,
                    const struct edge_error *err) {
    struct source_dps *s = data;
    struct edge_error id_err;
    if (source_run_ends(&s->run)) {
        return;
    }
    if (code != EDGE_OK) {
        /* An operator's files: nothing that time alone would mend. */
        source_run_fail(&s->run, code == EDGE_NOMEM ? SOURCE_LOCAL : SOURCE_REFUSED, err);
        return;
    }
    if (s->run.deps.config->provisioning.registration_id == NULL &&
        (view->common_name[0] == '\0' ||
         !slice_to_array(slice_str(view->common_name), s->registration_id,
                         sizeof(s->registration_id)))) {
        (void)edge_set(&id_err, EDGE_CONFIG,
                       "the common name of the certificate cannot serve as registration id: it is "
                       "%s; set provisioning.attestation.registration_id",
                       view->common_name[0] == '\0' ? "empty" : "longer than 128 bytes");
        source_run_fail(&s->run, SOURCE_REFUSED, &id_err);
        return;
    }
    prove(s);
}

/* --- The ops table --- */

static enum edge_code begin(struct source *base, source_done_fn *done, void *data, bool looking,
                            struct edge_error *err) {
    struct source_dps *s = (struct source_dps *)base;
    enum edge_code code = EDGE_INTERNAL;
    source_run_begin(&s->run, done, data, looking);
    s->has_operation = false;
    s->proven_again = false;
    s->has_asked_time = false;
    s->key_generation = 0;
    switch (s->credential) {
    case CONFIG_CREDENTIAL_TPM:
        code = start_tpm(s, err);
        break;
    case CONFIG_CREDENTIAL_KEY:
        code = source_job_key(&s->run, on_key, err);
        break;
    case CONFIG_CREDENTIAL_X509:
        code = device_cert_get(s->run.deps.cert, on_cert, s, &s->run.op, err);
        break;
    case CONFIG_CREDENTIAL_EXTERNAL:
        code = edge_set(err, EDGE_INTERNAL, "not a credential for the provisioning service");
        break;
    }
    if (code != EDGE_OK) {
        s->run.done = NULL;
    }
    return code;
}

static void cancel(struct source *base) {
    struct source_dps *s = (struct source_dps *)base;
    if (!source_run_cancel(&s->run)) {
        loop_timer_stop(s->poll_timer);
        source_run_end_later(&s->run);
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

static const struct source_ops dps_ops = {begin, cancel, registration_id, free_source,
                                          .needs_clock = true};
/* A client certificate is no matter of our clock. */
static const struct source_ops dps_x509_ops = {begin, cancel, registration_id, free_source,
                                               .needs_clock = false};

enum edge_code source_dps_new(const struct provisioning_deps *deps, const char *inputs,
                              struct source **ret, struct edge_error *err) {
    const struct config_provisioning *cfg = &deps->config->provisioning;
    struct source_dps *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    s->credential = cfg->credential;
    s->dps = (struct dps){deps->cloud, cfg->global_endpoint, cfg->scope_id, s->registration_id};
    bool x509 = cfg->credential == CONFIG_CREDENTIAL_X509;
    enum edge_code code =
        source_run_init(&s->run, x509 ? &dps_x509_ops : &dps_ops, deps, inputs, err);
    s->run.at_end = at_end;
    if (code == EDGE_OK && !slice_to_array(slice_str(cfg->registration_id), s->registration_id,
                                           sizeof(s->registration_id))) {
        code = edge_set(err, EDGE_RANGE, "the registration id is too long");
    }
    if (code == EDGE_OK && x509 && deps->cert == NULL) {
        code = edge_set(err, EDGE_INTERNAL, "no certificate files for X.509");
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(deps->cloud->loop, on_poll_timer, s, &s->poll_timer, err);
    }
    if (code != EDGE_OK) {
        free(s);
        return code;
    }
    *ret = &s->run.base;
    return EDGE_OK;
}
