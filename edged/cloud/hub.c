/* SPDX-License-Identifier: MIT */
/*
 * Requests to the hub's identity registry: a fresh proof of who we are, then one HTTP call, and
 * both once more after a 401. A request is in one of the two stages at any time; whichever it is,
 * its completion ends or continues the request.
 */
#include "cloud/hub.h"

#include "base/buf.h"
#include "base/pct.h"
#include "cloud/hub_json.h"
#include "cloud/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUB_URL_MAX     4096
#define HUB_REQUEST_MAX 4096

struct hub {
    struct cloud cloud;
    char host[HUB_HOST_MAX + 1];
    char device_id[HUB_ID_MAX + 1]; /* "": no identity yet */
    struct proof_source from;
    uint64_t serial;
    bool is_accepted; /* the listener knows that this identity works */
    void (*on_verdict)(void *data, bool accepted, const struct hub_answer *answer);
    void *verdict_data;
};

struct hub_call {
    struct hub *hub;
    struct op self;
    struct op inner; /* the stage in flight */
    bool is_canceled;
    const char *method;
    bool has_if_match;
    enum hub_json_expect expect;
    uint64_t serial; /* these as they were when the request was made */
    struct proof_source from;
    char host[HUB_HOST_MAX + 1];
    char device_id[HUB_ID_MAX + 1];
    char module_id[HUB_ID_MAX + 1]; /* "" for a list */
    struct buf url;
    struct buf body;           /* empty: none */
    bool is_second;            /* the first answer was 401 */
    uint64_t cert_version;     /* of the proof in use, 0: it is a token */
    struct hub_answer refusal; /* is_second: the first answer */
    hub_done_fn *done;
    void *data;
};

enum edge_code hub_new(const struct cloud *c, struct hub **ret, struct edge_error *err) {
    struct hub *hub = calloc(1, sizeof(*hub));
    if (hub == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the hub client");
    }
    hub->cloud = *c;
    *ret = hub;
    return EDGE_OK;
}

void hub_free(struct hub *hub) {
    if (hub != NULL) {
        device_cert_free(hub->from.cert);
        free(hub);
    }
}

enum edge_code hub_set_identity(struct hub *hub, const char *hub_host, const char *device_id,
                                const struct proof_source *from, uint64_t serial,
                                struct edge_error *err) {
    struct slice host = slice_str(hub_host);
    struct slice device = slice_str(device_id);
    if (!text_is_host_port(host) || !text_is_id(device)) {
        return edge_set(err, EDGE_INVALID, "hub name or device id is not usable");
    }
    enum edge_code code = proof_check(from, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!slice_to_array(host, hub->host, sizeof(hub->host)) ||
        !slice_to_array(device, hub->device_id, sizeof(hub->device_id))) {
        return edge_set(err, EDGE_INTERNAL, "a checked name does not fit");
    }
    hub->is_accepted = hub->is_accepted && hub->serial == serial;
    (void)device_cert_keep(from->cert);
    device_cert_free(hub->from.cert);
    hub->from = *from;
    hub->serial = serial;
    return EDGE_OK;
}

void hub_on_verdict(struct hub *hub,
                    void (*fn)(void *data, bool accepted, const struct hub_answer *answer),
                    void *data) {
    hub->on_verdict = fn;
    hub->verdict_data = data;
    hub->is_accepted = false;
}

static void call_free(struct hub_call *call) {
    buf_clear(&call->url);
    buf_clear(&call->body);
    device_cert_free(call->from.cert);
    free(call);
}

static void tell_verdict(struct hub *hub, const struct hub_answer *answer) {
    bool is_refused = hub_answer_is_device_refused(answer);
    bool is_current = answer->identity_serial == hub->serial;
    if (hub->on_verdict == NULL || (!is_refused && answer->kind != HUB_OK)) {
        return;
    }
    if (is_refused) {
        hub->is_accepted = hub->is_accepted && !is_current;
        hub->on_verdict(hub->verdict_data, false, answer);
    } else if (is_current && !hub->is_accepted) {
        hub->is_accepted = true;
        hub->on_verdict(hub->verdict_data, true, answer);
    }
}

/* The operation is over before the listener hears of it: what he sets off must not cancel it. */
static void call_finish(struct hub_call *call, const struct hub_answer *answer) {
    op_remove(loop_ops(call->hub->cloud.loop), call->self);
    tell_verdict(call->hub, answer);
    call->done(call->data, answer);
    call_free(call);
}

static void call_fail(struct hub_call *call, enum hub_kind kind, enum edge_code code,
                      const struct edge_error *err) {
    struct hub_answer answer = {.kind = kind, .identity_serial = call->serial};
    if (call->is_canceled || code == EDGE_CANCELED) {
        answer.kind = HUB_LOCAL;
        (void)edge_set(&answer.err, EDGE_CANCELED, "the request to hub '%.64s' was cancelled",
                       call->host);
    } else {
        (void)edge_set(&answer.err, code, "%s", edge_code_name(code));
        if (err != NULL) {
            answer.err = *err;
        }
        (void)edge_wrap(&answer.err, code, "asking hub '%.64s'", call->host);
    }
    call_finish(call, &answer);
}

static void prove_again(struct hub_call *call, const struct hub_answer *refusal);

static void on_http(void *data, const struct http_client_answer *http) {
    struct hub_call *call = data;
    if (call->is_canceled || http->code != EDGE_OK) {
        enum hub_kind kind = http->code == EDGE_NOMEM ? HUB_LOCAL : HUB_TRANSIENT;
        call_fail(call, kind, http->code, http->err);
        return;
    }
    const struct hub_json_ask ask = {.expect = call->expect,
                                     .hub_host = call->host,
                                     .device_id = call->device_id,
                                     .module_id = call->module_id[0] ? call->module_id : NULL};
    struct reply reply;
    struct hub_answer answer;
    struct hub_module *modules;
    reply_init(&reply, http, call->hub->cloud.wall, HUB_RETRY_AFTER_MAX_MS);
    hub_json_answer(&ask, &reply, &answer, &modules);
    answer.identity_serial = call->serial;
    if (answer.kind == HUB_REFUSED && answer.http_status == 401 && !call->is_second) {
        prove_again(call, &answer);
    } else {
        call_finish(call, &answer);
    }
    free(modules);
}

static void send_call(struct hub_call *call, const struct proof *proof) {
    struct http_client_header headers[4];
    size_t cnt = 0;
    if (proof->token != NULL) {
        headers[cnt++] = (struct http_client_header){"Authorization", proof->token};
    }
    headers[cnt++] = (struct http_client_header){"Accept", "application/json"};
    if (call->body.len > 0) {
        headers[cnt++] = (struct http_client_header){"Content-Type", "application/json"};
    }
    if (call->has_if_match) {
        headers[cnt++] = (struct http_client_header){"If-Match", "*"};
    }
    const struct http_client_request req = {
        .method = call->method,
        .url = buf_cstr(&call->url),
        .headers = headers,
        .header_cnt = cnt,
        .identity = proof->identity,
        .body = buf_slice(&call->body),
        /* Answers carry module keys as the requests do. */
        .sensitive = true,
        .timeout_ms = HUB_TIMEOUT_MS,
        .stall_ms = HUB_STALL_MS,
        .answer_max = HUB_BODY_MAX,
        .on_done = on_http,
        .data = call,
    };
    struct edge_error err = {0};
    enum edge_code code = EDGE_OK;
    if (req.url == NULL) {
        code = edge_set(&err, EDGE_NOMEM, "out of memory for a request");
    } else {
        code = http_client_send(call->hub->cloud.http, &req, &call->inner, &err);
    }
    if (code != EDGE_OK) {
        call_fail(call, HUB_LOCAL, code, &err);
    }
}

static void on_proof(void *data, enum edge_code code, const struct proof *proof,
                     const struct edge_error *err) {
    struct hub_call *call = data;
    if (call->is_canceled || code == EDGE_CANCELED) {
        call_fail(call, HUB_LOCAL, EDGE_CANCELED, NULL);
    } else if (call->is_second && call->from.kind == PROOF_CERT &&
               (code != EDGE_OK || proof->cert_version == call->cert_version)) {
        /* No other certificate has come: the hub's answer would be the same. */
        call_finish(call, &call->refusal);
    } else if (code != EDGE_OK) {
        call_fail(call, HUB_LOCAL, code, err);
    } else {
        call->cert_version = proof->cert_version;
        send_call(call, proof);
    }
}

static enum edge_code prove(struct hub_call *call, struct edge_error *err) {
    char audience[HUB_HOST_MAX + HUB_ID_MAX + 16];
    (void)snprintf(audience, sizeof(audience), "%s/devices/%s", call->host, call->device_id);
    return proof_make(&call->hub->cloud, &call->from, slice_str(audience), NULL, on_proof, call,
                      &call->inner, err);
}

/* After the first 401, whose Date the clock has been told by now. */
static void prove_again(struct hub_call *call, const struct hub_answer *refusal) {
    struct edge_error err = {0};
    call->is_second = true;
    call->refusal = *refusal;
    enum edge_code code = prove(call, &err);
    if (code != EDGE_OK && call->from.kind == PROOF_CERT) {
        call_finish(call, &call->refusal);
    } else if (code != EDGE_OK) {
        call_fail(call, HUB_LOCAL, code, &err);
    }
}

static void on_cancel(void *data) {
    struct hub_call *call = data;
    call->is_canceled = true;
    op_cancel(loop_ops(call->hub->cloud.loop), call->inner);
}

/* https://<hub>/devices/<device>/modules[/<module>]?api-version=... */
static enum edge_code build_url(struct hub_call *call, struct edge_error *err) {
    struct buf *url = &call->url;
    enum edge_code code = buf_printf(url, err, "https://%s/devices/", call->host);
    if (code == EDGE_OK) {
        code = pct_encode(slice_str(call->device_id), PCT_SEGMENT, url, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_str(url, "/modules", err);
    }
    if (code == EDGE_OK && call->module_id[0] != '\0') {
        code = buf_append_byte(url, '/', err);
        if (code == EDGE_OK) {
            code = pct_encode(slice_str(call->module_id), PCT_SEGMENT, url, err);
        }
    }
    return code == EDGE_OK ? buf_append_str(url, "?api-version=" HUB_API_VERSION, err) : code;
}

static enum edge_code call_new(struct hub *hub, const char *module_id, struct hub_call **ret,
                               struct edge_error *err) {
    if (hub->device_id[0] == '\0') {
        return edge_set(err, EDGE_RETRY, "the device has no hub yet: provisioning is not complete");
    }
    struct hub_call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a request to the hub");
    }
    struct slice module = slice_str(module_id);
    if (module_id != NULL && (!text_is_id(module) ||
                              !slice_to_array(module, call->module_id, sizeof(call->module_id)))) {
        free(call);
        return edge_set(err, EDGE_INVALID,
                        "not a module id: 1 to %d letters, digits and -.+%%_#*?!(),:=@$'",
                        HUB_ID_MAX);
    }
    call->hub = hub;
    call->serial = hub->serial;
    call->from = hub->from;
    (void)device_cert_keep(call->from.cert); /* another identity may take its place meanwhile */
    memcpy(call->host, hub->host, sizeof(call->host));
    memcpy(call->device_id, hub->device_id, sizeof(call->device_id));
    buf_init(&call->url, HUB_URL_MAX);
    buf_init_sensitive(&call->body, HUB_REQUEST_MAX);
    *ret = call;
    return EDGE_OK;
}

/* Takes ownership of call. */
static enum edge_code call_start(struct hub_call *call, hub_done_fn *done, void *data,
                                 struct op *ret_op, struct edge_error *err) {
    struct op_table *ops = loop_ops(call->hub->cloud.loop);
    call->done = done;
    call->data = data;
    enum edge_code code = build_url(call, err);
    if (code == EDGE_OK) {
        code = op_add(ops, on_cancel, call, &call->self, err);
    }
    if (code == EDGE_OK) {
        code = prove(call, err);
        if (code != EDGE_OK) {
            op_remove(ops, call->self);
        }
    }
    if (code != EDGE_OK) {
        call_free(call);
        return code;
    }
    if (ret_op != NULL) {
        *ret_op = call->self;
    }
    return EDGE_OK;
}

enum edge_code hub_list(struct hub *hub, hub_done_fn *done, void *data, struct op *ret_op,
                        struct edge_error *err) {
    struct hub_call *call;
    enum edge_code code = call_new(hub, NULL, &call, err);
    if (code != EDGE_OK) {
        return code;
    }
    call->method = "GET";
    call->expect = HUB_JSON_LIST;
    return call_start(call, done, data, ret_op, err);
}

enum edge_code hub_get(struct hub *hub, const char *module_id, hub_done_fn *done, void *data,
                       struct op *ret_op, struct edge_error *err) {
    struct hub_call *call;
    enum edge_code code = call_new(hub, module_id != NULL ? module_id : "", &call, err);
    if (code != EDGE_OK) {
        return code;
    }
    call->method = "GET";
    call->expect = HUB_JSON_MODULE;
    return call_start(call, done, data, ret_op, err);
}

static enum edge_code put(struct hub *hub, const struct hub_module_spec *spec, bool has_if_match,
                          hub_done_fn *done, void *data, struct op *ret_op,
                          struct edge_error *err) {
    bool has_keys = spec->primary != NULL && spec->secondary != NULL;
    if ((spec->primary != NULL) != (spec->secondary != NULL) ||
        (has_keys && (spec->primary->len != HUB_KEY_LEN || spec->secondary->len != HUB_KEY_LEN))) {
        return edge_set(err, EDGE_INVALID, "a module has two keys of %d bytes or none",
                        HUB_KEY_LEN);
    }
    struct hub_call *call;
    enum edge_code code = call_new(hub, spec->module_id != NULL ? spec->module_id : "", &call, err);
    if (code != EDGE_OK) {
        return code;
    }
    call->method = "PUT";
    call->expect = HUB_JSON_MODULE;
    call->has_if_match = has_if_match;
    code = hub_json_put(spec, call->device_id, &call->body, err);
    if (code != EDGE_OK) {
        call_free(call);
        return code;
    }
    return call_start(call, done, data, ret_op, err);
}

enum edge_code hub_create(struct hub *hub, const struct hub_module_spec *spec, hub_done_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err) {
    return put(hub, spec, false, done, data, ret_op, err);
}

enum edge_code hub_update(struct hub *hub, const struct hub_module_spec *spec, hub_done_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err) {
    return put(hub, spec, true, done, data, ret_op, err);
}

enum edge_code hub_delete(struct hub *hub, const char *module_id, hub_done_fn *done, void *data,
                          struct op *ret_op, struct edge_error *err) {
    struct hub_call *call;
    enum edge_code code = call_new(hub, module_id != NULL ? module_id : "", &call, err);
    if (code != EDGE_OK) {
        return code;
    }
    call->method = "DELETE";
    call->expect = HUB_JSON_NOTHING;
    call->has_if_match = true;
    return call_start(call, done, data, ret_op, err);
}
