/* SPDX-License-Identifier: MIT */
/*
 * Reading, completing and writing the saved provisioning result.
 *
 * The key file is the real commit point: it is durable before anything refers to it, and its label
 * says for which hub and device it is. The state file adds which of the keys has been accepted by
 * the hub. Losing it loses no identity.
 */
#include "provisioning/state.h"

#include "base/b64.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mac.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define STATE_VERSION 1
#define DIGEST_LEN    (SHA256_LEN * 2)

static void encode_result(struct json_writer *w, const char *name,
                          const struct provisioning_result *r) {
    json_object_open(w, name);
    json_add_cstr(w, "hub", r->hub);
    json_add_cstr(w, "device_id", r->device_id);
    json_add_i64(w, "key_generation", (int64_t)r->key_generation);
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

static enum edge_code decode_result(const struct cJSON *obj, struct provisioning_result *ret,
                                    struct edge_error *err) {
    struct provisioning_result r = {0};
    int64_t generation = 0;
    enum edge_code code = take_text(obj, "hub", r.hub, sizeof(r.hub), err);
    if (code == EDGE_OK) {
        code = take_text(obj, "device_id", r.device_id, sizeof(r.device_id), err);
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
    uint8_t digest[SHA256_LEN];
    struct buf json;
    buf_init(&json, STATE_SIZE_MAX);
    enum edge_code code = encode_json(s, &json, err);
    if (code == EDGE_OK) {
        code = sha256(json.data, json.len, digest, err);
    }
    if (code == EDGE_OK) {
        code = hex_encode(digest, sizeof(digest), out, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_byte(out, '\n', err);
    }
    if (code == EDGE_OK) {
        code = buf_append_slice(out, buf_slice(&json), err);
    }
    if (code == EDGE_OK) {
        code = buf_append_byte(out, '\n', err);
    }
    buf_clear(&json);
    return code;
}

static enum edge_code check_digest(struct slice json, struct slice hex, struct edge_error *err) {
    uint8_t digest[SHA256_LEN];
    struct buf text;
    buf_init(&text, DIGEST_LEN);
    enum edge_code code = sha256(json.ptr, json.len, digest, err);
    if (code == EDGE_OK) {
        code = hex_encode(digest, sizeof(digest), &text, err);
    }
    if (code == EDGE_OK && !slice_eq(buf_slice(&text), hex)) {
        code = edge_set(err, EDGE_PARSE, "the checksum does not fit the content");
    }
    buf_clear(&text);
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

static enum edge_code decode_json(struct slice json, struct state *ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice inputs;
    int64_t version = 0;
    enum edge_code code = json_parse(json, &root, err);
    if (code == EDGE_OK) {
        code = json_get_i64(root, "version", &version, err);
    }
    if (code == EDGE_OK && version != STATE_VERSION) {
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
    return code;
}

enum edge_code state_decode(struct slice text, struct state *ret, struct edge_error *err) {
    struct slice hex, json;
    struct state s = {0};
    if (!slice_cut(text, '\n', &hex, &json)) {
        return edge_set(err, EDGE_PARSE, "the file is cut short");
    }
    if (slice_ends_with(json, "\n")) {
        json.len--;
    }
    enum edge_code code = check_digest(json, hex, err);
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
}

static void note_add(char *note, size_t size, const char *text, const char *detail) {
    size_t used = strlen(note);
    (void)snprintf(note + used, size - used, "%s%s%s", used > 0 ? "; " : "", text, detail);
}

/* Other failures, such as lack of memory, say nothing of the file. */
static bool is_damage(enum edge_code code) {
    return code == EDGE_PARSE || code == EDGE_RANGE || code == EDGE_UNSUPPORTED;
}

static enum edge_code set_aside(int dirfd, const char *why, char *note, size_t note_size,
                                struct edge_error *err) {
    char aside[128] = "";
    note_add(note, note_size, "the saved state is damaged: ", why);
    enum edge_code code = fs_set_aside(dirfd, STATE_FILE, aside, sizeof(aside), err);
    note_add(note, note_size, "kept as ", aside);
    return code;
}

static enum edge_code read_file(int dirfd, struct state *s, char *note, size_t note_size,
                                struct edge_error *err) {
    struct edge_error why;
    struct buf text;
    buf_init(&text, STATE_SIZE_MAX);
    enum edge_code code = fs_read_private(dirfd, STATE_FILE, &text, &why);
    if (code == EDGE_OK) {
        code = state_decode(buf_slice(&text), s, &why);
    }
    buf_clear(&text);
    if (code == EDGE_NOT_FOUND) {
        return EDGE_OK;
    }
    if (is_damage(code)) {
        return set_aside(dirfd, why.text, note, note_size, err);
    }
    return code == EDGE_OK ? EDGE_OK : edge_set(err, code, "reading the saved state: %s", why.text);
}

static bool has_generation(const struct hsm_identity *keys, size_t cnt, uint64_t generation) {
    for (size_t i = 0; i < cnt; i++) {
        if (keys[i].generation == generation) {
            return true;
        }
    }
    return false;
}

/* Takes over the identity of a key that is newer than the saved result. Keys with labels that are
 * not ours are left alone. Errors: NOMEM only, for a key that is passed over would be dropped as
 * unused. */
static enum edge_code roll_forward(struct state *s, const struct hsm_identity *key, char *note,
                                   size_t note_size, struct edge_error *err) {
    struct provisioning_result r;
    char inputs[STATE_INPUT_LEN];
    if (s->has_current && key->generation <= s->current.key_generation) {
        return EDGE_OK;
    }
    enum edge_code code = state_label_decode(slice_str(key->label), &r, inputs, err);
    if (code != EDGE_OK) {
        return is_damage(code) ? EDGE_OK : code;
    }
    r.key_generation = key->generation;
    state_advance(s, &r);
    memcpy(s->inputs, inputs, sizeof(inputs));
    note_add(note, note_size, "completed an interrupted change of identity to hub ", r.hub);
    return EDGE_OK;
}

/* Squares the saved result with the keys that exist. */
static enum edge_code complete(struct state *s, const struct hsm_identity *keys, size_t cnt,
                               char *note, size_t note_size, struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    if (s->has_previous && !has_generation(keys, cnt, s->previous.key_generation)) {
        s->has_previous = false;
    }
    if (s->has_current && !has_generation(keys, cnt, s->current.key_generation)) {
        note_add(note, note_size, "the key of the saved identity is gone", "");
        s->has_current = s->has_previous;
        s->current = s->previous;
        s->has_previous = false;
    }
    for (size_t i = 0; code == EDGE_OK && i < cnt; i++) {
        code = roll_forward(s, &keys[i], note, note_size, err);
    }
    return code;
}

enum edge_code state_load(const char *dir, struct hsm *h, struct state *ret, char *ret_note,
                          size_t note_size, struct edge_error *err) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    struct state s = {0};
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;

    ret_note[0] = '\0';
    enum edge_code code = fs_dir_open(dir, true, 0700, &dirfd, err);
    if (code == EDGE_OK) {
        fs_sweep(dirfd);
        code = read_file(dirfd, &s, ret_note, note_size, err);
    }
    if (code == EDGE_OK) {
        code = hsm_identity_list(h, keys, &cnt, err);
    }
    if (code == EDGE_OK) {
        code = complete(&s, keys, cnt, ret_note, note_size, err);
    }
    if (code == EDGE_OK) {
        *ret = s;
    }
    return code;
}

enum edge_code state_save(const char *dir, const struct state *s, struct edge_error *err) {
    struct buf text;
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    buf_init(&text, STATE_SIZE_MAX);
    enum edge_code code = state_encode(s, &text, err);
    if (code == EDGE_OK) {
        code = fs_dir_open(dir, true, 0700, &dirfd, err);
    }
    if (code == EDGE_OK) {
        code = fs_write_atomic(dirfd, STATE_FILE, buf_slice(&text), err);
    }
    buf_clear(&text);
    return code == EDGE_OK ? EDGE_OK : edge_wrap(err, code, "saving the provisioning state");
}
