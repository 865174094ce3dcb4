/* SPDX-License-Identifier: MIT */
/*
 * The record of contacts with the cloud.
 */
#include "provisioning/contact.h"

#include "base/checked.h"
#include "base/fs.h"
#include "base/json.h"
#include "provisioning/note.h"

#define CONTACT_VERSION 1

int64_t contact_wait_s(int64_t moment_wall_s, int64_t now_wall_s) {
    int64_t wait = 0;
    if (moment_wall_s == 0 || __builtin_sub_overflow(moment_wall_s, now_wall_s, &wait) ||
        wait <= 0) {
        return 0;
    }
    return wait > CONTACT_WAIT_MAX_S ? CONTACT_WAIT_MAX_S : wait;
}

enum edge_code contact_encode(const struct contact *c, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    struct buf json;
    buf_init(&json, CONTACT_SIZE_MAX);
    json_begin(&w, &json);
    json_object_open(&w, NULL);
    json_add_i64(&w, "version", CONTACT_VERSION);
    json_add_i64(&w, "not_before", c->not_before_wall_s);
    json_add_i64(&w, "floor", c->floor_wall_s);
    json_add_cstr(&w, "inputs", c->inputs);
    json_add_cstr(&w, "why", c->why);
    json_add_i64(&w, "failures", c->failures);
    json_add_bool(&w, "refused", c->refused);
    json_add_i64(&w, "last", c->last_wall_s);
    json_add_i64(&w, "last_ok", c->last_ok_wall_s);
    json_add_i64(&w, "last_error_at", c->last_error_wall_s);
    json_add_cstr(&w, "last_error", c->last_error);
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    if (code == EDGE_OK) {
        code = checked_seal(buf_slice(&json), out, err);
    }
    buf_clear(&json);
    return code;
}

static enum edge_code take_text(const struct cJSON *root, const char *name, char *dst, size_t size,
                                struct edge_error *err) {
    struct slice text = {0};
    enum edge_code code = json_get_opt_str(root, name, &text, err);
    if (code == EDGE_OK && !slice_to_array(text, dst, size)) {
        code = edge_set(err, EDGE_PARSE, "'%s' is too long", name);
    }
    return code;
}

static enum edge_code decode_numbers(const struct cJSON *root, struct contact *c,
                                     struct edge_error *err) {
    struct {
        const char *name;
        int64_t *value;
    } const members[] = {{"not_before", &c->not_before_wall_s},
                         {"floor", &c->floor_wall_s},
                         {"last", &c->last_wall_s},
                         {"last_ok", &c->last_ok_wall_s},
                         {"last_error_at", &c->last_error_wall_s}};
    int64_t failures = 0;
    enum edge_code code = EDGE_OK;
    for (size_t i = 0; code == EDGE_OK && i < EDGE_ARRAY_LEN(members); i++) {
        code = json_get_i64(root, members[i].name, members[i].value, err);
    }
    if (code == EDGE_OK) {
        code = json_get_i64(root, "failures", &failures, err);
    }
    if (code == EDGE_OK && (failures < 0 || failures > INT32_MAX)) {
        code = edge_set(err, EDGE_PARSE, "'failures' is out of range");
    }
    c->failures = (uint32_t)failures;
    return code;
}

enum edge_code contact_decode(struct slice text, struct contact *ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct contact c = {0};
    struct slice json;
    int64_t version = 0;
    enum edge_code code = checked_unseal(text, &json, err);
    if (code == EDGE_OK) {
        code = json_parse(json, &root, err);
    }
    if (code == EDGE_OK) {
        code = json_get_i64(root, "version", &version, err);
    }
    if (code == EDGE_OK && version != CONTACT_VERSION) {
        code = edge_set(err, EDGE_UNSUPPORTED, "written by another version (format %lld)",
                        (long long)version);
    }
    if (code == EDGE_OK) {
        code = decode_numbers(root, &c, err);
    }
    if (code == EDGE_OK) {
        code = json_get_bool(root, "refused", &c.refused, err);
    }
    if (code == EDGE_OK) {
        code = take_text(root, "why", c.why, sizeof(c.why), err);
    }
    if (code == EDGE_OK) {
        code = take_text(root, "inputs", c.inputs, sizeof(c.inputs), err);
    }
    if (code == EDGE_OK) {
        code = take_text(root, "last_error", c.last_error, sizeof(c.last_error), err);
    }
    if (code == EDGE_OK) {
        *ret = c;
    }
    return code == EDGE_NOT_FOUND ? EDGE_PARSE : code;
}

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    return contact_decode(text, ret, err);
}

enum edge_code contact_load(const char *dir, struct contact *ret, char *ret_note, size_t note_size,
                            struct edge_error *err) {
    struct contact c = {0};
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    ret_note[0] = '\0';
    enum edge_code code = fs_dir_open(dir, true, 0700, &dirfd, err);
    if (code == EDGE_OK) {
        code =
            note_read(dirfd, CONTACT_FILE, CONTACT_SIZE_MAX, decode, &c, ret_note, note_size, err);
    }
    if (code == EDGE_OK) {
        *ret = c;
    }
    return code;
}

enum edge_code contact_save(const char *dir, const struct contact *c, struct edge_error *err) {
    struct buf text;
    buf_init(&text, CONTACT_SIZE_MAX);
    enum edge_code code = contact_encode(c, &text, err);
    if (code == EDGE_OK) {
        code = checked_save(dir, CONTACT_FILE, buf_slice(&text), err);
    }
    buf_clear(&text);
    return code == EDGE_OK ? EDGE_OK : edge_wrap(err, code, "saving the time of the next contact");
}
