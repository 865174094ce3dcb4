/* SPDX-License-Identifier: MIT */
/*
 * Formatting of what hsm_probe found.
 */
#include "cli/tpm_info.h"

#include "base/b64.h"
#include "base/json.h"

#include <inttypes.h>

/* Collects the first error of a sequence of appends. */
struct out {
    struct buf *buf;
    struct edge_error *err;
    enum edge_code code;
};

static void put(struct out *o, const char *text) {
    if (o->code == EDGE_OK) {
        o->code = buf_append_str(o->buf, text, o->err);
    }
}

static void put_b64(struct out *o, const void *data, size_t len) {
    if (o->code == EDGE_OK) {
        o->code = b64_encode(data, len, o->buf, o->err);
    }
}

static void put_hex(struct out *o, const void *data, size_t len) {
    if (o->code == EDGE_OK) {
        o->code = hex_encode(data, len, o->buf, o->err);
    }
}

#define putf(o, ...)                                                                               \
    do {                                                                                           \
        if ((o)->code == EDGE_OK) {                                                                \
            (o)->code = buf_printf((o)->buf, (o)->err, __VA_ARGS__);                               \
        }                                                                                          \
    } while (0)

enum edge_code tpm_info_enroll_line(const struct hsm_tpm_info *info, struct buf *out,
                                    struct edge_error *err) {
    struct out o = {out, err, EDGE_OK};
    put(&o, "az iot dps enrollment create --resource-group RESOURCE_GROUP --dps-name DPS_NAME "
            "--edge-enabled true --attestation-type tpm --enrollment-id ");
    put(&o, info->registration_id);
    put(&o, " --endorsement-key ");
    put_b64(&o, info->keys.ek, info->keys.ek_len);
    return o.code;
}

static const char *origin(bool persistent) {
    return persistent ? "persistent"
                      : "not stored in the TPM yet; the daemon stores it at first start";
}

static void text_keys(struct out *o, const struct hsm_tpm_info *info) {
    if (info->keys.ek_len > 0) {
        putf(o, "Registration id:   %s (default; from the endorsement key)\n",
             info->registration_id);
        put(o, "Endorsement key:   ");
        put_b64(o, info->keys.ek, info->keys.ek_len);
        putf(o, "\n                   (%s)\n", origin(info->ek_persistent));
    } else {
        put(o, "Endorsement key:   could not be read\n");
    }
    if (info->srk_name_len > 0) {
        put(o, "Storage key name:  ");
        put_hex(o, info->srk_name, info->srk_name_len);
        putf(o, "\n                   (%s)\n", origin(info->srk_persistent));
    }
}

static void text_cert(struct out *o, const struct hsm_tpm_info *info) {
    if (info->ek_cert_len == 0) {
        put(o, "EK certificate:    none in the TPM\n");
        return;
    }
    putf(o, "EK certificate:    %s\n",
         info->ek_cert_matches ? "belongs to this endorsement key"
                               : "DOES NOT BELONG to this endorsement key");
    putf(o, "  subject:         %s\n", info->ek_cert_subject);
    putf(o, "  issuer:          %s\n", info->ek_cert_issuer);
}

static void text_state(struct out *o, const struct hsm_tpm_info *info) {
    putf(o,
         "Lockout:           %s, %" PRIu32 " of %" PRIu32
         " failed tries, one forgiven every %" PRIu32 " s\n",
         info->in_lockout ? "ACTIVE" : "not active", info->lockout_counter, info->lockout_max,
         info->lockout_interval_s);
    putf(o, "Passwords:         owner %s, endorsement %s, lockout %s\n",
         info->owner_auth_set ? "set" : "empty", info->endorsement_auth_set ? "set" : "empty",
         info->lockout_auth_set ? "set" : "empty");
    put(o, "Persistent keys:\n");
    for (size_t i = 0; i < info->handle_cnt; i++) {
        putf(o, "  0x%08" PRIx32 "       %s\n", info->handles[i].handle, info->handles[i].what);
    }
    if (info->handle_cnt == 0) {
        put(o, "  none\n");
    }
}

enum edge_code tpm_info_text(const struct hsm_tpm_info *info, struct buf *out,
                             struct edge_error *err) {
    struct out o = {out, err, EDGE_OK};
    putf(&o, "TPM:               %s\n", info->node[0] ? info->node : info->tcti);
    putf(&o, "Connection:        %s\n", info->tcti);
    putf(&o, "Manufacturer:      %s %s\n", info->manufacturer, info->vendor);
    putf(&o, "Firmware:          %" PRIu32 ".%" PRIu32 ".%" PRIu32 ".%" PRIu32 "\n",
         info->firmware_1 >> 16, info->firmware_1 & 0xffff, info->firmware_2 >> 16,
         info->firmware_2 & 0xffff);
    putf(&o, "Specification:     %s revision %" PRIu32 ".%02" PRIu32 "\n", info->spec_family,
         info->spec_revision / 100, info->spec_revision % 100);
    text_keys(&o, info);
    text_cert(&o, info);
    text_state(&o, info);
    if (info->keys.ek_len > 0) {
        put(&o, "\nEnroll this TPM with:\n  ");
        if (o.code == EDGE_OK) {
            o.code = tpm_info_enroll_line(info, out, err);
        }
        put(&o, "\n");
    }
    return o.code;
}

static void json_add_hex(struct json_writer *w, const char *name, const void *data, size_t len) {
    struct buf hex;
    buf_init(&hex, HSM_NAME_MAX * 2);
    if (w->code == EDGE_OK) {
        w->code = hex_encode(data, len, &hex, &w->err);
    }
    json_add_str(w, name, buf_slice(&hex));
    buf_clear(&hex);
}

static void json_cert(struct json_writer *w, const struct hsm_tpm_info *info) {
    if (info->ek_cert_len == 0) {
        json_add_null(w, "endorsement_certificate");
        return;
    }
    json_object_open(w, "endorsement_certificate");
    json_add_bool(w, "matches", info->ek_cert_matches);
    json_add_cstr(w, "subject", info->ek_cert_subject);
    json_add_cstr(w, "issuer", info->ek_cert_issuer);
    json_add_b64(w, "der", info->ek_cert, info->ek_cert_len);
    json_object_close(w);
}

static void json_state(struct json_writer *w, const struct hsm_tpm_info *info) {
    json_object_open(w, "lockout");
    json_add_bool(w, "active", info->in_lockout);
    json_add_i64(w, "failed_tries", info->lockout_counter);
    json_add_i64(w, "max_tries", info->lockout_max);
    json_add_i64(w, "interval_s", info->lockout_interval_s);
    json_add_i64(w, "recovery_s", info->lockout_recovery_s);
    json_object_close(w);
    json_object_open(w, "passwords_set");
    json_add_bool(w, "owner", info->owner_auth_set);
    json_add_bool(w, "endorsement", info->endorsement_auth_set);
    json_add_bool(w, "lockout", info->lockout_auth_set);
    json_object_close(w);
    json_array_open(w, "persistent_handles");
    for (size_t i = 0; i < info->handle_cnt; i++) {
        struct edge_error err;
        struct buf text;
        buf_init(&text, 16);
        if (buf_printf(&text, &err, "0x%08" PRIx32, info->handles[i].handle) != EDGE_OK) {
            w->code = err.code;
            w->err = err;
        }
        json_object_open(w, NULL);
        json_add_str(w, "handle", buf_slice(&text));
        json_add_cstr(w, "what", info->handles[i].what);
        json_object_close(w);
        buf_clear(&text);
    }
    json_array_close(w);
}

static enum edge_code json_enroll(struct json_writer *w, const struct hsm_tpm_info *info) {
    struct edge_error err;
    struct buf line;
    buf_init(&line, TPM_INFO_OUT_MAX);
    enum edge_code code = tpm_info_enroll_line(info, &line, &err);
    if (code == EDGE_OK) {
        json_add_str(w, "enroll_command", buf_slice(&line));
    }
    buf_clear(&line);
    return code;
}

enum edge_code tpm_info_json(const struct hsm_tpm_info *info, struct buf *out,
                             struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "tcti", info->tcti);
    json_add_cstr(&w, "device_node", info->node);
    json_add_cstr(&w, "manufacturer", info->manufacturer);
    json_add_cstr(&w, "vendor", info->vendor);
    json_add_i64(&w, "firmware_version_1", info->firmware_1);
    json_add_i64(&w, "firmware_version_2", info->firmware_2);
    json_add_cstr(&w, "spec_family", info->spec_family);
    json_add_i64(&w, "spec_revision", info->spec_revision);
    json_add_cstr(&w, "registration_id", info->registration_id);
    json_add_b64(&w, "endorsement_key", info->keys.ek, info->keys.ek_len);
    json_add_bool(&w, "endorsement_key_persistent", info->ek_persistent);
    json_add_hex(&w, "endorsement_key_name", info->ek_name, info->ek_name_len);
    json_add_b64(&w, "storage_root_key", info->keys.srk, info->keys.srk_len);
    json_add_bool(&w, "storage_root_key_persistent", info->srk_persistent);
    json_add_hex(&w, "storage_root_key_name", info->srk_name, info->srk_name_len);
    json_cert(&w, info);
    json_state(&w, info);
    enum edge_code code = json_enroll(&w, info);
    json_object_close(&w);
    if (code == EDGE_OK) {
        code = json_end(&w, err);
    }
    return code == EDGE_OK ? buf_append_byte(out, '\n', err) : code;
}
