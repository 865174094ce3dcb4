/* SPDX-License-Identifier: MIT */
/*
 * Signing for modules. The warm path is one cache look-up and one HMAC on the loop thread; only a
 * key that is not cached goes to the HSM worker.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/b64.h"
#include "base/json.h"
#include "base/mac.h"
#include "http/http_reply.h"

#include <stdlib.h>

#define SIGN_FAILED "Could not sign"

struct sign_request {
    struct buf data; /* decoded bytes to sign */
    struct slice key_id;
};

/* A signature that waits for its key. */
struct sign_job {
    struct api_pending *pending;
    struct buf data;
};

static void reply_digest(struct http_exchange *x, struct mac_key *key, struct slice data) {
    struct edge_error err;
    uint8_t digest[SHA256_LEN];
    struct buf out;
    struct json_writer w;

    buf_init_sensitive(&out, 256);
    enum edge_code code = mac_key_sign(key, data.ptr, data.len, digest, &err);
    if (code == EDGE_OK) {
        json_begin(&w, &out);
        json_object_open(&w, NULL);
        json_add_b64(&w, "digest", digest, sizeof(digest));
        json_object_close(&w);
        code = json_end(&w, &err);
    }
    secret_wipe(digest, sizeof(digest));
    if (code != EDGE_OK) {
        api_error_workload(x, SIGN_FAILED, &err);
    } else {
        http_reply_json(x, 200, &out);
    }
    buf_clear(&out);
}

static void on_key(void *data, enum edge_code code, struct mac_key *key,
                   const struct edge_error *err) {
    struct sign_job *job = data;
    struct http_exchange *x = api_pending_take(job->pending);
    if (x != NULL && code == EDGE_OK) {
        reply_digest(x, key, buf_slice(&job->data));
    } else if (x != NULL) {
        api_error_key_store(x, SIGN_FAILED, err);
    }
    buf_clear(&job->data);
    free(job);
}

static void sign_cold(struct http_exchange *x, const struct module_key_id *id, struct buf *data) {
    struct edge_error err;
    struct op op;
    struct sign_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    job->pending = api_pending_new(x, NULL);
    if (job->pending == NULL) {
        free(job);
        return;
    }
    job->data = *data;
    enum edge_code code = module_keys_derive(api_of(x)->module_keys, id, on_key, job, &op, &err);
    if (code != EDGE_OK) {
        (void)api_pending_take(job->pending);
        free(job);
        api_error_key_store(x, SIGN_FAILED, &err);
        return;
    }
    buf_init_sensitive(data, data->max); /* the job owns the bytes now */
    http_exchange_set_op(x, op);
}

/* keyId and data are needed; algo must be there too, but every value of it has always meant
 * HMAC-SHA256. */
static enum edge_code decode(const struct cJSON *root, struct sign_request *req,
                             struct edge_error *err) {
    struct slice algo, data;
    enum edge_code code = json_get_str(root, "keyId", &req->key_id, err);
    if (code == EDGE_OK) {
        code = json_get_str(root, "algo", &algo, err);
    }
    if (code == EDGE_OK) {
        code = json_get_str(root, "data", &data, err);
    }
    if (code == EDGE_OK) {
        code = b64_decode(data, &req->data, err);
    }
    return code;
}

void workload_sign(struct http_exchange *x) {
    struct edge_error err;
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct sign_request req = {0};

    if (!api_require_identity(x)) {
        return;
    }
    struct slice body = http_exchange_body(x);
    buf_init_sensitive(&req.data, body.len + 1);
    enum edge_code code = json_parse_within(body, API_NODES_MAX, &root, &err);
    if (code == EDGE_OK) {
        code = decode(root, &req, &err);
    }
    if (code != EDGE_OK) {
        api_error_malformed(x, &err);
        buf_clear(&req.data);
        return;
    }
    const struct module_key_id id = {http_exchange_param(x, 0), req.key_id,
                                     http_exchange_param(x, 1)};
    struct mac_key *key = module_keys_cached(api_of(x)->module_keys, &id);
    if (key != NULL) {
        reply_digest(x, key, buf_slice(&req.data));
    } else {
        sign_cold(x, &id, &req.data);
    }
    buf_clear(&req.data);
}
