/* SPDX-License-Identifier: MIT */
/*
 * Keys that an operator puts into the key store and takes out of it. The key store works on its
 * thread; what was asked for is done also when the one who asked has gone.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/b64.h"
#include "base/json.h"
#include "base/log.h"
#include "http/http_reply.h"
#include "provisioning/imported.h"

#include <stdlib.h>

#define ADD_FAILED    "Could not import the key"
#define REMOVE_FAILED "Could not remove the key"
#define ANSWER_MAX    4096

struct key_job {
    struct api *api;
    struct api_pending *pending;
    struct hsm *hsm;
    bool is_add;
    char target[KEY_LABEL_TARGET_MAX + 1];
    struct secret key;
    int64_t since_wall_s;
    uint64_t generation;
    unsigned removed;
    enum edge_code code;
    struct edge_error err;
};

static void job_free(struct key_job *job) {
    if (job != NULL) {
        secret_clear(&job->key);
        free(job);
    }
}

static void job_cleanup(struct key_job **job) {
    job_free(*job);
}

static void run(void *data) {
    struct key_job *job = data;
    job->code = job->is_add ? imported_add(job->hsm, job->target, &job->key, job->since_wall_s,
                                           &job->generation, &job->err)
                            : imported_remove(job->hsm, job->target, &job->removed, &job->err);
}

static void reply(struct http_exchange *x, const struct key_job *job) {
    struct edge_error err;
    struct buf out;
    struct json_writer w;

    buf_init(&out, ANSWER_MAX);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "target", job->target);
    if (job->is_add) {
        json_add_i64(&w, "generation", (int64_t)job->generation);
    } else {
        json_add_i64(&w, "removed", (int64_t)job->removed);
    }
    json_object_close(&w);
    if (json_end(&w, &err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, job->is_add ? ADD_FAILED : REMOVE_FAILED, &err);
    }
    buf_clear(&out);
}

static void done(void *data, enum edge_code code) {
    struct key_job *job = data;
    struct http_exchange *x = api_pending_take(job->pending);
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the key store did not get to it");
    }
    if (job->code == EDGE_OK) {
        log_info("An operator %s the key for %s", job->is_add ? "imported" : "removed",
                 log_quote_str(job->target));
        provisioning_ask(job->api->provisioning,
                         job->is_add ? "a key was imported" : "a key was removed");
    }
    if (x != NULL && job->code == EDGE_OK) {
        reply(x, job);
    } else if (x != NULL) {
        api_error_mgmt(x, job->is_add ? ADD_FAILED : REMOVE_FAILED, &job->err);
    }
    job_free(job);
}

static void submit(struct http_exchange *x, struct key_job *job) {
    struct edge_error err;
    struct api *api = api_of(x);
    const struct worker_job work = {.run = run, .done = done, .data = job};

    job->api = api;
    job->hsm = api->hsm;
    job->since_wall_s = wall_now_s(api->wall);
    job->pending = api_pending_new(x);
    if (job->pending == NULL) {
        job_free(job);
        return;
    }
    if (worker_submit(api->worker, &work, NULL, &err) != EDGE_OK) {
        (void)api_pending_take(job->pending);
        api_error_mgmt(x, job->is_add ? ADD_FAILED : REMOVE_FAILED, &err);
        job_free(job);
    }
}

static enum edge_code decode(struct slice body, struct key_job *job, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct slice target, key;
    enum edge_code code = json_parse_within(body, API_NODES_MAX, &root, err);
    if (code == EDGE_OK) {
        code = json_get_str(root, "target", &target, err);
    }
    if (code == EDGE_OK) {
        code = imported_target(target, job->target, err);
    }
    if (code != EDGE_OK || !job->is_add) {
        return code;
    }
    code = json_get_str(root, "key", &key, err);
    if (code == EDGE_OK) {
        code = b64_decode_secret(key, CONFIG_KEY_MAX, &job->key, err);
    }
    if (code == EDGE_OK && job->key.len == 0) {
        code = edge_set(err, EDGE_INVALID, "the key is empty");
    }
    return code;
}

static void start(struct http_exchange *x, bool is_add) {
    struct edge_error err;
    struct key_job *job EDGE_CLEANUP(job_cleanup) = calloc(1, sizeof(*job));
    if (job == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    job->is_add = is_add;
    if (decode(http_exchange_body(x), job, &err) != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    submit(x, TAKE_PTR(job));
}

void mgmt_key_add(struct http_exchange *x) {
    start(x, true);
}

void mgmt_key_remove(struct http_exchange *x) {
    start(x, false);
}
