/* SPDX-License-Identifier: MIT */
/*
 * External provisioning: a service beside us says hub, device id and credential. What it sends is
 * moved to where credentials belong - a key into the key store, a certificate into a file of ours;
 * what it only names is used from where it is.
 */
#include "base/log.h"
#include "cloud/external.h"
#include "provisioning/external_files.h"
#include "provisioning/key_import.h"
#include "provisioning/source_run.h"

#include <stdlib.h>
#include <string.h>

struct source_external {
    struct source_run run;
    struct external external;
};

/* --- What was sent or named, on the worker --- */

static void run_key(struct source_job *job) {
    struct key_label label = {.since_wall_s = job->now_wall_s, .is_service = true};
    memcpy(label.target, job->target, sizeof(label.target));
    job->code = key_import_once(job->hsm, &label, &job->key, &job->generation, &job->err);
    if (job->code != EDGE_OK) {
        job->code = edge_wrap(&job->err, job->code, "importing the key that the service sent");
    }
}

/* An imported key of this target, else the key that lies at the TPM's well-known handle. */
static void run_stored_key(struct source_job *job) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    job->code = hsm_identity_list(job->hsm, keys, &cnt, &job->err);
    if (job->code == EDGE_OK) {
        job->code = key_label_find(keys, cnt, job->target, 0, &job->generation, &job->err);
    }
    if (job->code == EDGE_OK && job->generation == 0) {
        job->code =
            hsm_identity_adopt(job->hsm, buf_slice(&job->label), &job->generation, &job->err);
    }
    if (job->code == EDGE_NOT_FOUND || job->code == EDGE_CONFLICT ||
        job->code == EDGE_UNSUPPORTED) {
        job->verdict = SOURCE_REFUSED;
        job->code = edge_wrap(&job->err, job->code,
                              "looking for the key that the service says is in the key store "
                              "('iotedge tpm import-key' puts one there)");
    }
}

static void run_files(struct source_job *job) {
    struct provisioning_result r = {0};
    job->code = external_files_write(job->dir, job->hsm, buf_slice(&job->cert),
                                     buf_slice(&job->blob), &r, &job->err);
    memcpy(job->cert_path, r.cert_path, sizeof(job->cert_path));
    memcpy(job->pk_path, r.pk_path, sizeof(job->pk_path));
}

static void on_key(struct source_run *s, struct source_job *job) {
    s->outcome.result.credential = PROVISIONING_KEY;
    s->outcome.result.key_generation = job->generation;
    source_run_finish(s, SOURCE_ASSIGNED);
}

static void on_files(struct source_run *s, struct source_job *job) {
    s->outcome.result.credential = PROVISIONING_CERT;
    memcpy(s->outcome.result.cert_path, job->cert_path, sizeof(job->cert_path));
    memcpy(s->outcome.result.pk_path, job->pk_path, sizeof(job->pk_path));
    source_run_finish(s, SOURCE_ASSIGNED);
}

/* --- The answer --- */

static void use_named_files(struct source_run *s, const struct external_answer *a) {
    struct provisioning_result *r = &s->outcome.result;
    struct edge_error err;
    enum edge_code code =
        external_files_path(a->cert_ref, r->cert_path, sizeof(r->cert_path), &err);
    if (code == EDGE_OK) {
        code = external_files_path(a->key_ref, r->pk_path, sizeof(r->pk_path), &err);
    }
    if (code != EDGE_OK) {
        source_run_fail(s, SOURCE_REFUSED, &err);
        return;
    }
    r->credential = PROVISIONING_CERT;
    source_run_finish(s, SOURCE_ASSIGNED);
}

/* Copies what came along into a job. */
static enum edge_code fill_job(struct source_job *job, const struct external_answer *a,
                               struct edge_error *err) {
    struct source_run *s = job->s;
    enum edge_code code = key_label_target_hub(a->hub, a->device_id, job->target, err);
    if (code == EDGE_OK && a->auth == EXTERNAL_AUTH_X509) {
        code = buf_append_slice(&job->cert, a->cert_pem, err);
        return code == EDGE_OK ? buf_append_slice(&job->blob, a->key_pem, err) : code;
    }
    if (code == EDGE_OK && !a->is_in_hsm) {
        code = secret_copy(&job->key, a->key.ptr, a->key.len, err);
    }
    if (code == EDGE_OK) {
        code = state_label_encode(&s->outcome.result, s->inputs, &job->label, err);
    }
    return code;
}

static void take(struct source_run *s, const struct external_answer *a) {
    struct edge_error err;
    struct source_job *job = source_job_new(s);
    if (job == NULL) {
        source_run_no_memory(s);
        return;
    }
    enum edge_code code = fill_job(job, a, &err);
    if (code != EDGE_OK) {
        source_job_free(job);
    } else if (a->auth == EXTERNAL_AUTH_X509) {
        code = source_job_submit(job, run_files, on_files, &err);
    } else {
        code = source_job_submit(job, a->is_in_hsm ? run_stored_key : run_key, on_key, &err);
    }
    if (code != EDGE_OK) {
        source_run_fail(s, SOURCE_LOCAL, &err);
    }
}

static void on_answer(void *data, const struct external_answer *a) {
    struct source_run *s = data;
    struct edge_error err;
    if (source_run_ends(s)) {
        return;
    }
    s->outcome.retry_after_ms = a->retry_after_ms;
    if (a->kind != EXTERNAL_OK) {
        bool soon = a->kind == EXTERNAL_TRANSIENT || a->kind == EXTERNAL_WAITING;
        source_run_fail(s, soon ? SOURCE_TRANSIENT : SOURCE_REFUSED, &a->err);
    } else if (source_run_assign(s, a->hub, a->device_id, &err) != EDGE_OK) {
        source_run_fail(s, SOURCE_REFUSED, &err);
    } else if (s->looking) {
        source_run_finish(s, SOURCE_ASSIGNED);
    } else if (a->auth == EXTERNAL_AUTH_X509 && a->is_in_hsm) {
        use_named_files(s, a);
    } else {
        take(s, a);
    }
}

static enum edge_code get(struct source_run *s, struct edge_error *err) {
    return external_get(&((struct source_external *)s)->external, on_answer, s, &s->op, err);
}

/* Whether the service could do something about it shows in what it says next. */
static void on_renewed(void *data, const struct external_answer *a) {
    struct source_run *s = data;
    struct edge_error err;
    if (source_run_ends(s)) {
        return;
    }
    if (a->kind != EXTERNAL_OK) {
        log_debug("external provisioning: asking for another assignment: %s",
                  edge_error_text(&a->err));
    }
    if (get(s, &err) != EDGE_OK) {
        source_run_fail(s, SOURCE_LOCAL, &err);
    }
}

/* --- The ops table --- */

static enum edge_code begin(struct source *base, source_done_fn *done, void *data, bool looking,
                            struct edge_error *err) {
    struct source_external *s = (struct source_external *)base;
    source_run_begin(&s->run, done, data, looking);
    enum edge_code code = base->renew && !looking ? external_reprovision(&s->external, on_renewed,
                                                                         &s->run, &s->run.op, err)
                                                  : get(&s->run, err);
    if (code != EDGE_OK) {
        s->run.done = NULL;
    }
    return code;
}

static void cancel(struct source *base) {
    struct source_run *s = (struct source_run *)base;
    if (!source_run_cancel(s)) {
        source_run_end_later(s);
    }
}

static const char *registration_id(const struct source *base) {
    (void)base;
    return "";
}

static void free_source(struct source *base) {
    free(base);
}

static const struct source_ops external_ops = {
    .begin = begin,
    .cancel = cancel,
    .registration_id = registration_id,
    .free = free_source,
};

enum edge_code source_external_new(const struct provisioning_deps *deps, const char *inputs,
                                   struct source **ret, struct edge_error *err) {
    struct source_external *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    s->external = (struct external){deps->cloud, deps->config->provisioning.endpoint};
    enum edge_code code = source_run_init(&s->run, &external_ops, deps, inputs, err);
    if (code != EDGE_OK) {
        free(s);
        return code;
    }
    *ret = &s->run.base;
    return EDGE_OK;
}
