/* SPDX-License-Identifier: MIT */
/*
 * A checked file of five lines: the version, the fingerprint (may be empty), the hub, the device
 * id, the generation id.
 */
#include "agent/agent_record.h"

#include "base/checked.h"

#define FILE_HEAD "edged edge-agent 1"

static bool is_line(const char *text) {
    struct slice s = slice_str(text);
    return s.len > 0 && slice_find(s, '\n') < 0;
}

static bool is_whole(const struct agent_record *r) {
    return is_line(r->hub) && is_line(r->device_id) && is_line(r->generation_id);
}

enum edge_code agent_record_encode(const struct agent_record *r, struct buf *out,
                                   struct edge_error *err) {
    struct buf body EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&body, AGENT_RECORD_MAX);
    if (!is_whole(r)) {
        return edge_set(err, EDGE_INVALID, "hub, device id and generation id are one line each");
    }
    enum edge_code code = buf_printf(&body, err, FILE_HEAD "\n%s\n%s\n%s\n%s", r->fingerprint,
                                     r->hub, r->device_id, r->generation_id);
    return code == EDGE_OK ? checked_seal(buf_slice(&body), out, err) : code;
}

static bool take_line(struct slice *rest, char *dst, size_t size) {
    struct slice line;
    return slice_cut(*rest, '\n', &line, rest) && slice_to_array(line, dst, size);
}

enum edge_code agent_record_decode(struct slice text, struct agent_record *ret,
                                   struct edge_error *err) {
    struct agent_record r;
    struct slice body, head;
    enum edge_code code = checked_unseal(text, &body, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!slice_cut(body, '\n', &head, &body) || !slice_eq_str(head, FILE_HEAD)) {
        return edge_set(err, EDGE_UNSUPPORTED, "written by another version");
    }
    if (!take_line(&body, r.fingerprint, sizeof(r.fingerprint)) ||
        !take_line(&body, r.hub, sizeof(r.hub)) ||
        !take_line(&body, r.device_id, sizeof(r.device_id)) ||
        !slice_to_array(body, r.generation_id, sizeof(r.generation_id)) || !is_whole(&r)) {
        return edge_set(err, EDGE_PARSE, "what it says of edgeAgent is incomplete");
    }
    *ret = r;
    return EDGE_OK;
}

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    return agent_record_decode(text, ret, err);
}

enum edge_code agent_record_read(const char *dir, struct agent_record *ret,
                                 struct edge_error *err) {
    return checked_load(dir, AGENT_RECORD_FILE, AGENT_RECORD_MAX, decode, ret, err);
}

enum edge_code agent_record_write(const char *dir, const struct agent_record *r,
                                  struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&text, AGENT_RECORD_MAX);
    enum edge_code code = agent_record_encode(r, &text, err);
    return code == EDGE_OK ? checked_save(dir, AGENT_RECORD_FILE, buf_slice(&text), err) : code;
}
