/* SPDX-License-Identifier: MIT */
/*
 * Labels of imported keys and the names of what they are for.
 */
#include "provisioning/key_label.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define KIND "imported"

static enum edge_code make_target(const char *kind, const char *a, const char *b,
                                  char ret[KEY_LABEL_TARGET_MAX + 1], struct edge_error *err) {
    char text[KEY_LABEL_TARGET_MAX + 1];
    if (a == NULL || b == NULL || a[0] == '\0' || b[0] == '\0') {
        return edge_set(err, EDGE_INVALID, "the target of a key has an empty part");
    }
    int len = snprintf(text, sizeof(text), "%s:%s/%s", kind, a, b);
    if (len < 0 || (size_t)len >= sizeof(text)) {
        return edge_set(err, EDGE_RANGE, "the target of a key is longer than %d bytes",
                        KEY_LABEL_TARGET_MAX);
    }
    memcpy(ret, text, sizeof(text));
    return EDGE_OK;
}

enum edge_code key_label_target_hub(const char *host, const char *device_id,
                                    char ret[KEY_LABEL_TARGET_MAX + 1], struct edge_error *err) {
    enum edge_code code = make_target("hub", host, device_id, ret, err);
    for (size_t i = 0; code == EDGE_OK && ret[i] != '\0' && ret[i] != '/'; i++) {
        ret[i] = slice_lower(ret[i]);
    }
    return code;
}

enum edge_code key_label_target_dps(const char *scope_id, const char *registration_id,
                                    char ret[KEY_LABEL_TARGET_MAX + 1], struct edge_error *err) {
    return make_target("dps", scope_id, registration_id, ret, err);
}

enum edge_code key_label_encode(const struct key_label *l, struct buf *out,
                                struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "kind", KIND);
    json_add_cstr(&w, "target", l->target);
    json_add_i64(&w, "since", l->since_wall_s);
    if (l->is_service) {
        json_add_bool(&w, "service", true);
    }
    json_object_close(&w);
    return json_end(&w, err);
}

enum edge_code key_label_decode(struct slice text, struct key_label *ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct key_label l = {0};
    struct slice kind = {0}, target = {0};
    enum edge_code code = json_parse(text, &root, err);
    if (code == EDGE_OK) {
        code = json_get_str(root, "kind", &kind, err);
    }
    if (code == EDGE_OK && !slice_eq_str(kind, KIND)) {
        code = edge_set(err, EDGE_PARSE, "not the label of an imported key");
    }
    if (code == EDGE_OK) {
        code = json_get_str(root, "target", &target, err);
    }
    if (code == EDGE_OK &&
        (target.len == 0 || !slice_to_array(target, l.target, sizeof(l.target)))) {
        code = edge_set(err, EDGE_PARSE, "'target' is empty or too long");
    }
    if (code == EDGE_OK) {
        code = json_get_i64(root, "since", &l.since_wall_s, err);
    }
    if (code == EDGE_OK) {
        code = json_get_bool(root, "service", &l.is_service, err);
        code = code == EDGE_NOT_FOUND ? EDGE_OK : code;
    }
    if (code == EDGE_OK) {
        *ret = l;
        return EDGE_OK;
    }
    return code == EDGE_NOMEM ? EDGE_NOMEM : EDGE_PARSE;
}

enum edge_code key_label_find(const struct hsm_identity *keys, size_t cnt, const char *target,
                              uint64_t before, uint64_t *ret_generation, struct edge_error *err) {
    uint64_t found = 0;
    for (size_t i = 0; i < cnt; i++) {
        struct key_label l;
        uint64_t g = keys[i].generation;
        if (g <= found || (before != 0 && g >= before)) {
            continue;
        }
        enum edge_code code = key_label_decode(slice_str(keys[i].label), &l, err);
        if (code == EDGE_NOMEM) {
            return code;
        }
        if (code == EDGE_OK && strcmp(l.target, target) == 0) {
            found = g;
        }
    }
    edge_error_clear(err);
    *ret_generation = found;
    return EDGE_OK;
}
