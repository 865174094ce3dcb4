/* SPDX-License-Identifier: MIT */
/*
 * The saved provisioning result as text, and what is decided by looking at it alone. Pure.
 */
#include "base/checked.h"
#include "base/json.h"
#include "provisioning/state.h"

#include <string.h>

#define STATE_VERSION 2
#define KEY           "key"
#define CERT          "certificate"

static void encode_result(struct json_writer *w, const char *name,
                          const struct provisioning_result *r) {
    json_object_open(w, name);
    json_add_cstr(w, "hub", r->hub);
    json_add_cstr(w, "device_id", r->device_id);
    json_add_cstr(w, "credential", r->credential == PROVISIONING_CERT ? CERT : KEY);
    json_add_i64(w, "key_generation", (int64_t)r->key_generation);
    if (r->cert_path[0] != '\0') {
        json_add_cstr(w, "cert", r->cert_path);
        json_add_cstr(w, "pk", r->pk_path);
    }
    json_add_i64(w, "since", r->since_wall_s);
    json_add_bool(w, "proven", r->proven);
    json_object_close(w);
}

/* Text into a fixed array; absent, empty or over-long text is PARSE. */
static enum edge_code take_text(const struct cJSON *obj, const char *name, char *dst, size_t size,
                                struct edge_error *err) {
    struct slice text;
    enum edge_code code = json_get_str(obj, name, &text, err);
    if (code == EDGE_NOT_FOUND) {
        return edge_set(err, EDGE_PARSE, "'%s' is missing", name);
    }
    if (code == EDGE_OK && (text.len == 0 || !slice_to_array(text, dst, size))) {
        return edge_set(err, EDGE_PARSE, "'%s' is empty or longer than %zu bytes", name, size - 1);
    }
    return code;
}

/* What format 1 does not have: without it the credential is a key. */
static enum edge_code decode_credential(const struct cJSON *obj, struct provisioning_result *r,
                                        struct edge_error *err) {
    struct slice kind = {0}, cert = {0}, pk = {0};
    enum edge_code code = json_get_opt_str(obj, "credential", &kind, err);
    if (code == EDGE_OK) {
        code = json_get_opt_str(obj, "cert", &cert, err);
    }
    if (code == EDGE_OK) {
        code = json_get_opt_str(obj, "pk", &pk, err);
    }
    if (code == EDGE_OK && (!slice_to_array(cert, r->cert_path, sizeof(r->cert_path)) ||
                            !slice_to_array(pk, r->pk_path, sizeof(r->pk_path)))) {
        code = edge_set(err, EDGE_PARSE, "'cert' or 'pk' is too long");
    }
    if (code == EDGE_OK && kind.len > 0 && !slice_eq_str(kind, KEY) && !slice_eq_str(kind, CERT)) {
        code = edge_set(err, EDGE_PARSE, "'credential' is unknown");
    }
    if (code == EDGE_OK) {
        r->credential = slice_eq_str(kind, CERT) ? PROVISIONING_CERT : PROVISIONING_KEY;
    }
    return code;
}

static enum edge_code decode_result(const struct cJSON *obj, struct provisioning_result *ret,
                                    struct edge_error *err) {
    struct provisioning_result r = {0};
    int64_t generation = 0;
    enum edge_code code = take_text(obj, "hub", r.hub, sizeof(r.hub), err);
    if (code == EDGE_OK) {
        code = take_text(obj, "device_id", r.device_id, sizeof(r.device_id), err);
    }
    if (code == EDGE_OK) {
        code = decode_credential(obj, &r, err);
    }
    if (code == EDGE_OK) {
        code = json_get_i64(obj, "key_generation", &generation, err);
    }
    if (code == EDGE_OK) {
        code = json_get_i64(obj, "since", &r.since_wall_s, err);
    }
    if (code == EDGE_OK) {
        code = json_get_bool(obj, "proven", &r.proven, err);
    }
    if (code == EDGE_OK && generation < 0) {
        code = edge_set(err, EDGE_PARSE, "'key_generation' is negative");
    }
    if (code == EDGE_OK) {
        r.key_generation = (uint64_t)generation;
        *ret = r;
    }
    return code;
}

static enum edge_code encode_json(const struct state *s, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_i64(&w, "version", STATE_VERSION);
    json_add_cstr(&w, "inputs", s->inputs);
    json_add_i64(&w, "seen", (int64_t)s->seen);
    json_add_i64(&w, "legacy_root", (int64_t)s->legacy_root);
    if (s->has_current) {
        encode_result(&w, "current", &s->current);
    }
    if (s->has_previous) {
        encode_result(&w, "previous", &s->previous);
    }
    json_object_close(&w);
    return json_end(&w, err);
}

enum edge_code state_encode(const struct state *s, struct buf *out, struct edge_error *err) {
    struct buf json;
    buf_init(&json, STATE_SIZE_MAX);
    enum edge_code code = encode_json(s, &json, err);
    if (code == EDGE_OK) {
        code = checked_seal(buf_slice(&json), out, err);
    }
    buf_clear(&json);
    return code;
}

/* A member that may be absent. */
static enum edge_code decode_opt(const struct cJSON *root, const char *name, bool *ret_has,
                                 struct provisioning_result *ret, struct edge_error *err) {
    const struct cJSON *obj;
    enum edge_code code = json_get_object(root, name, &obj, err);
    if (code == EDGE_NOT_FOUND) {
        *ret_has = false;
        return EDGE_OK;
    }
    if (code == EDGE_OK) {
        code = decode_result(obj, ret, err);
    }
    *ret_has = code == EDGE_OK;
    return code;
}

/* A key generation of format 2; 0 when it is absent. */
static enum edge_code decode_generation(const struct cJSON *root, const char *name, uint64_t *ret,
                                        struct edge_error *err) {
    int64_t value = 0;
    enum edge_code code = json_get_i64(root, name, &value, err);
    if (code == EDGE_NOT_FOUND) {
        code = EDGE_OK;
    }
    if (code == EDGE_OK && value < 0) {
        code = edge_set(err, EDGE_PARSE, "'%s' is negative", name);
    }
    if (code == EDGE_OK) {
        *ret = (uint64_t)value;
    }
    return code;
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static enum edge_code decode_json(struct slice json, struct state *ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice inputs;
    int64_t version = 0;
    enum edge_code code = json_parse(json, &root, err);
    if (code == EDGE_OK) {
        code = json_get_i64(root, "version", &version, err);
    }
    if (code == EDGE_OK && (version < 1 || version > STATE_VERSION)) {
        return edge_set(err, EDGE_UNSUPPORTED, "written by another version (format %lld)",
                        (long long)version);
    }
    if (code == EDGE_OK) {
        code = json_get_opt_str(root, "inputs", &inputs, err);
    }
    if (code == EDGE_OK && !slice_to_array(inputs, ret->inputs, sizeof(ret->inputs))) {
        code = edge_set(err, EDGE_PARSE, "'inputs' is too long");
    }
    if (code == EDGE_OK) {
        code = decode_opt(root, "current", &ret->has_current, &ret->current, err);
    }
    if (code == EDGE_OK) {
        code = decode_opt(root, "previous", &ret->has_previous, &ret->previous, err);
    }
    if (code == EDGE_OK) {
        code = decode_generation(root, "seen", &ret->seen, err);
    }
    if (code == EDGE_OK) {
        code = decode_generation(root, "legacy_root", &ret->legacy_root, err);
    }
    if (code == EDGE_OK) {
        ret->seen = later(ret->seen, ret->current.key_generation);
    }
    return code;
}

enum edge_code state_decode(struct slice text, struct state *ret, struct edge_error *err) {
    struct slice json;
    struct state s = {0};
    enum edge_code code = checked_unseal(text, &json, err);
    if (code == EDGE_OK) {
        code = decode_json(json, &s, err);
    }
    if (code == EDGE_OK) {
        *ret = s;
    }
    return code == EDGE_NOT_FOUND ? EDGE_PARSE : code;
}

enum edge_code state_label_encode(const struct provisioning_result *r, const char *inputs,
                                  struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "hub", r->hub);
    json_add_cstr(&w, "device_id", r->device_id);
    json_add_i64(&w, "since", r->since_wall_s);
    json_add_cstr(&w, "inputs", inputs);
    json_object_close(&w);
    return json_end(&w, err);
}

enum edge_code state_label_decode(struct slice label, struct provisioning_result *ret,
                                  char ret_inputs[STATE_INPUT_LEN], struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct provisioning_result r = {0};
    char inputs[STATE_INPUT_LEN] = "";
    struct slice text = {0};
    enum edge_code code = json_parse(label, &root, err);
    if (code == EDGE_OK) {
        code = take_text(root, "hub", r.hub, sizeof(r.hub), err);
    }
    if (code == EDGE_OK) {
        code = take_text(root, "device_id", r.device_id, sizeof(r.device_id), err);
    }
    if (code == EDGE_OK) {
        code = json_get_i64(root, "since", &r.since_wall_s, err);
    }
    if (code == EDGE_OK) {
        code = json_get_opt_str(root, "inputs", &text, err);
    }
    if (code == EDGE_OK && !slice_to_array(text, inputs, sizeof(inputs))) {
        code = edge_set(err, EDGE_PARSE, "'inputs' is too long");
    }
    if (code == EDGE_OK) {
        *ret = r;
        memcpy(ret_inputs, inputs, sizeof(inputs));
    }
    return code == EDGE_NOT_FOUND ? EDGE_PARSE : code;
}

void state_advance(struct state *s, const struct provisioning_result *r) {
    if (s->has_current && s->current.proven) {
        s->previous = s->current;
        s->has_previous = true;
    }
    s->current = *r;
    s->has_current = true;
    s->seen = later(s->seen, r->key_generation);
}

bool state_uses(const struct state *s, uint64_t generation) {
    return generation != 0 && ((s->has_current && generation == s->current.key_generation) ||
                               (s->has_previous && generation == s->previous.key_generation) ||
                               generation == s->legacy_root);
}

bool state_is_same(const struct provisioning_result *a, const struct provisioning_result *b) {
    return strcmp(a->hub, b->hub) == 0 && strcmp(a->device_id, b->device_id) == 0 &&
           a->credential == b->credential && a->key_generation == b->key_generation &&
           strcmp(a->cert_path, b->cert_path) == 0 && strcmp(a->pk_path, b->pk_path) == 0;
}
