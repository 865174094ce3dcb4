/* SPDX-License-Identifier: MIT */
/*
 * Certificates for modules, and what they are to trust.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/http_reply.h"
#include "pki/pki.h"

#include <string.h>

#define SERVER_FAILED   "Could not get server cert"
#define IDENTITY_FAILED "Could not create identity cert"
#define BUNDLE_FAILED   "Could not get trust bundle"
#define ANSWER_MAX      ((size_t)256 * 1024) /* JSON with a key and a chain */

/* The original's form: its clients read it as a date-time with offset. */
#define EXPIRATION_LEN (CLOCK_RFC3339_LEN + sizeof("+00:00"))

/* What pki_... returned at once: the answer to a failure, or what to cancel. */
static void started(struct http_exchange *x, struct api_pending *pending, enum edge_code code,
                    struct op op, const struct edge_error *err) {
    if (code == EDGE_OK) {
        http_exchange_set_op(x, op);
        return;
    }
    const char *failed = pending->about;
    (void)api_pending_take(pending);
    api_error_pki(x, failed, err);
}

static void format_expiration(int64_t wall_s, char out[EXPIRATION_LEN]) {
    static const char zero[] = "+00:00";
    clock_format_rfc3339(wall_s, out);
    memcpy(strchr(out, 'Z'), zero, sizeof(zero));
}

static enum edge_code encode_cert(const struct pki_issued *cert, struct buf *out,
                                  struct edge_error *err) {
    char expiration[EXPIRATION_LEN];
    struct json_writer w;

    format_expiration(cert->not_after_wall_s, expiration);
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_object_open(&w, "privateKey");
    json_add_cstr(&w, "type", "key");
    json_add_str(&w, "bytes", cert->key_pem);
    json_object_close(&w);
    json_add_str(&w, "certificate", cert->chain_pem);
    json_add_cstr(&w, "expiration", expiration);
    json_object_close(&w);
    return json_end(&w, err);
}

static void on_issued(void *data, enum edge_code code, const struct pki_issued *cert,
                      const struct edge_error *err) {
    struct api_pending *pending = data;
    const char *failed = pending->about;
    struct http_exchange *x = api_pending_take(pending);
    struct edge_error own;
    struct buf out;

    if (x == NULL) {
        return;
    }
    buf_init_sensitive(&out, ANSWER_MAX);
    if (code == EDGE_OK) {
        code = encode_cert(cert, &out, &own);
        own.code = EDGE_INTERNAL; /* no fault of the caller's, whatever it is */
        err = &own;
    }
    if (code == EDGE_OK) {
        http_reply_json(x, 201, &out);
    } else {
        api_error_pki(x, failed, err);
    }
    buf_clear(&out);
}

/* Nothing can be said of an expiration, and nothing issued, while the time is not known. */
static bool require_clock(struct http_exchange *x, const char *failed, struct wall_time *ret_now) {
    const struct api *api = api_of(x);
    struct edge_error err;
    char text[WALL_TEXT_LEN];

    *ret_now = wall_get_time(api->wall);
    if (ret_now->is_usable) {
        return true;
    }
    wall_describe(api->wall, text, sizeof(text));
    (void)edge_set(&err, EDGE_RETRY, "the clock is not right: %s", text);
    api_error_pki(x, failed, &err);
    return false;
}

/* Whole seconds from now; at least one. What is too long is cut later. */
static enum edge_code validity_until(int64_t now_wall_s, int64_t expiration_wall_s, int64_t *ret_s,
                                     struct edge_error *err) {
    *ret_s = expiration_wall_s - now_wall_s;
    return *ret_s > 0 ? EDGE_OK : edge_set(err, EDGE_PARSE, "'expiration' is in the past");
}

static enum edge_code get_expiration(struct slice text, int64_t *ret_wall_s,
                                     struct edge_error *err) {
    return clock_parse_rfc3339(text, ret_wall_s)
               ? EDGE_OK
               : edge_set(err, EDGE_PARSE,
                          "'expiration' is not a date and time as in 2030-01-02T03:04:05Z");
}

static enum edge_code parse_object(struct http_exchange *x, struct cJSON **ret,
                                   struct edge_error *err) {
    enum edge_code code = json_parse_within(http_exchange_body(x), API_NODES_MAX, ret, err);
    if (code == EDGE_OK && !json_is_object(*ret)) {
        code = edge_set(err, EDGE_PARSE, "not an object");
    }
    return code;
}

/* --- Server certificates --- */

static enum edge_code decode_server(const struct cJSON *root, struct slice *ret_common_name,
                                    int64_t *ret_expiration_wall_s, struct edge_error *err) {
    struct slice expiration;
    enum edge_code code = json_get_str(root, "commonName", ret_common_name, err);
    if (code == EDGE_OK) {
        code = json_get_str(root, "expiration", &expiration, err);
    }
    if (code == EDGE_OK) {
        code = get_expiration(expiration, ret_expiration_wall_s, err);
    }
    return code;
}

void workload_server_cert(struct http_exchange *x) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct pki_server_request req = {.module_id = http_exchange_param(x, 0)};
    struct edge_error err;
    struct op op = OP_NONE;
    int64_t expiration_wall_s;

    enum edge_code code = parse_object(x, &root, &err);
    if (code == EDGE_OK) {
        code = decode_server(root, &req.common_name, &expiration_wall_s, &err);
    }
    if (code != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    if (!require_clock(x, SERVER_FAILED, &req.now)) {
        return;
    }
    if (validity_until(req.now.now_s, expiration_wall_s, &req.validity_s, &err) != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    struct api_pending *pending = api_pending_new(x, SERVER_FAILED);
    if (pending != NULL) {
        code = pki_issue_server(api_of(x)->pki, &req, on_issued, pending, &op, &err);
        started(x, pending, code, op, &err);
    }
}

/* --- Identity certificates --- */

static enum edge_code decode_identity(const struct cJSON *root, bool *ret_has_expiration,
                                      int64_t *ret_expiration_wall_s, struct edge_error *err) {
    struct slice expiration;
    enum edge_code code = json_get_str(root, "expiration", &expiration, err);
    if (code == EDGE_NOT_FOUND) {
        *ret_has_expiration = false;
        return EDGE_OK;
    }
    *ret_has_expiration = true;
    return code == EDGE_OK ? get_expiration(expiration, ret_expiration_wall_s, err) : code;
}

/* A name of the hub with a port, as a private stand-in for the cloud may have, is no host name. */
static struct slice without_port(struct slice hub) {
    struct slice port;
    (void)slice_cut(hub, ':', &hub, &port);
    return hub;
}

static void issue_identity(struct http_exchange *x, struct wall_time now, int64_t validity_s) {
    const struct provisioning_result *id =
        &provisioning_get_status(api_of(x)->provisioning)->result;
    const struct pki_identity_request req = {.module_id = http_exchange_param(x, 0),
                                             .hub = without_port(slice_str(id->hub)),
                                             .device_id = slice_str(id->device_id),
                                             .now = now,
                                             .validity_s = validity_s};
    struct edge_error err;
    struct op op = OP_NONE;
    struct api_pending *pending = api_pending_new(x, IDENTITY_FAILED);
    if (pending != NULL) {
        enum edge_code code =
            pki_issue_identity(api_of(x)->pki, &req, on_issued, pending, &op, &err);
        started(x, pending, code, op, &err);
    }
}

void workload_identity_cert(struct http_exchange *x) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct edge_error err;
    bool has_expiration = false;
    struct wall_time now;
    int64_t expiration_wall_s = 0, validity_s = PKI_IDENTITY_MAX_S;

    enum edge_code code = parse_object(x, &root, &err);
    if (code == EDGE_OK) {
        code = decode_identity(root, &has_expiration, &expiration_wall_s, &err);
    }
    if (code != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    if (!require_clock(x, IDENTITY_FAILED, &now) || !api_require_identity(x)) {
        return;
    }
    if (has_expiration &&
        validity_until(now.now_s, expiration_wall_s, &validity_s, &err) != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    issue_identity(x, now, validity_s);
}

/* --- Trust bundles --- */

static void reply_bundle(struct http_exchange *x, struct slice pem) {
    struct edge_error err;
    struct json_writer w;
    struct buf out;

    buf_init(&out, PKI_BUNDLE_MAX * 2);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_add_str(&w, "certificate", pem);
    json_object_close(&w);
    if (json_end(&w, &err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        err.code = EDGE_INTERNAL;
        api_error_workload(x, BUNDLE_FAILED, &err);
    }
    buf_clear(&out);
}

static void on_bundle(void *data, enum edge_code code, struct slice pem,
                      const struct edge_error *err) {
    struct http_exchange *x = api_pending_take(data);
    if (x != NULL && code == EDGE_OK) {
        reply_bundle(x, pem);
    } else if (x != NULL) {
        api_error_pki(x, BUNDLE_FAILED, err);
    }
}

void workload_trust_bundle(struct http_exchange *x) {
    struct edge_error err;
    struct op op = OP_NONE;
    struct api_pending *pending = api_pending_new(x, BUNDLE_FAILED);
    if (pending != NULL) {
        enum edge_code code = pki_trust_bundle(api_of(x)->pki, on_bundle, pending, &op, &err);
        started(x, pending, code, op, &err);
    }
}

/* Of signed deployments, which this daemon does not check. Releases that do not either answer with
 * an empty text. */
void workload_manifest_trust_bundle(struct http_exchange *x) {
    reply_bundle(x, SLICE_LIT(""));
}
