/* SPDX-License-Identifier: MIT */
/*
 * A token for an operator, signed with the key of the device's identity. The token goes to nobody
 * but the one who asked: the log has its resource and expiry.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/json.h"
#include "base/log.h"
#include "cloud/sas.h"
#include "http/http_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TOKEN_FAILED "Could not make a token"
#define ANSWER_MAX   ((size_t)8 * 1024)

struct token_job {
    struct api_pending *pending;
    char resource[SAS_AUDIENCE_MAX + 1];
    int64_t expiry_wall_s;
};

static void reply(struct http_exchange *x, const struct token_job *job, const char *token) {
    struct edge_error err;
    struct buf out;
    struct json_writer w;

    buf_init_sensitive(&out, ANSWER_MAX);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "token", token);
    json_add_i64(&w, "expiry", job->expiry_wall_s);
    json_object_close(&w);
    if (json_end(&w, &err) == EDGE_OK) {
        log_info("An operator was given a token for %s that is good until %" PRId64,
                 log_quote_str(job->resource), job->expiry_wall_s);
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, TOKEN_FAILED, &err);
    }
    buf_clear(&out);
}

static void on_token(void *data, enum edge_code code, const char *token,
                     const struct edge_error *err) {
    struct token_job *job = data;
    struct http_exchange *x = api_pending_take(job->pending);
    if (x != NULL && code == EDGE_OK) {
        reply(x, job, token);
    } else if (x != NULL) {
        api_error_mgmt(x, TOKEN_FAILED, err);
    }
    free(job);
}

/* True when a token can be signed now; otherwise answers. */
static bool require_key_and_clock(struct http_exchange *x) {
    const struct api *api = api_of(x);
    char text[WALL_TEXT_LEN], message[WALL_TEXT_LEN + 64];
    if (!api_require_identity(x)) {
        return false;
    }
    if (provisioning_get_status(api->provisioning)->result.credential == PROVISIONING_CERT) {
        http_reply_error(x, 409,
                         TOKEN_FAILED ": this device proves itself with a certificate and has no "
                                      "key to sign tokens with");
        return false;
    }
    if (!wall_is_usable(api->wall)) {
        wall_describe(api->wall, text, sizeof(text));
        (void)snprintf(message, sizeof(message), TOKEN_FAILED ": the clock is wrong: %s", text);
        http_reply_busy(x, 503, 60, message);
        return false;
    }
    return true;
}

static enum edge_code decode(struct slice body, struct token_job *job, int64_t *ret_life_s,
                             struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice resource;
    enum edge_code code = json_parse_within(body, API_NODES_MAX, &root, err);
    if (code == EDGE_OK) {
        code = json_get_str(root, "resource", &resource, err);
    }
    if (code == EDGE_OK &&
        (resource.len == 0 || !slice_to_array(resource, job->resource, sizeof(job->resource)))) {
        code =
            edge_set(err, EDGE_RANGE, "resource must be text of 1 to %d bytes", SAS_AUDIENCE_MAX);
    }
    if (code == EDGE_OK) {
        code = json_get_i64(root, "expiry", ret_life_s, err);
    }
    if (code == EDGE_OK && (*ret_life_s < 1 || *ret_life_s > API_TOKEN_LIFE_MAX_S)) {
        code = edge_set(err, EDGE_RANGE, "expiry must be 1 to %d seconds", API_TOKEN_LIFE_MAX_S);
    }
    return code;
}

static void mint(struct http_exchange *x, struct token_job *job) {
    struct edge_error err;
    struct op op;
    struct api *api = api_of(x);
    const struct sas_request req = {
        .key = SAS_KEY_IDENTITY,
        .generation = provisioning_get_status(api->provisioning)->result.key_generation,
        .audience = slice_str(job->resource),
        .expiry_wall_s = job->expiry_wall_s,
    };
    job->pending = api_pending_new(x, NULL);
    if (job->pending == NULL) {
        free(job);
        return;
    }
    if (sas_mint(api->worker, api->hsm, &req, on_token, job, &op, &err) != EDGE_OK) {
        (void)api_pending_take(job->pending);
        api_error_mgmt(x, TOKEN_FAILED, &err);
        free(job);
        return;
    }
    http_exchange_set_op(x, op);
}

void mgmt_token(struct http_exchange *x) {
    struct edge_error err;
    int64_t life_s = 0;
    struct token_job *job EDGE_CLEANUP(edge_cleanup_free) = calloc(1, sizeof(*job));
    if (job == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    if (decode(http_exchange_body(x), job, &life_s, &err) != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    if (require_key_and_clock(x)) {
        job->expiry_wall_s = wall_now_s(api_of(x)->wall) + life_s;
        mint(x, TAKE_PTR(job));
    }
}
