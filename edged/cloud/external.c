/* SPDX-License-Identifier: MIT */
/*
 * Requests to the external provisioning service, over TCP without TLS or over a Unix socket, as the
 * endpoint says. Meaning of the answers: external_json.c; when to ask: the caller.
 */
#include "cloud/external.h"

#include "base/buf.h"
#include "cloud/external_json.h"
#include "cloud/text.h"

#include <stdlib.h>

#define URL_MAX 1024

struct external_call {
    const struct external *x;
    enum external_json_ask ask;
    external_done_fn *done;
    void *data;
};

static void call_done(void *data, const struct http_client_answer *http) {
    struct external_call *call = data;
    struct external_answer answer = {.kind = EXTERNAL_TRANSIENT};
    struct external_secrets secrets;
    external_secrets_init(&secrets);
    if (http->code == EDGE_OK) {
        struct reply reply;
        reply_init(&reply, http, call->x->cloud->wall, EXTERNAL_RETRY_AFTER_MAX_MS);
        external_json_answer(call->x, call->ask, &reply, &answer, &secrets);
    } else {
        answer.code = edge_set(&answer.err, http->code, "%s", edge_code_name(http->code));
        if (http->err != NULL) {
            answer.err = *http->err;
        }
        (void)edge_wrap(&answer.err, http->code,
                        "asking the external provisioning service at '%.64s'", call->x->endpoint);
    }
    call->done(call->data, &answer);
    external_secrets_clear(&secrets);
    free(call);
}

/* Splits an endpoint into what the HTTP client takes: *ret_host for a network address, *ret_path
 * for a socket. */
static enum edge_code parse_endpoint(const char *endpoint, struct slice *ret_host,
                                     const char **ret_path, struct edge_error *err) {
    static const char http[] = "http://";
    static const char local[] = "unix://";
    struct slice text = slice_str(endpoint);
    *ret_host = SLICE_LIT("localhost");
    *ret_path = NULL;
    if (slice_starts_with(text, local)) {
        *ret_path = endpoint + sizeof(local) - 1;
        if (**ret_path == '/') {
            return EDGE_OK;
        }
    } else if (slice_starts_with(text, http)) {
        struct slice host = slice_make(text.ptr + sizeof(http) - 1, text.len - sizeof(http) + 1);
        if (host.len > 0 && host.ptr[host.len - 1] == '/') {
            host.len--;
        }
        *ret_host = host;
        if (text_is_host_port(host)) {
            return EDGE_OK;
        }
    }
    return edge_set(err, EDGE_INVALID,
                    "external endpoint '%.*s' is neither http://HOST[:PORT] nor unix:///PATH",
                    SLICE_ARG(text));
}

static enum edge_code send_call(const struct external_call *call_in, const char *method,
                                const char *url, const char *unix_path, struct op *ret_op,
                                struct edge_error *err) {
    static const struct http_client_header headers[] = {{"Accept", "application/json"}};
    struct external_call *call = malloc(sizeof(*call));
    if (call == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a provisioning request");
    }
    *call = *call_in;
    const struct http_client_request req = {
        .method = method,
        .url = url,
        .unix_path = unix_path,
        .plain_http = unix_path == NULL,
        .headers = headers,
        .header_cnt = EDGE_ARRAY_LEN(headers),
        .sensitive = true,
        .timeout_ms = EXTERNAL_TIMEOUT_MS,
        .stall_ms = EXTERNAL_STALL_MS,
        .answer_max = EXTERNAL_BODY_MAX,
        .on_done = call_done,
        .data = call,
    };
    struct op op;
    enum edge_code code = http_client_send(call->x->cloud->http, &req, &op, err);
    if (code != EDGE_OK) {
        free(call);
        return code;
    }
    if (ret_op != NULL) {
        *ret_op = op;
    }
    return EDGE_OK;
}

static enum edge_code ask(const struct external_call *call, const char *method, const char *path,
                          struct op *ret_op, struct edge_error *err) {
    struct slice host;
    const char *unix_path;
    enum edge_code code = parse_endpoint(call->x->endpoint, &host, &unix_path, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct buf url;
    buf_init(&url, URL_MAX);
    code = buf_append_str(&url, "http://", err);
    if (code == EDGE_OK) {
        code = buf_append_slice(&url, host, err);
    }
    if (code == EDGE_OK) {
        code = buf_printf(&url, err, "%s?api-version=" EXTERNAL_API_VERSION, path);
    }
    if (code == EDGE_OK) {
        const char *text = buf_cstr(&url);
        code = text != NULL ? send_call(call, method, text, unix_path, ret_op, err)
                            : edge_set(err, EDGE_NOMEM, "out of memory for a provisioning request");
    }
    buf_clear(&url);
    return code;
}

enum edge_code external_get(const struct external *x, external_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    const struct external_call call = {x, EXTERNAL_JSON_INFORMATION, done, data};
    return ask(&call, "GET", "/device/provisioninginformation", ret_op, err);
}

enum edge_code external_reprovision(const struct external *x, external_done_fn *done, void *data,
                                    struct op *ret_op, struct edge_error *err) {
    const struct external_call call = {x, EXTERNAL_JSON_REPROVISION, done, data};
    return ask(&call, "POST", "/device/reprovision", ret_op, err);
}
