/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes the state file, which has no checksum. Losing it costs one round of updates that
 * change nothing, so a damaged one is set aside and treated as absent.
 */
#include "identity/reconcile_state.h"

#include "base/b64.h"
#include "base/checked.h"
#include "base/json.h"
#include "identity/reconcile.h"

#include <string.h>

#define STATE_VERSION 1

bool reconcile_state_eq(const struct reconcile_state *a, const struct reconcile_state *b) {
    return strcmp(a->hub, b->hub) == 0 && strcmp(a->device_id, b->device_id) == 0 &&
           memcmp(a->root, b->root, sizeof(a->root)) == 0;
}

enum edge_code reconcile_state_format(const struct reconcile_state *state, struct buf *out,
                                      struct edge_error *err) {
    struct buf root;
    buf_init(&root, 2 * sizeof(state->root));
    enum edge_code code = hex_encode(state->root, sizeof(state->root), &root, err);
    if (code == EDGE_OK) {
        struct json_writer w;
        json_begin(&w, out);
        json_object_open(&w, NULL);
        json_add_i64(&w, "version", STATE_VERSION);
        json_add_cstr(&w, "hub", state->hub);
        json_add_cstr(&w, "deviceId", state->device_id);
        json_add_str(&w, "root", buf_slice(&root));
        json_object_close(&w);
        code = json_end(&w, err);
    }
    buf_clear(&root);
    return code;
}

static enum edge_code parse_root(struct slice text, uint8_t ret[HSM_FINGERPRINT_LEN],
                                 struct edge_error *err) {
    struct buf root;
    buf_init(&root, HSM_FINGERPRINT_LEN);
    enum edge_code code = hex_decode(text, &root, err);
    if (code == EDGE_OK && root.len != HSM_FINGERPRINT_LEN) {
        code = edge_set(err, EDGE_PARSE, "root is not %d bytes", HSM_FINGERPRINT_LEN);
    }
    if (code == EDGE_OK) {
        memcpy(ret, root.data, HSM_FINGERPRINT_LEN);
    }
    buf_clear(&root);
    return code;
}

enum edge_code reconcile_state_parse(struct slice text, struct reconcile_state *ret,
                                     struct edge_error *err) {
    struct cJSON *json EDGE_CLEANUP(json_cleanup) = NULL;
    struct reconcile_state state = {0};
    struct slice hub;
    struct slice device;
    struct slice root;
    int64_t version;
    enum edge_code code = json_parse(text, &json, err);
    if (code == EDGE_OK) {
        code = json_get_i64(json, "version", &version, err);
    }
    if (code == EDGE_OK && version != STATE_VERSION) {
        code = edge_set(err, EDGE_UNSUPPORTED, "version %lld of the file is not known",
                        (long long)version);
    }
    if (code == EDGE_OK) {
        code = json_get_str(json, "hub", &hub, err);
    }
    if (code == EDGE_OK) {
        code = json_get_str(json, "deviceId", &device, err);
    }
    if (code == EDGE_OK) {
        code = json_get_str(json, "root", &root, err);
    }
    if (code == EDGE_OK) {
        code = parse_root(root, state.root, err);
    }
    if (code == EDGE_OK && (!slice_to_array(hub, state.hub, sizeof(state.hub)) ||
                            !slice_to_array(device, state.device_id, sizeof(state.device_id)))) {
        code = edge_set(err, EDGE_RANGE, "hub or deviceId is too long");
    }
    if (code == EDGE_OK) {
        *ret = state;
    }
    return code;
}

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    enum edge_code code = reconcile_state_parse(text, ret, err);
    return code == EDGE_NOT_FOUND ? EDGE_PARSE : code;
}

enum edge_code reconcile_state_load(const char *dir, struct reconcile_state *ret,
                                    struct edge_error *err) {
    return checked_load(dir, RECONCILE_FILE, RECONCILE_STATE_MAX, decode, ret, err);
}

enum edge_code reconcile_state_save(const char *dir, const struct reconcile_state *state,
                                    struct edge_error *err) {
    struct buf text;
    buf_init(&text, RECONCILE_STATE_MAX);
    enum edge_code code = reconcile_state_format(state, &text, err);
    if (code == EDGE_OK) {
        code = checked_save(dir, RECONCILE_FILE, buf_slice(&text), err);
    }
    buf_clear(&text);
    return code;
}
