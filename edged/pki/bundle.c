/* SPDX-License-Identifier: MIT */
#include "pki/bundle.h"

#include "base/log.h"
#include "pki/renew.h"

#include <string.h>

/* Clients split at line ends, and some take no '\r'. */
static enum edge_code append_text(struct buf *out, const char *text, struct edge_error *err) {
    struct slice rest = slice_str(text);
    while (rest.len > 0) {
        struct slice line;
        if (!slice_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest.len = 0;
        }
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        enum edge_code code = buf_append_slice(out, line, err);
        code = code != EDGE_OK ? code : buf_append_byte(out, '\n', err);
        if (code != EDGE_OK) {
            return code;
        }
    }
    return EDGE_OK;
}

static enum edge_code append_once(struct buf *out, size_t start, const char *pem,
                                  struct edge_error *err) {
    size_t len = strlen(pem);
    if (out->len > start && memmem(out->data + start, out->len - start, pem, len) != NULL) {
        return EDGE_OK;
    }
    return append_text(out, pem, err);
}

static bool is_over(int64_t until_wall_s, int64_t now_wall_s) {
    return now_wall_s != BUNDLE_TIME_UNKNOWN && until_wall_s < now_wall_s;
}

/* After a jump of the clock everything seems over. Where the present root is younger than the
 * overlap, the former one may be needed again when the clock comes back. */
static bool is_former_over(const struct authorities *a, const struct authority *former,
                           int64_t now_wall_s) {
    return is_over(former->until_wall_s, now_wall_s) &&
           now_wall_s - a->owner.cert.not_before_wall_s >= RENEW_OWNER_OVERLAP_S;
}

static enum edge_code append_own(const struct authorities *a, int64_t now_wall_s, struct buf *out,
                                 size_t start, struct edge_error *err) {
    if (a->source != AUTHORITIES_QUICKSTART || !authority_exists(&a->owner)) {
        return EDGE_OK;
    }
    enum edge_code code = append_once(out, start, a->owner.pem, err);
    for (size_t i = 0; i < a->before_cnt && code == EDGE_OK; i++) {
        if (!is_former_over(a, &a->before[i], now_wall_s)) {
            code = append_once(out, start, a->before[i].pem, err);
        }
    }
    return code;
}

/* Roots that are not used any more must not take the place of those that are. */
static enum edge_code append_former(const struct authorities *a, int64_t now_wall_s,
                                    struct buf *out, size_t start, struct edge_error *err) {
    for (size_t i = 0; i < a->former.cnt; i++) {
        const struct authority_root *r = &a->former.items[i];
        if (is_over(r->until_wall_s, now_wall_s)) {
            continue;
        }
        size_t before = out->len;
        enum edge_code code = append_once(out, start, r->pem, err);
        if (code == EDGE_RANGE) {
            buf_truncate(out, before);
            log_warn("Certificates: the trust bundle is too long for the former root %s, which is "
                     "left out",
                     log_quote_str(r->cert.subject));
        } else if (code != EDGE_OK) {
            return code;
        }
    }
    return EDGE_OK;
}

enum edge_code bundle_write(const struct authorities *a, int64_t now_wall_s, struct buf *out,
                            struct edge_error *err) {
    size_t start = out->len;
    enum edge_code code = a->bundle != NULL ? append_text(out, a->bundle, err) : EDGE_OK;
    code = code != EDGE_OK ? code : append_own(a, now_wall_s, out, start, err);
    /* What is in use stands above: without it nothing is to be trusted yet. */
    if (code == EDGE_OK && out->len == start) {
        code = edge_set(err, EDGE_NOT_FOUND, "there is no trust bundle yet");
    }
    code = code != EDGE_OK ? code : append_former(a, now_wall_s, out, start, err);
    if (code != EDGE_OK) {
        buf_truncate(out, start);
    }
    return code;
}

static bool is_in_force(const struct authority_root *r, const struct authority *owner,
                        int64_t now_wall_s) {
    return strcmp(r->cert.key_sha256, owner->cert.key_sha256) == 0 &&
           (now_wall_s == BUNDLE_TIME_UNKNOWN ||
            (r->cert.not_before_wall_s <= now_wall_s && r->cert.not_after_wall_s > now_wall_s));
}

enum edge_code bundle_write_chain(const struct authorities *a, int64_t now_wall_s, struct buf *out,
                                  struct edge_error *err) {
    size_t start = out->len;
    if (!authority_exists(&a->workload) || !authority_exists(&a->device)) {
        return edge_set(err, EDGE_NOT_FOUND, "there is no workload CA yet");
    }
    enum edge_code code = append_text(out, a->workload.pem, err);
    code = code != EDGE_OK ? code : append_text(out, a->device.pem, err);
    for (size_t i = 0; i < a->cross.cnt && code == EDGE_OK; i++) {
        if (a->source == AUTHORITIES_QUICKSTART &&
            is_in_force(&a->cross.items[i], &a->owner, now_wall_s)) {
            code = append_text(out, a->cross.items[i].pem, err);
        }
    }
    if (code != EDGE_OK) {
        buf_truncate(out, start);
    }
    return code;
}
