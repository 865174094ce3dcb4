/* SPDX-License-Identifier: MIT */
/*
 * Mapping of the external service's answers. Nobody has tested such a service against us, so each
 * member that is missing or odd is named in the error.
 */
#include "cloud/external_json.h"

#include "base/b64.h"
#include "base/json.h"
#include "cloud/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One answer being read. */
struct reading {
    const struct external *x;
    const struct reply *reply;
    struct external_answer *answer;
    struct external_secrets *secrets;
};

void external_secrets_init(struct external_secrets *s) {
    buf_init_sensitive(&s->key, EXTERNAL_KEY_MAX);
    buf_init_sensitive(&s->cert_pem, EXTERNAL_PEM_MAX);
    buf_init_sensitive(&s->key_pem, EXTERNAL_PEM_MAX);
}

void external_secrets_clear(struct external_secrets *s) {
    buf_clear(&s->key);
    buf_clear(&s->cert_pem);
    buf_clear(&s->key_pem);
}

static void fail(struct reading *r, enum external_kind kind, enum edge_code code, const char *fmt,
                 ...) EDGE_PRINTF(4, 5);

static void fail(struct reading *r, enum external_kind kind, enum edge_code code, const char *fmt,
                 ...) {
    char meaning[EDGE_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(meaning, sizeof(meaning), fmt, args);
    va_end(args);
    struct external_answer *a = r->answer;
    a->kind = kind;
    a->code = reply_error(r->reply, code, "it", 0, a->said, &a->err, "%s", meaning);
}

/* What err says is wrong with the answer's content; short memory is nobody's mistake. */
static void fail_content(struct reading *r, enum external_kind kind, const struct edge_error *err) {
    if (err->code == EDGE_NOMEM) {
        r->answer->kind = EXTERNAL_TRANSIENT;
        r->answer->code = err->code;
        r->answer->err = *err;
        return;
    }
    fail(r, kind, EDGE_PROTO, "answer of the external provisioning service at '%.64s': %.120s",
         r->x->endpoint, edge_error_text(err));
}

static void read_failure_status(struct reading *r) {
    const char *endpoint = r->x->endpoint;
    int status = r->reply->status;
    if (status >= 500 || status == 408 || status == 429) {
        fail(r, EXTERNAL_TRANSIENT, EDGE_RETRY,
             "the external provisioning service at '%.64s' cannot answer now", endpoint);
    } else if (status == 401 || status == 403) {
        fail(r, EXTERNAL_REFUSED, EDGE_DENIED,
             "the external provisioning service at '%.64s' refuses this device", endpoint);
    } else if (status == 404) {
        fail(r, EXTERNAL_REFUSED, EDGE_NOT_FOUND,
             "nothing is known about this device at '%.64s', or it is no external provisioning "
             "service: check `provisioning.endpoint`",
             endpoint);
    } else if (status >= 400) {
        fail(r, EXTERNAL_REFUSED, EDGE_REMOTE,
             "the external provisioning service at '%.64s' rejected the request", endpoint);
    } else {
        fail(r, EXTERNAL_UNUSABLE, EDGE_PROTO,
             "'%.64s' answered as no external provisioning service does", endpoint);
    }
}

static enum edge_code get_text(const struct cJSON *obj, const char *name, struct slice *ret,
                               struct edge_error *err) {
    enum edge_code code = json_get_str(obj, name, ret, err);
    if (code == EDGE_OK && ret->len == 0) {
        code = EDGE_NOT_FOUND;
    }
    return code == EDGE_NOT_FOUND ? edge_set(err, EDGE_PARSE, "%s is missing or empty", name)
                                  : code;
}

static enum edge_code read_reference(const struct cJSON *obj, const char *name,
                                     char ret[EXTERNAL_REF_MAX + 1], struct edge_error *err) {
    struct slice text;
    enum edge_code code = get_text(obj, name, &text, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!slice_is_plain_text(text) || !slice_to_array(text, ret, EXTERNAL_REF_MAX + 1)) {
        return edge_set(err, EDGE_PARSE, "%s is not the name of a file or key", name);
    }
    return EDGE_OK;
}

static enum edge_code read_key(const struct cJSON *obj, struct buf *out, struct edge_error *err) {
    struct slice text;
    enum edge_code code = get_text(obj, "key", &text, err);
    if (code == EDGE_OK) {
        code = b64_decode(text, out, err);
        if (code != EDGE_OK && code != EDGE_NOMEM) {
            code = edge_set(err, EDGE_PARSE, "key is not base64 of at most %d bytes",
                            EXTERNAL_KEY_MAX);
        }
    }
    if (code == EDGE_OK && out->len == 0) {
        code = edge_set(err, EDGE_PARSE, "key holds no bytes");
    }
    return code;
}

static bool has_pem_block(struct slice text, const char *label_end) {
    struct slice rest = text;
    struct slice line;
    while (rest.len > 0) {
        if (!slice_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = (struct slice){0};
        }
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        if (slice_starts_with(line, "-----BEGIN ") && slice_ends_with(line, label_end)) {
            return true;
        }
    }
    return false;
}

/* PEM text in base64; plain PEM text is taken as well. */
static enum edge_code read_pem(const struct cJSON *obj, const char *name, const char *label_end,
                               struct buf *out, struct edge_error *err) {
    struct slice text;
    enum edge_code code = get_text(obj, name, &text, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = slice_starts_with(text, "-----BEGIN ") ? buf_append_slice(out, text, err)
                                                  : b64_decode(text, out, err);
    if (code == EDGE_NOMEM) {
        return code;
    }
    struct slice pem = buf_slice(out);
    if (code != EDGE_OK || !slice_is_utf8_text(pem) || !has_pem_block(pem, label_end)) {
        return edge_set(err, EDGE_PARSE, "%s is not base64 of a PEM text of at most %d bytes", name,
                        EXTERNAL_PEM_MAX);
    }
    return EDGE_OK;
}

static enum edge_code read_x509(struct reading *r, const struct cJSON *credentials,
                                struct edge_error *err) {
    struct external_answer *a = r->answer;
    struct external_secrets *s = r->secrets;
    enum edge_code code;
    a->auth = EXTERNAL_AUTH_X509;
    if (a->is_in_hsm) {
        code = read_reference(credentials, "identityCert", a->cert_ref, err);
        return code == EDGE_OK ? read_reference(credentials, "identityPrivateKey", a->key_ref, err)
                               : code;
    }
    code = read_pem(credentials, "identityCert", "CERTIFICATE-----", &s->cert_pem, err);
    if (code == EDGE_OK) {
        code = read_pem(credentials, "identityPrivateKey", "PRIVATE KEY-----", &s->key_pem, err);
    }
    a->cert_pem = buf_slice(&s->cert_pem);
    a->key_pem = buf_slice(&s->key_pem);
    return code;
}

static enum edge_code read_credentials(struct reading *r, const struct cJSON *root,
                                       struct edge_error *err) {
    struct external_answer *a = r->answer;
    const struct cJSON *credentials;
    struct slice type;
    struct slice source;
    enum edge_code code = json_get_object(root, "credentials", &credentials, err);
    if (code == EDGE_NOT_FOUND) {
        return edge_set(err, EDGE_PARSE, "credentials are missing");
    }
    if (code == EDGE_OK) {
        code = get_text(credentials, "authType", &type, err);
    }
    if (code == EDGE_OK) {
        code = get_text(credentials, "source", &source, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    a->is_in_hsm = slice_eq_nocase(source, "hsm");
    if (!a->is_in_hsm && !slice_eq_nocase(source, "payload")) {
        return edge_set(err, EDGE_PARSE, "source of the credentials is neither payload nor hsm");
    }
    if (slice_eq_nocase(type, "x509")) {
        return read_x509(r, credentials, err);
    }
    if (!slice_eq_nocase(type, "symmetric-key")) {
        return edge_set(err, EDGE_PARSE,
                        "authType of the credentials is neither symmetric-key nor x509");
    }
    a->auth = EXTERNAL_AUTH_KEY;
    if (!a->is_in_hsm) {
        code = read_key(credentials, &r->secrets->key, err);
        a->key = buf_slice(&r->secrets->key);
    }
    return code;
}

static enum edge_code read_names(struct reading *r, const struct cJSON *root,
                                 struct edge_error *err) {
    struct external_answer *a = r->answer;
    struct slice hub;
    struct slice device;
    enum edge_code code = get_text(root, "hubName", &hub, err);
    if (code == EDGE_OK) {
        code = get_text(root, "deviceId", &device, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    if (!text_is_host_port(hub) || !slice_to_array(hub, a->hub, sizeof(a->hub))) {
        return edge_set(err, EDGE_PARSE, "hubName is not a host name");
    }
    if (!text_is_id(device) || !slice_to_array(device, a->device_id, sizeof(a->device_id))) {
        return edge_set(err, EDGE_PARSE, "deviceId is not a device id");
    }
    return EDGE_OK;
}

/* True when the service says that there is nothing to be had; the answer is then complete. */
static bool read_status(struct reading *r, const struct cJSON *root) {
    struct external_answer *a = r->answer;
    struct slice text;
    if (json_get_str(root, "substatus", &text, NULL) == EDGE_OK) {
        text_clean(text, a->substatus, sizeof(a->substatus));
    }
    if (json_get_str(root, "status", &text, NULL) != EDGE_OK) {
        return false;
    }
    text_clean(text, a->status, sizeof(a->status));
    if (slice_eq_nocase(text, "unassigned") || slice_eq_nocase(text, "assigning")) {
        fail(r, EXTERNAL_WAITING, EDGE_RETRY,
             "the external provisioning service at '%.64s' has not assigned the device yet",
             r->x->endpoint);
        return true;
    }
    if (slice_eq_nocase(text, "failed") || slice_eq_nocase(text, "disabled")) {
        fail(r, EXTERNAL_REFUSED, EDGE_REMOTE,
             "the external provisioning service at '%.64s' calls this device %s", r->x->endpoint,
             a->status);
        return true;
    }
    return false;
}

static void read_information(struct reading *r, const struct cJSON *root) {
    struct edge_error err = {0};
    if (read_status(r, root)) {
        return;
    }
    enum edge_code code = read_names(r, root, &err);
    if (code == EDGE_OK) {
        code = read_credentials(r, root, &err);
    }
    if (code != EDGE_OK) {
        r->answer->key = r->answer->cert_pem = r->answer->key_pem = (struct slice){0};
        fail_content(r, EXTERNAL_UNUSABLE, &err);
    }
}

void external_json_answer(const struct external *x, enum external_json_ask ask,
                          const struct reply *reply, struct external_answer *ret,
                          struct external_secrets *secrets) {
    *ret = (struct external_answer){
        .kind = EXTERNAL_OK, .http_status = reply->status, .retry_after_ms = reply->retry_after_ms};
    struct reading r = {x, reply, ret, secrets};
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct edge_error err = {0};
    bool is_success = reply->status >= 200 && reply->status < 300;
    if (is_success && ask == EXTERNAL_JSON_REPROVISION) {
        return;
    }
    enum edge_code code = reply_parse(reply, &root, &err);
    if (code == EDGE_OK && !json_is_object(root)) {
        code = edge_set(&err, EDGE_PARSE, "not a JSON object");
    }
    struct slice said;
    if (code == EDGE_OK && !is_success && json_get_str(root, "message", &said, NULL) == EDGE_OK) {
        text_clean(said, ret->said, sizeof(ret->said));
    }
    if (code == EDGE_NOMEM || (is_success && code != EDGE_OK)) {
        fail_content(&r, EXTERNAL_TRANSIENT, &err);
    } else if (!is_success) {
        read_failure_status(&r);
    } else {
        read_information(&r, root);
    }
}
