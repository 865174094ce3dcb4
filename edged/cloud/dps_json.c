/* SPDX-License-Identifier: MIT */
/*
 * Mapping of provisioning messages. Every status and error code that the service documents gets its
 * own meaning here; anything that cannot be read is a transient fault of the path, never an
 * assignment.
 */
#include "cloud/dps_json.h"

#include "base/b64.h"
#include "base/json.h"
#include "cloud/text.h"

#include <stdarg.h>
#include <stdio.h>

#define ERROR_ALLOCATION    400207
#define ERROR_NO_HUB        400208
#define ERROR_HUB_FORBIDDEN 400209

enum edge_code dps_json_register(const struct dps *dps, const struct hsm_attestation *keys,
                                 struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "registrationId", dps->registration_id);
    if (keys != NULL) {
        json_object_open(&w, "tpm");
        json_add_b64(&w, "endorsementKey", keys->ek, keys->ek_len);
        json_add_b64(&w, "storageRootKey", keys->srk, keys->srk_len);
        json_object_close(&w);
    }
    json_object_close(&w);
    return json_end(&w, err);
}

/* One answer being read. */
struct reading {
    const struct dps *dps;
    enum dps_json_leg leg;
    const struct reply *reply;
    struct dps_answer *answer;
    struct buf *blob;
};

static void fail(struct reading *r, enum dps_kind kind, enum edge_code code, const char *fmt, ...)
    EDGE_PRINTF(4, 5);

static void fail(struct reading *r, enum dps_kind kind, enum edge_code code, const char *fmt, ...) {
    char meaning[EDGE_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(meaning, sizeof(meaning), fmt, args);
    va_end(args);
    struct dps_answer *a = r->answer;
    a->kind = kind;
    a->code = reply_error(r->reply, code, "DPS", a->error_code, a->said, &a->err, "%s", meaning);
}

static bool is_lookup(const struct reading *r) {
    return r->leg == DPS_JSON_LOOKUP || r->leg == DPS_JSON_LOOKUP_CHALLENGE;
}

/* Without a proof: only a TPM asks so. */
static bool is_first_leg(const struct reading *r) {
    return r->leg == DPS_JSON_CHALLENGE || r->leg == DPS_JSON_LOOKUP_CHALLENGE;
}

/* What the service sent does not make sense: an incompatible or damaged answer, perhaps a proxy's.
 */
static void fail_unreadable(struct reading *r, const char *what) {
    fail(r, DPS_TRANSIENT, EDGE_PROTO,
         "answer of '%.64s' is not usable: %.100s; is it the provisioning service, or a proxy in "
         "between?",
         r->dps->endpoint, what);
}

/* An answer that could not be taken in because of what err says. */
static void fail_reading(struct reading *r, const struct edge_error *err) {
    if (err->code != EDGE_NOMEM) {
        fail_unreadable(r, edge_error_text(err));
        return;
    }
    r->answer->kind = DPS_TRANSIENT;
    r->answer->code = err->code;
    r->answer->err = *err;
}

/* Copies the members of an error record; those that are missing or odd stay empty. */
static void read_error_members(struct reading *r, const struct cJSON *obj,
                               const char *message_name) {
    struct slice text;
    if (json_get_str(obj, message_name, &text, NULL) == EDGE_OK) {
        text_clean(text, r->answer->said, sizeof(r->answer->said));
    }
    if (json_get_str(obj, "trackingId", &text, NULL) == EDGE_OK) {
        text_clean(text, r->answer->tracking_id, sizeof(r->answer->tracking_id));
    }
    int64_t number;
    if (json_get_i64(obj, "errorCode", &number, NULL) == EDGE_OK) {
        r->answer->error_code = number;
    }
}

static enum edge_code read_blob(struct reading *r, const struct cJSON *obj,
                                struct edge_error *err) {
    struct slice text;
    enum edge_code code = json_get_str(obj, "authenticationKey", &text, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (text.len == 0) {
        return edge_set(err, EDGE_NOT_FOUND, "authenticationKey is empty");
    }
    code = b64_decode(text, r->blob, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "decoding authenticationKey");
    }
    r->answer->blob = buf_slice(r->blob);
    return EDGE_OK;
}

static void read_challenge(struct reading *r, const struct cJSON *root) {
    struct edge_error err = {0};
    enum edge_code code = root != NULL ? read_blob(r, root, &err) : EDGE_NOT_FOUND;
    if (code == EDGE_OK) {
        r->answer->kind = DPS_CHALLENGE;
        return;
    }
    if (code != EDGE_NOT_FOUND) {
        fail_reading(r, &err);
        return;
    }
    fail(r, DPS_REFUSED, EDGE_DENIED,
         "this TPM's endorsement key is not enrolled under registration id '%.64s' in ID scope "
         "'%.24s', "
         "or the enrollment is disabled; `iotedge tpm info` prints what to enroll",
         r->dps->registration_id, r->dps->scope_id);
}

static void read_refusal(struct reading *r) {
    char buf[REPLY_HINT_MAX];
    if (r->reply->status == 403) {
        fail(r, DPS_REFUSED, EDGE_DENIED, "%s",
             reply_refusal_hint(
                 r->reply,
                 "provisioning is forbidden: look at the service's IP filter, private "
                 "endpoints and enrollment",
                 buf));
        return;
    }
    fail(r, DPS_REFUSED, EDGE_DENIED, "the device's proof was refused for '%.64s': %s",
         r->dps->registration_id,
         reply_refusal_hint(
             r->reply,
             "it is not the enrollment's key or certificate, the enrollment is disabled, or this "
             "machine's clock is wrong",
             buf));
}

static void read_bad_request(struct reading *r) {
    switch (r->answer->error_code) {
    case ERROR_ALLOCATION:
        fail(r, DPS_INVALID, EDGE_REMOTE,
             "no hub could be allocated: check the enrollment's allocation policy or its function");
        break;
    case ERROR_NO_HUB:
        fail(r, DPS_INVALID, EDGE_REMOTE,
             "the provisioning service has no hub for this device: link an IoT Hub to it");
        break;
    case ERROR_HUB_FORBIDDEN:
        fail(r, DPS_INVALID, EDGE_REMOTE,
             "the provisioning service may not write to its hub: renew the linked hub's access "
             "policy");
        break;
    default:
        fail(r, DPS_INVALID, EDGE_REMOTE,
             "the request was rejected: check registration id '%.64s' and ID scope '%.24s'",
             r->dps->registration_id, r->dps->scope_id);
        break;
    }
}

static void read_not_found(struct reading *r) {
    if (r->leg == DPS_JSON_OPERATION) {
        fail(r, DPS_NOT_FOUND, EDGE_NOT_FOUND,
             "the registration in progress is no longer known: it has to start again");
        return;
    }
    if (is_lookup(r)) {
        fail(r, DPS_NOT_FOUND, EDGE_NOT_FOUND,
             "registration id '%.64s' has never registered in ID scope '%.24s', or one of them is "
             "wrong",
             r->dps->registration_id, r->dps->scope_id);
        return;
    }
    fail(r, DPS_NOT_FOUND, EDGE_NOT_FOUND,
         "ID scope '%.24s' or registration id '%.64s' is unknown at '%.48s': compare `scope_id` "
         "with the "
         "service's overview page",
         r->dps->scope_id, r->dps->registration_id, r->dps->endpoint);
}

static void read_failure_status(struct reading *r) {
    int status = r->reply->status;
    switch (status) {
    case 400:
        read_bad_request(r);
        break;
    case 401:
    case 403:
        read_refusal(r);
        break;
    case 404:
        read_not_found(r);
        break;
    case 405:
    case 415:
        fail(r, DPS_INVALID, EDGE_REMOTE,
             "the service does not take this kind of request: is '%.64s' a provisioning service?",
             r->dps->endpoint);
        break;
    case 408:
        fail(r, DPS_TRANSIENT, EDGE_RETRY, "the service waited too long for our request");
        break;
    case 409:
        fail(r, DPS_CONFLICT, EDGE_CONFLICT,
             "another registration of '%.64s' is in progress: it has to start again",
             r->dps->registration_id);
        break;
    case 412:
        fail(r, DPS_CONFLICT, EDGE_CONFLICT,
             "the enrollment of '%.64s' changed during registration: it has to start again",
             r->dps->registration_id);
        break;
    case 429:
        fail(r, DPS_THROTTLED, EDGE_RETRY, "the service is throttling this device or its tenant");
        break;
    default:
        if (status >= 500) {
            fail(r, DPS_TRANSIENT, EDGE_RETRY, "the provisioning service has a fault of its own");
        } else if (status >= 400) {
            fail(r, DPS_INVALID, EDGE_REMOTE, "the service rejected the request");
        } else {
            fail_unreadable(r, "a status that the service does not use");
        }
        break;
    }
}

static void read_assigning(struct reading *r, const struct cJSON *root) {
    struct slice id;
    bool has_id =
        !is_lookup(r) && json_get_str(root, "operationId", &id, NULL) == EDGE_OK && id.len > 0;
    if (has_id && (!text_is_token(id, DPS_TEXT_MAX - 1) ||
                   !slice_to_array(id, r->answer->operation_id, sizeof(r->answer->operation_id)))) {
        fail_unreadable(r, "operationId has characters that do not belong there");
        return;
    }
    if (!has_id && r->leg == DPS_JSON_REGISTER) {
        fail_unreadable(r, "operationId is missing");
        return;
    }
    r->answer->kind = DPS_ASSIGNING;
}

static void read_assigned(struct reading *r, const struct cJSON *state) {
    struct dps_answer *a = r->answer;
    struct slice hub = {0};
    struct slice device = {0};
    if (json_get_str(state, "assignedHub", &hub, NULL) != EDGE_OK || !text_is_host_port(hub) ||
        !slice_to_array(hub, a->hub, sizeof(a->hub))) {
        fail_unreadable(r, "assignedHub is missing or not a host name");
        return;
    }
    if (json_get_str(state, "deviceId", &device, NULL) != EDGE_OK || !text_is_id(device) ||
        !slice_to_array(device, a->device_id, sizeof(a->device_id))) {
        fail_unreadable(r, "deviceId is missing or not a device id");
        return;
    }
    struct slice substatus;
    if (json_get_str(state, "substatus", &substatus, NULL) == EDGE_OK) {
        text_clean(substatus, a->substatus, sizeof(a->substatus));
    }
    struct edge_error err = {0};
    const struct cJSON *tpm;
    enum edge_code code = EDGE_NOT_FOUND;
    if (!is_lookup(r)) {
        code = json_get_object(state, "tpm", &tpm, &err);
    }
    if (code == EDGE_OK) {
        code = read_blob(r, tpm, &err);
    }
    if (code != EDGE_OK && code != EDGE_NOT_FOUND) {
        fail_reading(r, &err);
        return;
    }
    a->kind = DPS_ASSIGNED;
}

static void read_failed(struct reading *r, const struct cJSON *state) {
    if (state != NULL) {
        read_error_members(r, state, "errorMessage");
    }
    const char *mend = "look at the enrollment and at its registration status in the service";
    switch (r->answer->error_code) {
    case ERROR_ALLOCATION:
        mend =
            "no hub could be allocated: check the enrollment's allocation policy or its function";
        break;
    case ERROR_NO_HUB:
        mend = "the service has no hub for this device: link an IoT Hub to it";
        break;
    case ERROR_HUB_FORBIDDEN:
        mend = "the service may not write to its hub: renew the linked hub's access policy";
        break;
    default:
        break;
    }
    fail(r, DPS_FAILED, EDGE_REMOTE, "registration of '%.64s' failed: %s", r->dps->registration_id,
         mend);
}

static void read_status(struct reading *r, const struct cJSON *root) {
    const struct cJSON *state = NULL;
    if (json_get_object(root, "registrationState", &state, NULL) != EDGE_OK) {
        /* The answer to a look-up is the state itself. */
        state = is_lookup(r) ? root : NULL;
    }
    struct slice status = {0};
    if (json_get_str(root, "status", &status, NULL) != EDGE_OK &&
        (state == NULL || json_get_str(state, "status", &status, NULL) != EDGE_OK)) {
        fail_unreadable(r, "status is missing");
        return;
    }
    if (slice_eq_nocase(status, "assigning") || slice_eq_nocase(status, "unassigned")) {
        read_assigning(r, root);
    } else if (slice_eq_nocase(status, "assigned") && state != NULL) {
        read_assigned(r, state);
    } else if (slice_eq_nocase(status, "assigned")) {
        fail_unreadable(r, "registrationState is missing");
    } else if (slice_eq_nocase(status, "failed")) {
        read_failed(r, state);
    } else if (slice_eq_nocase(status, "disabled") || slice_eq_nocase(status, "blacklisted")) {
        fail(r, DPS_DISABLED, EDGE_DENIED,
             "the enrollment of '%.64s' is disabled: enable it in the provisioning service",
             r->dps->registration_id);
    } else {
        fail_unreadable(r, "status has an unknown value");
    }
}

void dps_json_answer(const struct dps *dps, enum dps_json_leg leg, const struct reply *reply,
                     struct dps_answer *ret, struct buf *blob) {
    *ret = (struct dps_answer){.http_status = reply->status,
                               .retry_after_ms = reply->retry_after_ms,
                               .date_wall_s = reply->date_wall_s};
    struct reading r = {dps, leg, reply, ret, blob};
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct edge_error err = {0};
    enum edge_code code = reply_parse(reply, &root, &err);
    if (code == EDGE_NOMEM) {
        fail_reading(&r, &err);
        return;
    }
    bool is_success = reply->status >= 200 && reply->status < 300;
    if (code == EDGE_OK && !json_is_object(root)) {
        code = edge_set(&err, EDGE_PARSE, "not a JSON object");
    }
    if (code != EDGE_OK) {
        json_free(TAKE_PTR(root));
    } else if (!is_success) {
        read_error_members(&r, root, "message");
    }
    const bool is_challenge = reply->status == 401 && is_first_leg(&r);
    /* A challenge that was cut off is no reason to call the device unknown. */
    const bool is_cut = code != EDGE_OK && reply->body.len > 0;
    if (is_challenge && !is_cut) {
        read_challenge(&r, root);
    } else if (!is_success && !is_challenge) {
        read_failure_status(&r);
    } else if (code != EDGE_OK) {
        fail_unreadable(&r, edge_error_text(&err));
    } else if (is_first_leg(&r)) {
        fail_unreadable(&r, "it took the device without a challenge");
    } else {
        read_status(&r, root);
    }
}
