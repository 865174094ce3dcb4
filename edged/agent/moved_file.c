/* SPDX-License-Identifier: MIT */
/*
 * A checked file of three lines: the version, the hub, the device id.
 */
#include "agent/moved_file.h"

#include "base/checked.h"

#include <string.h>

#define FILE_HEAD "edged containers 1"

bool moved_identity_make(struct slice hub, struct slice device_id, struct moved_identity *ret) {
    struct moved_identity id;
    if (hub.len == 0 || device_id.len == 0 || slice_find(hub, '\n') >= 0 ||
        slice_find(device_id, '\n') >= 0 || !slice_to_array(hub, id.hub, sizeof(id.hub)) ||
        !slice_to_array(device_id, id.device_id, sizeof(id.device_id))) {
        return false;
    }
    *ret = id;
    return true;
}

bool moved_identity_eq(const struct moved_identity *a, const struct moved_identity *b) {
    return slice_eq_nocase(slice_str(a->hub), b->hub) && strcmp(a->device_id, b->device_id) == 0;
}

enum edge_code moved_file_encode(const struct moved_identity *id, struct buf *out,
                                 struct edge_error *err) {
    struct buf body EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&body, MOVED_FILE_MAX);
    enum edge_code code = buf_printf(&body, err, FILE_HEAD "\n%s\n%s", id->hub, id->device_id);
    return code == EDGE_OK ? checked_seal(buf_slice(&body), out, err) : code;
}

enum edge_code moved_file_decode(struct slice text, struct moved_identity *ret,
                                 struct edge_error *err) {
    struct slice body, head, hub, device_id;
    enum edge_code code = checked_unseal(text, &body, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!slice_cut(body, '\n', &head, &body) || !slice_eq_str(head, FILE_HEAD)) {
        return edge_set(err, EDGE_UNSUPPORTED, "written by another version");
    }
    if (!slice_cut(body, '\n', &hub, &device_id) || !moved_identity_make(hub, device_id, ret)) {
        return edge_set(err, EDGE_PARSE, "there is no identity in it");
    }
    return EDGE_OK;
}

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    return moved_file_decode(text, ret, err);
}

enum edge_code moved_file_read(const char *dir, struct moved_identity *ret,
                               struct edge_error *err) {
    return checked_load(dir, MOVED_FILE, MOVED_FILE_MAX, decode, ret, err);
}

enum edge_code moved_file_write(const char *dir, const struct moved_identity *id,
                                struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&text, MOVED_FILE_MAX);
    enum edge_code code = moved_file_encode(id, &text, err);
    return code == EDGE_OK ? checked_save(dir, MOVED_FILE, buf_slice(&text), err) : code;
}
