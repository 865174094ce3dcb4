/* SPDX-License-Identifier: MIT */
/*
 * The trust bundle: the operator's file, read anew for each request so that a replaced file is
 * picked up.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/fs.h"
#include "base/json.h"
#include "http/http_reply.h"

#include <stdlib.h>
#include <string.h>

#define BUNDLE_MAX    (256 * 1024)
#define BUNDLE_FAILED "Could not get trust bundle"

struct bundle_job {
    struct api_pending *pending;
    char *path;
    struct buf pem;
    enum edge_code code;
    struct edge_error err;
};

static void bundle_job_free(struct bundle_job *job) {
    buf_clear(&job->pem);
    free(job->path);
    free(job);
}

/* Modules install every certificate of the answer as a trusted root, so anything else in the file
 * is a mistake worth refusing - a private key above all. */
static enum edge_code check_bundle(struct bundle_job *job) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char key[] = "PRIVATE KEY-----";
    struct slice text = buf_slice(&job->pem);

    if (!slice_is_utf8_text(text) || memmem(text.ptr, text.len, begin, sizeof(begin) - 1) == NULL) {
        return edge_set(&job->err, EDGE_CONFIG, "'%s' holds no PEM certificate", job->path);
    }
    if (memmem(text.ptr, text.len, key, sizeof(key) - 1) != NULL) {
        return edge_set(&job->err, EDGE_CONFIG,
                        "'%s' holds a private key; it is given to every module, so remove the key",
                        job->path);
    }
    return EDGE_OK;
}

static void read_bundle(void *data) {
    struct bundle_job *job = data;
    job->code = fs_read_path(job->path, &job->pem, &job->err);
    if (job->code == EDGE_OK) {
        job->code = check_bundle(job);
    }
}

static enum edge_code encode_bundle(struct slice pem, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_str(&w, "certificate", pem);
    json_object_close(&w);
    return json_end(&w, err);
}

static void on_bundle(void *data, enum edge_code code) {
    struct bundle_job *job = data;
    struct http_exchange *x = api_pending_take(job->pending);
    struct buf out;

    buf_init(&out, BUNDLE_MAX * 2);
    if (code == EDGE_OK) {
        code = job->code;
    } else {
        (void)edge_set(&job->err, code, "the request was not worked on in time");
    }
    if (code == EDGE_OK) {
        code = encode_bundle(buf_slice(&job->pem), &out, &job->err);
    }
    if (x != NULL && code == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else if (x != NULL) {
        api_error_workload(x, BUNDLE_FAILED, &job->err);
    }
    buf_clear(&out);
    bundle_job_free(job);
}

void workload_trust_bundle(struct http_exchange *x) {
    const struct api *api = api_of(x);
    struct edge_error err;
    struct op op;

    if (api->config->trusted_ca_certs == NULL) {
        http_reply_error(x, 404,
                         BUNDLE_FAILED "\n\tcaused by: no trust bundle is configured "
                                       "(certificates.trusted_ca_certs in config.yaml)");
        return;
    }
    struct bundle_job *job = calloc(1, sizeof(*job));
    if (job == NULL || (job->path = strdup(api->config->trusted_ca_certs)) == NULL) {
        free(job);
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    buf_init(&job->pem, BUNDLE_MAX);
    job->pending = api_pending_new(x);
    if (job->pending == NULL) {
        bundle_job_free(job);
        return;
    }
    const struct worker_job work = {
        .run = read_bundle, .done = on_bundle, .data = job, .queue_timeout_ms = API_DEADLINE_MS};
    if (worker_submit(api->worker, &work, &op, &err) != EDGE_OK) {
        (void)api_pending_take(job->pending);
        bundle_job_free(job);
        api_error_workload(x, BUNDLE_FAILED, &err);
        return;
    }
    http_exchange_set_op(x, op);
}
