/* SPDX-License-Identifier: MIT */
/*
 * Keys that are given instead of assigned. Whether the store has a key already is seen by what both
 * sign: the store gives none out.
 */
#include "provisioning/key_import.h"

#include "base/mac.h"
#include "provisioning/note.h"

#include <string.h>

static const char test_text[] = "edged: is this the same key?";

enum edge_code key_import_target(const struct config_provisioning *c,
                                 char ret[KEY_LABEL_TARGET_MAX + 1], struct edge_error *err) {
    if (c->credential != CONFIG_CREDENTIAL_KEY) {
        return edge_set(err, EDGE_INVALID, "this form of provisioning uses no symmetric key");
    }
    if (c->source == CONFIG_SOURCE_MANUAL) {
        return key_label_target_hub(c->hub_hostname, c->device_id, ret, err);
    }
    return key_label_target_dps(c->scope_id, c->registration_id, ret, err);
}

/* Keys that cannot sign now are not the same: if the whole store is in trouble, the import that
 * follows says so. */
static bool signs_as(struct hsm *h, uint64_t generation, const uint8_t mac[HSM_MAC_LEN]) {
    uint8_t theirs[HSM_MAC_LEN];
    struct edge_error err;
    const struct slice text = {test_text, sizeof(test_text) - 1};
    const struct secret view = {theirs, sizeof(theirs)};
    bool same = hsm_identity_sign(h, generation, text, theirs, &err) == EDGE_OK &&
                secret_equal_bytes(&view, mac, HSM_MAC_LEN);
    secret_wipe(theirs, sizeof(theirs));
    return same;
}

static enum edge_code import(struct hsm *h, const struct key_label *label, const struct secret *key,
                             uint64_t *ret_generation, struct edge_error *err) {
    struct buf text;
    buf_init(&text, HSM_LABEL_MAX);
    enum edge_code code = key_label_encode(label, &text, err);
    if (code == EDGE_OK) {
        code = hsm_identity_import_key(h, key, buf_slice(&text), ret_generation, err);
    }
    buf_clear(&text);
    return code;
}

/* *ret_generation stays 0 when none signs as the key does. */
static enum edge_code find_same(struct hsm *h, const struct hsm_identity *keys, size_t cnt,
                                const char *target, const struct secret *key,
                                uint64_t *ret_generation, struct edge_error *err) {
    uint8_t mac[HSM_MAC_LEN];
    uint64_t g = 0;
    enum edge_code code =
        hmac_sha256(key->data, key->len, test_text, sizeof(test_text) - 1, mac, err);
    if (code == EDGE_OK) {
        code = key_label_find(keys, cnt, target, 0, &g, err);
    }
    while (code == EDGE_OK && g != 0 && !signs_as(h, g, mac)) {
        code = key_label_find(keys, cnt, target, g, &g, err);
    }
    secret_wipe(mac, sizeof(mac));
    if (code == EDGE_OK) {
        *ret_generation = g;
    }
    return code;
}

enum edge_code key_import_once(struct hsm *h, const struct key_label *label,
                               const struct secret *key, uint64_t *ret_generation,
                               struct edge_error *err) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    uint64_t g = 0;
    enum edge_code code = hsm_identity_list(h, keys, &cnt, err);
    if (code == EDGE_OK) {
        code = find_same(h, keys, cnt, label->target, key, &g, err);
    }
    if (code == EDGE_OK && g == 0) {
        code = import(h, label, key, &g, err);
    }
    if (code == EDGE_OK) {
        *ret_generation = g;
    }
    return code;
}

/* In doubt it is. */
static bool is_for(const struct hsm_identity *keys, size_t cnt, const char *target,
                   uint64_t generation) {
    struct key_label label;
    for (size_t i = 0; i < cnt; i++) {
        if (keys[i].generation == generation) {
            enum edge_code code = key_label_decode(slice_str(keys[i].label), &label, NULL);
            return code == EDGE_NOMEM || (code == EDGE_OK && strcmp(label.target, target) == 0);
        }
    }
    return false;
}

enum edge_code key_import_current(struct hsm *h, const char *target, uint64_t *generation,
                                  uint64_t *newest, struct edge_error *err) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    uint64_t g = 0;
    enum edge_code code = hsm_identity_list(h, keys, &cnt, err);
    if (code == EDGE_OK) {
        code = key_label_find(keys, cnt, target, 0, &g, err);
    }
    if (code == EDGE_OK && g == 0) {
        code = edge_set(err, EDGE_CONFIG,
                        "config.yaml holds no key for '%.120s' and none was imported; give it "
                        "to 'iotedge tpm import-key'",
                        target);
    }
    if (code != EDGE_OK) {
        return code;
    }
    if ((*newest != 0 && g > *newest) || !is_for(keys, cnt, target, *generation)) {
        *generation = g;
    }
    *newest = g;
    return EDGE_OK;
}

enum edge_code key_import_ensure(struct hsm *h, const char *target, const struct secret *key,
                                 int64_t now_wall_s, uint64_t *ret_generation,
                                 struct edge_error *err) {
    struct key_label label = {.since_wall_s = now_wall_s};
    if (key->len == 0) {
        uint64_t g = 0, newest = 0;
        enum edge_code found = key_import_current(h, target, &g, &newest, err);
        *ret_generation = found == EDGE_OK ? g : *ret_generation;
        return found;
    }
    if (!slice_to_array(slice_str(target), label.target, sizeof(label.target))) {
        return edge_set(err, EDGE_RANGE, "the target of a key is too long");
    }
    enum edge_code code = key_import_once(h, &label, key, ret_generation, err);
    return code == EDGE_OK ? EDGE_OK : edge_wrap(err, code, "importing the key of config.yaml");
}

/* An imported key that the proven current one, of the same target, has replaced. */
static bool is_replaced(const struct hsm_identity *keys, size_t cnt, const struct state *s,
                        uint64_t generation, const struct key_label *label) {
    struct key_label current;
    if (!s->has_current || !s->current.proven || generation >= s->current.key_generation) {
        return false;
    }
    for (size_t i = 0; i < cnt; i++) {
        if (keys[i].generation == s->current.key_generation) {
            return key_label_decode(slice_str(keys[i].label), &current, NULL) == EDGE_OK &&
                   strcmp(current.target, label->target) == 0;
        }
    }
    return false;
}

void key_import_drop_unused(struct hsm *h, const struct state *s, char *note, size_t note_size) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    if (hsm_identity_list(h, keys, &cnt, NULL) != EDGE_OK) {
        return;
    }
    for (size_t i = 0; i < cnt; i++) {
        struct key_label label;
        struct edge_error err;
        uint64_t g = keys[i].generation;
        if (state_uses(s, g)) {
            continue;
        }
        enum edge_code kind = key_label_decode(slice_str(keys[i].label), &label, NULL);
        bool keep = kind == EDGE_NOMEM ||
                    (kind == EDGE_OK && !label.is_service && !is_replaced(keys, cnt, s, g, &label));
        if (!keep && hsm_identity_drop(h, g, &err) != EDGE_OK) {
            note_add(note, note_size, "an unused key stays: ", edge_error_text(&err));
        }
    }
}
