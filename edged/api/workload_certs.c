/* SPDX-License-Identifier: MIT */
/*
 * The trust bundle: the operator's file, read anew for each request so that a replaced file is
 * picked up.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/list.h"
#include "http/http_reply.h"

#include <stdlib.h>
#include <string.h>

#define BUNDLE_MAX    (256 * 1024)
#define WAITERS_MAX   512 /* more than there are connections */
#define BUNDLE_FAILED "Could not get trust bundle"

/* Anybody may ask and a read takes a place in the key store's queue, so all who ask while one waits
 * there share it. */
struct bundle_job {
    struct api *api;
    struct list waiters;
    size_t waiter_cnt;
    char *path;
    struct buf pem;
    enum edge_code code;
    struct edge_error err;
};

struct waiter {
    struct list node;
    struct api_pending *pending;
};

static struct http_exchange *waiter_take(struct bundle_job *job, struct waiter *w) {
    struct http_exchange *x = api_pending_take(w->pending);
    list_remove(&w->node);
    job->waiter_cnt--;
    free(w);
    return x;
}

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

static void reply_bundle(struct http_exchange *x, struct bundle_job *job) {
    struct buf out;
    buf_init(&out, BUNDLE_MAX * 2);
    enum edge_code code = job->code;
    if (code == EDGE_OK) {
        code = encode_bundle(buf_slice(&job->pem), &out, &job->err);
    }
    if (code == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_workload(x, BUNDLE_FAILED, &job->err);
    }
    buf_clear(&out);
}

static void on_bundle(void *data, enum edge_code code) {
    struct bundle_job *job = data;

    job->api->bundle = NULL; /* answers may bring new requests */
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the request was not worked on in time");
    }
    while (!list_is_empty(&job->waiters)) {
        struct http_exchange *x =
            waiter_take(job, LIST_ENTRY(job->waiters.next, struct waiter, node));
        if (x != NULL) {
            reply_bundle(x, job);
        }
    }
    bundle_job_free(job);
}

/* Drops those whose clients have gone. */
static void prune(struct bundle_job *job) {
    list_for_each (pos, tmp, &job->waiters) {
        struct waiter *w = LIST_ENTRY(pos, struct waiter, node);
        if (!api_pending_is_live(w->pending)) {
            (void)waiter_take(job, w);
        }
    }
}

static struct waiter *join(struct bundle_job *job, struct http_exchange *x) {
    struct edge_error err;
    if (job->waiter_cnt >= WAITERS_MAX) {
        prune(job);
    }
    if (job->waiter_cnt >= WAITERS_MAX) {
        (void)edge_set(&err, EDGE_BUSY, "too many wait for the trust bundle");
        api_error_workload(x, BUNDLE_FAILED, &err);
        return NULL;
    }
    struct waiter *w = malloc(sizeof(*w));
    if (w == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return NULL;
    }
    w->pending = api_pending_new(x);
    if (w->pending == NULL) {
        free(w);
        return NULL;
    }
    list_append(&job->waiters, &w->node);
    job->waiter_cnt++;
    return w;
}

static struct bundle_job *bundle_job_new(struct api *api, const char *path) {
    struct bundle_job *job = calloc(1, sizeof(*job));
    if (job == NULL || (job->path = strdup(path)) == NULL) {
        free(job);
        return NULL;
    }
    job->api = api;
    list_init(&job->waiters);
    buf_init(&job->pem, BUNDLE_MAX);
    return job;
}

void workload_trust_bundle(struct http_exchange *x) {
    struct api *api = api_of(x);
    struct edge_error err;

    if (api->config->trusted_ca_certs == NULL) {
        http_reply_error(x, 404,
                         BUNDLE_FAILED "\n\tcaused by: no trust bundle is configured "
                                       "(certificates.trusted_ca_certs in config.yaml)");
        return;
    }
    if (api->bundle != NULL) {
        (void)join(api->bundle, x);
        return;
    }
    struct bundle_job *job = bundle_job_new(api, api->config->trusted_ca_certs);
    if (job == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    struct waiter *w = join(job, x);
    if (w == NULL) {
        bundle_job_free(job);
        return;
    }
    const struct worker_job work = {
        .run = read_bundle, .done = on_bundle, .data = job, .queue_timeout_ms = API_DEADLINE_MS};
    if (worker_submit(api->worker, &work, NULL, &err) != EDGE_OK) {
        (void)waiter_take(job, w);
        bundle_job_free(job);
        api_error_workload(x, BUNDLE_FAILED, &err);
        return;
    }
    api->bundle = job;
}
