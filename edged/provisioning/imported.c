/* SPDX-License-Identifier: MIT */
/*
 * Imported keys by target. The label is what makes a key one of ours to remove: keys that a
 * provisioning service gave the device carry labels of another kind and are left alone.
 */
#include "provisioning/imported.h"

#include "base/buf.h"
#include "cloud/text.h"

#include <stdlib.h>
#include <string.h>

#define HUB_PREFIX "hub:"
#define DPS_PREFIX "dps:"

static struct slice after(struct slice s, const char *prefix) {
    size_t len = strlen(prefix);
    return slice_make(s.ptr + len, s.len - len);
}

/* Neither a host name nor an ID scope holds a '/'. */
static bool split(struct slice pair, char first[TEXT_HOST_MAX + 8], char second[TEXT_ID_MAX + 1]) {
    struct slice head, rest;
    return slice_cut(pair, '/', &head, &rest) && slice_to_array(head, first, TEXT_HOST_MAX + 8) &&
           slice_to_array(rest, second, TEXT_ID_MAX + 1);
}

enum edge_code imported_target(struct slice text, char ret[KEY_LABEL_TARGET_MAX + 1],
                               struct edge_error *err) {
    char first[TEXT_HOST_MAX + 8], second[TEXT_ID_MAX + 1];
    if (slice_starts_with(text, HUB_PREFIX) && split(after(text, HUB_PREFIX), first, second) &&
        text_is_host_port(slice_str(first)) && text_is_id(slice_str(second))) {
        return key_label_target_hub(first, second, ret, err);
    }
    if (slice_starts_with(text, DPS_PREFIX) && split(after(text, DPS_PREFIX), first, second) &&
        text_is_token(slice_str(first), TEXT_ID_MAX) && text_is_id(slice_str(second))) {
        return key_label_target_dps(first, second, ret, err);
    }
    return edge_set(err, EDGE_INVALID,
                    "a key's target is 'hub:HOST/DEVICE' or 'dps:SCOPE/REGISTRATION'");
}

static enum edge_code check_room(struct hsm *h, struct edge_error *err) {
    struct hsm_identity *keys EDGE_CLEANUP(edge_cleanup_free) =
        calloc(HSM_IDENTITY_MAX, sizeof(*keys));
    size_t cnt = 0;
    if (keys == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    enum edge_code code = hsm_identity_list(h, keys, &cnt, err);
    if (code == EDGE_OK && cnt >= HSM_IDENTITY_MAX - IMPORTED_ROOM) {
        code = edge_set(err, EDGE_RANGE, "%zu keys are kept already", cnt);
    }
    return code;
}

enum edge_code imported_add(struct hsm *h, const char *target, const struct secret *key,
                            int64_t since_wall_s, uint64_t *ret_generation,
                            struct edge_error *err) {
    struct key_label label = {.since_wall_s = since_wall_s};
    struct buf text;
    if (!slice_to_array(slice_str(target), label.target, sizeof(label.target))) {
        return edge_set(err, EDGE_RANGE, "the key's target is too long");
    }
    buf_init(&text, HSM_LABEL_MAX);
    enum edge_code code = key_label_encode(&label, &text, err);
    if (code == EDGE_OK) {
        code = check_room(h, err);
    }
    if (code == EDGE_OK) {
        code = hsm_identity_import_key(h, key, buf_slice(&text), ret_generation, err);
    }
    if (code == EDGE_RANGE) {
        code = edge_wrap(err, code,
                         "importing a key (remove one with 'iotedge tpm remove-key' first)");
    }
    buf_clear(&text);
    return code;
}

static enum edge_code remove_from(struct hsm *h, const struct hsm_identity *keys, size_t cnt,
                                  const char *target, unsigned *ret_cnt, struct edge_error *err) {
    unsigned removed = 0;
    for (size_t i = 0; i < cnt; i++) {
        struct key_label label;
        enum edge_code code = key_label_decode(slice_str(keys[i].label), &label, err);
        if (code == EDGE_PARSE || (code == EDGE_OK && strcmp(label.target, target) != 0)) {
            continue;
        }
        if (code == EDGE_OK) {
            code = hsm_identity_drop(h, keys[i].generation, err);
        }
        if (code != EDGE_OK) {
            return code;
        }
        removed++;
    }
    if (removed == 0) {
        return edge_set(err, EDGE_NOT_FOUND, "no key was imported for '%.200s'", target);
    }
    *ret_cnt = removed;
    return EDGE_OK;
}

enum edge_code imported_remove(struct hsm *h, const char *target, unsigned *ret_cnt,
                               struct edge_error *err) {
    struct hsm_identity *keys EDGE_CLEANUP(edge_cleanup_free) =
        calloc(HSM_IDENTITY_MAX, sizeof(*keys));
    size_t cnt = 0;
    if (keys == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    enum edge_code code = hsm_identity_list(h, keys, &cnt, err);
    return code == EDGE_OK ? remove_from(h, keys, cnt, target, ret_cnt, err) : code;
}
