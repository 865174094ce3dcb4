/* SPDX-License-Identifier: MIT */
/*
 * Certificates for modules: one job on the worker each, which first looks whether the authorities
 * are as they should be.
 */
#include "pki/internal.h"
#include "pki/leaf.h"
#include "pki/names.h"

#include <stdlib.h>
#include <string.h>

/* A request of either kind, borrowed. */
struct issue_wish {
    bool is_identity;
    struct slice common_name;    /* of a server */
    struct slice module_id;      /* of both */
    struct slice hub, device_id; /* of an identity */
    struct wall_time now;
    int64_t validity_s;
};

struct issue_job {
    struct list node;
    struct pki *p;
    struct keeper *keeper;
    struct wall_time now;
    bool is_identity;
    char common_name[NAMES_COMMON_NAME_MAX + 1];
    char module_id[NAMES_ID_MAX + 1];
    char hub[NAMES_ID_MAX + 1];
    char device_id[NAMES_ID_MAX + 1];
    int64_t not_after_wall_s;
    enum leaf_key_type type;
    struct leaf_key key;
    struct leaf leaf;
    struct pki_report report;
    bool has_run;
    enum edge_code code;
    struct edge_error err;
    pki_issued_fn *done;
    void *data;
    struct op op;
};

static void job_free(struct issue_job *job) {
    leaf_key_clear(&job->key);
    leaf_clear(&job->leaf);
    free(job);
}

static enum edge_code make_leaf(struct issue_job *job, struct leaf_issuer *issuer) {
    if (job->is_identity) {
        const struct leaf_identity_request r = {.module_id = slice_str(job->module_id),
                                                .hub = slice_str(job->hub),
                                                .device_id = slice_str(job->device_id),
                                                .now_wall_s = job->now.now_s,
                                                .not_after_wall_s = job->not_after_wall_s};
        return leaf_identity(issuer, &r, job->type, &job->key, &job->leaf, &job->err);
    }
    const struct leaf_server_request r = {.common_name = slice_str(job->common_name),
                                          .module_id = slice_str(job->module_id),
                                          .now_wall_s = job->now.now_s,
                                          .not_after_wall_s = job->not_after_wall_s};
    return leaf_server(issuer, &r, job->type, &job->key, &job->leaf, &job->err);
}

static enum edge_code issue_once(struct issue_job *job) {
    struct leaf_issuer *issuer = NULL;
    enum edge_code code = keeper_look(job->keeper, &job->now, &job->err);
    code = code != EDGE_OK ? code : keeper_issuer(job->keeper, &job->now, &issuer, &job->err);
    return code != EDGE_OK ? code : make_leaf(job, issuer);
}

/* Nothing but the names is the module's fault, and they were checked. */
static enum edge_code translate(enum edge_code code, struct edge_error *err) {
    switch (code) {
    case EDGE_DENIED:
    case EDGE_NOT_FOUND:
    case EDGE_EXISTS:
    case EDGE_UNSUPPORTED:
        return edge_set(err, EDGE_HSM, "%s", err->text);
    case EDGE_PARSE:
    case EDGE_RANGE:
    case EDGE_CONFLICT:
        return edge_set(err, EDGE_INTERNAL, "%s", err->text);
    default:
        return code;
    }
}

static void run(void *data) {
    struct issue_job *job = data;
    enum edge_code code = issue_once(job);
    if (code == EDGE_NOT_FOUND || code == EDGE_PARSE) { /* the CA's key has gone */
        keeper_doubt(job->keeper);
        code = issue_once(job);
    }
    job->code = translate(code, &job->err);
    job->has_run = true;
    pki_report_take(job->p, &job->now, &job->report);
}

static void on_done(void *data, enum edge_code code) {
    struct issue_job *job = data;
    struct pki *p = job->p;
    list_remove(&job->node);
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the request was not worked on in time");
    }
    if (job->code == EDGE_OK) {
        const struct pki_issued cert = {.key_pem = secret_slice(&job->leaf.key_pem),
                                        .chain_pem = buf_slice(&job->leaf.chain_pem),
                                        .not_after_wall_s = job->leaf.not_after_wall_s};
        job->done(job->data, EDGE_OK, &cert, NULL);
    } else {
        job->done(job->data, job->code, NULL, &job->err);
    }
    pki_job_ended(p, job->has_run ? &job->report : NULL);
    job_free(job);
}

/* A key is made and the TPM signs for each request: those of one module must not fill the worker's
 * queue, where the tokens of the others wait. */
static enum edge_code check_room(const struct pki *p, struct slice module_id,
                                 struct edge_error *err) {
    size_t cnt = 0, of_module = 0;
    list_for_each (pos, tmp, &p->issuing) {
        const struct issue_job *job = LIST_ENTRY(pos, struct issue_job, node);
        of_module += slice_eq_str(module_id, job->module_id) ? 1 : 0;
        cnt++;
    }
    if (cnt >= PKI_ISSUING_MAX) {
        return edge_set(err, EDGE_BUSY, "too many certificates are being made");
    }
    return of_module < PKI_PER_MODULE_MAX
               ? EDGE_OK
               : edge_set(err, EDGE_BUSY, "too many certificates of this module are being made");
}

static enum edge_code job_new(struct pki *p, const struct wall_time *now, pki_issued_fn *done,
                              void *data, struct issue_job **ret, struct edge_error *err) {
    if (p->is_stopping) {
        return edge_set(err, EDGE_CANCELED, "the daemon is stopping");
    }
    if (!now->is_usable) {
        char text[WALL_TEXT_LEN];
        wall_describe(p->deps.wall, text, sizeof(text));
        return edge_set(err, EDGE_RETRY, "no certificate is made: %s", text);
    }
    struct issue_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for a certificate");
    }
    list_init(&job->node);
    job->p = p;
    job->keeper = p->keeper;
    job->now = *now;
    job->done = done;
    job->data = data;
    *ret = job;
    return EDGE_OK;
}

static enum edge_code submit(struct issue_job *job, struct op *ret_op, struct edge_error *err) {
    struct pki *p = job->p;
    job->type = leaf_pool_type(p->pool);
    const struct worker_job work = {
        .run = run, .done = on_done, .data = job, .queue_timeout_ms = PKI_QUEUE_MS};
    /* Before the worker has the job: then all of it is the worker's. */
    (void)leaf_pool_take(p->pool, &job->key);
    enum edge_code code = worker_submit(p->deps.worker, &work, &job->op, err);
    if (code != EDGE_OK) {
        return code;
    }
    list_append(&p->issuing, &job->node);
    p->in_flight++;
    if (ret_op != NULL) {
        *ret_op = job->op;
    }
    return EDGE_OK;
}

static enum edge_code check(const struct issue_wish *w, struct edge_error *err) {
    const struct leaf_server_request server = {.common_name = w->common_name,
                                               .module_id = w->module_id};
    const struct leaf_identity_request identity = {
        .module_id = w->module_id, .hub = w->hub, .device_id = w->device_id};
    enum edge_code code =
        w->is_identity ? leaf_check_identity(&identity, err) : leaf_check_server(&server, err);
    if (code == EDGE_OK && w->validity_s < 1) {
        code = edge_set(err, EDGE_INVALID, "the certificate would end at once");
    }
    return code;
}

static enum edge_code keep(const struct issue_wish *w, struct issue_job *job,
                           struct edge_error *err) {
    const int64_t max_s = w->is_identity ? PKI_IDENTITY_MAX_S : PKI_SERVER_MAX_S;
    job->is_identity = w->is_identity;
    job->not_after_wall_s = job->now.now_s + (w->validity_s < max_s ? w->validity_s : max_s);
    return slice_to_array(w->common_name, job->common_name, sizeof(job->common_name)) &&
                   slice_to_array(w->module_id, job->module_id, sizeof(job->module_id)) &&
                   slice_to_array(w->hub, job->hub, sizeof(job->hub)) &&
                   slice_to_array(w->device_id, job->device_id, sizeof(job->device_id))
               ? EDGE_OK
               : edge_set(err, EDGE_RANGE, "a name for the certificate is longer than %d bytes",
                          NAMES_ID_MAX);
}

static enum edge_code issue(struct pki *p, const struct issue_wish *w, pki_issued_fn *done,
                            void *data, struct op *ret_op, struct edge_error *err) {
    struct issue_job *job = NULL;
    enum edge_code code = check(w, err);
    code = code != EDGE_OK ? code : check_room(p, w->module_id, err);
    code = code != EDGE_OK ? code : job_new(p, &w->now, done, data, &job, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = keep(w, job, err);
    code = code != EDGE_OK ? code : submit(job, ret_op, err);
    if (code != EDGE_OK) {
        job_free(job);
    }
    return code;
}

enum edge_code pki_issue_server(struct pki *p, const struct pki_server_request *req,
                                pki_issued_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) {
    const struct issue_wish w = {.common_name = req->common_name,
                                 .module_id = req->module_id,
                                 .now = req->now,
                                 .validity_s = req->validity_s};
    return issue(p, &w, done, data, ret_op, err);
}

enum edge_code pki_issue_identity(struct pki *p, const struct pki_identity_request *req,
                                  pki_issued_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) {
    const struct issue_wish w = {.is_identity = true,
                                 .module_id = req->module_id,
                                 .hub = req->hub,
                                 .device_id = req->device_id,
                                 .now = req->now,
                                 .validity_s = req->validity_s};
    return issue(p, &w, done, data, ret_op, err);
}

void pki_issue_cancel_all(struct pki *p) {
    list_for_each (pos, tmp, &p->issuing) {
        op_cancel(loop_ops(p->deps.loop), LIST_ENTRY(pos, struct issue_job, node)->op);
    }
}
