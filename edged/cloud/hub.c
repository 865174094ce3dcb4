/* SPDX-License-Identifier: MIT */
/*
 * Requests to the hub's identity registry: a fresh token from the HSM, then one HTTP call. A
 * request is in one of the two stages at any time; whichever it is, its completion ends or
 * continues the request.
 */
#include "cloud/hub.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/pct.h"
#include "cloud/hub_json.h"
#include "cloud/sas.h"
#include "cloud/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUB_URL_MAX     4096
#define HUB_REQUEST_MAX 4096

struct hub {
    struct loop *loop;
    struct http_client *http;
    struct worker *worker;
    struct hsm *hsm;
    char host[HUB_HOST_MAX + 1];
    char device_id[HUB_ID_MAX + 1]; /* "": no identity yet */
    uint64_t key_generation;
};

struct hub_call {
    struct hub *hub;
    struct op self;
    struct op inner; /* the stage in flight */
    bool is_canceled;
    const char *method;
    bool has_if_match;
    enum hub_json_expect expect;
    uint64_t key_generation; /* these as they were when the request was made */
    char host[HUB_HOST_MAX + 1];
    char device_id[HUB_ID_MAX + 1];
    char module_id[HUB_ID_MAX + 1]; /* "" for a list */
    struct buf url;
    struct buf body; /* empty: none */
    hub_done_fn *done;
    void *data;
};

enum edge_code hub_new(struct loop *l, struct http_client *http, struct worker *w, struct hsm *h,
                       struct hub **ret, struct edge_error *err) {
    struct hub *hub = calloc(1, sizeof(*hub));
    if (hub == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the hub client");
    }
    hub->loop = l;
    hub->http = http;
    hub->worker = w;
    hub->hsm = h;
    *ret = hub;
    return EDGE_OK;
}

void hub_free(struct hub *hub) {
    free(hub);
}

enum edge_code hub_set_identity(struct hub *hub, const char *hub_host, const char *device_id,
                                uint64_t key_generation, struct edge_error *err) {
    struct slice host = slice_str(hub_host);
    struct slice device = slice_str(device_id);
    if (!text_is_host_port(host) || !text_is_id(device)) {
        return edge_set(err, EDGE_INVALID, "hub name or device id is not usable");
    }
    if (!slice_to_array(host, hub->host, sizeof(hub->host)) ||
        !slice_to_array(device, hub->device_id, sizeof(hub->device_id))) {
        return edge_set(err, EDGE_INTERNAL, "a checked name does not fit");
    }
    hub->key_generation = key_generation;
    return EDGE_OK;
}

static void call_free(struct hub_call *call) {
    buf_clear(&call->url);
    buf_clear(&call->body);
    free(call);
}

static void call_finish(struct hub_call *call, const struct hub_answer *answer) {
    op_remove(loop_ops(call->hub->loop), call->self);
    call->done(call->data, answer);
    call_free(call);
}

static void call_fail(struct hub_call *call, enum hub_kind kind, enum edge_code code,
                      const struct edge_error *err) {
    struct hub_answer answer = {.kind = kind, .key_generation = call->key_generation};
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
    reply_init(&reply, http, HUB_RETRY_AFTER_MAX_MS);
    hub_json_answer(&ask, &reply, &answer, &modules);
    answer.key_generation = call->key_generation;
    call_finish(call, &answer);
    free(modules);
}

static void on_token(void *data, enum edge_code code, const char *token,
                     const struct edge_error *err) {
    struct hub_call *call = data;
    if (call->is_canceled || code != EDGE_OK) {
        call_fail(call, HUB_LOCAL, code, err);
        return;
    }
    struct http_client_header headers[4] = {{"Authorization", token},
                                            {"Accept", "application/json"}};
    size_t cnt = 2;
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
        .body = buf_slice(&call->body),
        /* Answers carry module keys as the requests do. */
        .sensitive = true,
        .timeout_ms = HUB_TIMEOUT_MS,
        .stall_ms = HUB_STALL_MS,
        .answer_max = HUB_BODY_MAX,
        .on_done = on_http,
        .data = call,
    };
    struct edge_error send_err = {0};
    if (req.url == NULL) {
        code = edge_set(&send_err, EDGE_NOMEM, "out of memory for a request");
    } else {
        code = http_client_send(call->hub->http, &req, &call->inner, &send_err);
    }
    if (code != EDGE_OK) {
        call_fail(call, HUB_LOCAL, code, &send_err);
    }
}

static void on_cancel(void *data) {
    struct hub_call *call = data;
    call->is_canceled = true;
    op_cancel(loop_ops(call->hub->loop), call->inner);
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
    call->key_generation = hub->key_generation;
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
    struct hub *hub = call->hub;
    struct op_table *ops = loop_ops(hub->loop);
    call->done = done;
    call->data = data;
    char audience[HUB_HOST_MAX + HUB_ID_MAX + 16];
    (void)snprintf(audience, sizeof(audience), "%s/devices/%s", call->host, call->device_id);
    const struct sas_request token = {.key = SAS_KEY_IDENTITY,
                                      .generation = call->key_generation,
                                      .audience = slice_str(audience),
                                      .expiry_wall_s = clock_wall_s() + SAS_TTL_S};
    enum edge_code code = build_url(call, err);
    if (code == EDGE_OK) {
        code = op_add(ops, on_cancel, call, &call->self, err);
    }
    if (code == EDGE_OK) {
        code = sas_mint(hub->worker, hub->hsm, &token, on_token, call, &call->inner, err);
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
