/* SPDX-License-Identifier: MIT */
/*
 * Requests to the Device Provisioning Service. Meaning of the answers: dps_json.c; when to ask: the
 * caller.
 */
#include "cloud/dps.h"

#include "base/pct.h"
#include "cloud/dps_json.h"

#include <stdlib.h>
#include <string.h>

#define DPS_URL_MAX     4096
#define DPS_REQUEST_MAX 8192

struct dps_call {
    const struct dps *dps;
    enum dps_json_leg leg;
    const char *method;
    dps_done_fn *done;
    void *data;
};

enum edge_code dps_audience(const struct dps *dps, struct buf *out, struct edge_error *err) {
    return buf_printf(out, err, "%s/registrations/%s", dps->scope_id, dps->registration_id);
}

static void call_done(void *data, const struct http_client_answer *http) {
    struct dps_call *call = data;
    struct dps_answer answer = {0};
    struct buf blob;
    buf_init(&blob, HSM_BLOB_MAX);
    if (http->code == EDGE_OK) {
        struct reply reply;
        reply_init(&reply, http, call->dps->cloud->wall, DPS_RETRY_AFTER_MAX_MS);
        dps_json_answer(call->dps, call->leg, &reply, &answer, &blob);
    } else {
        answer.kind = DPS_TRANSIENT;
        answer.code = edge_set(&answer.err, http->code, "%s", edge_code_name(http->code));
        if (http->err != NULL) {
            answer.err = *http->err;
        }
        (void)edge_wrap(&answer.err, http->code, "asking the provisioning service at '%.64s'",
                        call->dps->endpoint);
    }
    call->done(call->data, &answer);
    buf_clear(&blob);
    free(call);
}

static enum edge_code append_segment(struct buf *url, const char *text, struct edge_error *err) {
    enum edge_code code = buf_append_byte(url, '/', err);
    return code == EDGE_OK ? pct_encode(slice_str(text), PCT_SEGMENT, url, err) : code;
}

/* <endpoint>/<scope>/registrations/<id>, then nothing, /register or /operations/<operation> */
static enum edge_code build_url(const struct dps *dps, const char *action, const char *operation_id,
                                struct buf *url, struct edge_error *err) {
    size_t len = strlen(dps->endpoint);
    if (len > 0 && dps->endpoint[len - 1] == '/') {
        len--;
    }
    enum edge_code code = buf_append(url, dps->endpoint, len, err);
    if (code == EDGE_OK) {
        code = append_segment(url, dps->scope_id, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_str(url, "/registrations", err);
    }
    if (code == EDGE_OK) {
        code = append_segment(url, dps->registration_id, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_str(url, action, err);
    }
    if (code == EDGE_OK && operation_id != NULL) {
        code = append_segment(url, operation_id, err);
    }
    return code == EDGE_OK ? buf_append_str(url, "?api-version=" DPS_API_VERSION, err) : code;
}

static enum edge_code send_call(const struct dps_call *call_in, const char *url,
                                const struct proof *proof, struct slice body, struct op *ret_op,
                                struct edge_error *err) {
    struct dps_call *call = malloc(sizeof(*call));
    if (call == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a provisioning request");
    }
    *call = *call_in;
    struct http_client_header headers[3] = {{"Accept", "application/json"}};
    size_t cnt = 1;
    if (body.len > 0) {
        headers[cnt++] = (struct http_client_header){"Content-Type", "application/json"};
    }
    if (proof != NULL && proof->token != NULL) {
        headers[cnt++] = (struct http_client_header){"Authorization", proof->token};
    }
    const struct http_client_request req = {
        .method = call->method,
        .url = url,
        .headers = headers,
        .header_cnt = cnt,
        .identity = proof != NULL ? proof->identity : NULL,
        .body = body,
        .timeout_ms = DPS_TIMEOUT_MS,
        .stall_ms = DPS_STALL_MS,
        .answer_max = DPS_BODY_MAX,
        .on_done = call_done,
        .data = call,
    };
    struct op op;
    enum edge_code code = http_client_send(call->dps->cloud->http, &req, &op, err);
    if (code != EDGE_OK) {
        free(call);
        return code;
    }
    if (ret_op != NULL) {
        *ret_op = op;
    }
    return EDGE_OK;
}

/* action: what follows the registration in the path. */
static enum edge_code ask(const struct dps_call *call, const char *action, const char *operation_id,
                          const struct proof *proof, struct slice body, struct op *ret_op,
                          struct edge_error *err) {
    struct buf url;
    buf_init(&url, DPS_URL_MAX);
    enum edge_code code = build_url(call->dps, action, operation_id, &url, err);
    if (code == EDGE_OK) {
        const char *text = buf_cstr(&url);
        code = text != NULL ? send_call(call, text, proof, body, ret_op, err)
                            : edge_set(err, EDGE_NOMEM, "out of memory for a provisioning request");
    }
    buf_clear(&url);
    return code;
}

static bool is_proof(const struct proof *proof) {
    return proof != NULL && (proof->token != NULL || proof->identity != NULL);
}

static enum edge_code check_keys(const struct hsm_attestation *keys, const struct proof *proof,
                                 struct edge_error *err) {
    if (keys != NULL && (keys->ek_len == 0 || keys->ek_len > HSM_PUBLIC_MAX || keys->srk_len == 0 ||
                         keys->srk_len > HSM_PUBLIC_MAX)) {
        return edge_set(err, EDGE_INVALID, "registration needs both public keys of the TPM");
    }
    if (keys == NULL && !is_proof(proof)) {
        return edge_set(err, EDGE_INVALID,
                        "only a TPM can register without a token or a certificate");
    }
    return EDGE_OK;
}

/* A request whose body is that of a registration. */
static enum edge_code ask_registration(const struct dps_call *call, const char *action,
                                       const struct hsm_attestation *keys,
                                       const struct proof *proof, struct op *ret_op,
                                       struct edge_error *err) {
    enum edge_code code = check_keys(keys, proof, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct buf body;
    buf_init(&body, DPS_REQUEST_MAX);
    code = dps_json_register(call->dps, keys, &body, err);
    if (code == EDGE_OK) {
        code = ask(call, action, NULL, proof, buf_slice(&body), ret_op, err);
    }
    buf_clear(&body);
    return code;
}

enum edge_code dps_register(const struct dps *dps, const struct hsm_attestation *keys,
                            const struct proof *proof, dps_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    const struct dps_call call = {dps, is_proof(proof) ? DPS_JSON_REGISTER : DPS_JSON_CHALLENGE,
                                  "PUT", done, data};
    return ask_registration(&call, "/register", keys, proof, ret_op, err);
}

enum edge_code dps_operation(const struct dps *dps, const char *operation_id,
                             const struct proof *proof, dps_done_fn *done, void *data,
                             struct op *ret_op, struct edge_error *err) {
    if (operation_id[0] == '\0' || !is_proof(proof)) {
        return edge_set(err, EDGE_INVALID, "polling needs an operation id and a proof");
    }
    const struct dps_call call = {dps, DPS_JSON_OPERATION, "GET", done, data};
    return ask(&call, "/operations", operation_id, proof, (struct slice){0}, ret_op, err);
}

enum edge_code dps_lookup(const struct dps *dps, const struct hsm_attestation *keys,
                          const struct proof *proof, dps_done_fn *done, void *data,
                          struct op *ret_op, struct edge_error *err) {
    const struct dps_call call = {
        dps, is_proof(proof) ? DPS_JSON_LOOKUP : DPS_JSON_LOOKUP_CHALLENGE, "POST", done, data};
    return ask_registration(&call, "", keys, proof, ret_op, err);
}
