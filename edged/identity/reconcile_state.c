/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes the state file. Losing it costs one round of updates that change nothing, so a
 * damaged one is set aside and treated as absent.
 */
#include "identity/reconcile_state.h"

#include "base/b64.h"
#include "base/fs.h"
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

enum edge_code reconcile_state_load(const char *dir, struct reconcile_state *ret,
                                    char ret_aside[128], struct edge_error *err) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    struct buf text;
    buf_init(&text, RECONCILE_STATE_MAX);
    enum edge_code code = fs_dir_open(dir, false, 0700, &fd, err);
    if (code == EDGE_OK) {
        code = fs_read_private(fd, RECONCILE_FILE, &text, err);
    }
    if (code == EDGE_OK) {
        code = reconcile_state_parse(buf_slice(&text), ret, err);
        if (code != EDGE_OK && code != EDGE_NOMEM) {
            struct edge_error aside_err = {0};
            ret_aside[0] = '\0';
            if (fs_set_aside(fd, RECONCILE_FILE, ret_aside, 128, &aside_err) != EDGE_OK) {
                ret_aside[0] = '\0';
            }
            code = edge_set(err, EDGE_PARSE, "file '" RECONCILE_FILE "' is damaged");
        }
    }
    buf_clear(&text);
    return code;
}

enum edge_code reconcile_state_save(const char *dir, const struct reconcile_state *state,
                                    struct edge_error *err) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    struct buf text;
    buf_init(&text, RECONCILE_STATE_MAX);
    enum edge_code code = reconcile_state_format(state, &text, err);
    if (code == EDGE_OK) {
        code = fs_dir_open(dir, true, 0700, &fd, err);
    }
    if (code == EDGE_OK) {
        code = fs_write_atomic(fd, RECONCILE_FILE, buf_slice(&text), err);
    }
    buf_clear(&text);
    return code;
}
