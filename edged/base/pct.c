/* SPDX-License-Identifier: MIT */
/*
 * Percent-encoding.
 */
#include "base/pct.h"

#include <string.h>

static bool is_unreserved(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* RFC 3986 section 3.3: pchar is unreserved, sub-delims, ':' and '@'. '=' is left out because
 * SAS tokens are lists of name=value. */
static bool is_kept(uint8_t c, enum pct_set keep) {
    return is_unreserved(c) ||
           (keep == PCT_SEGMENT && c != '\0' && strchr("!$&'()*+,;:@", c) != NULL);
}

enum edge_code pct_encode(struct slice text, enum pct_set keep, struct buf *out,
                          struct edge_error *err) {
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t add = is_kept((uint8_t)text.ptr[i], keep) ? 1 : 3;
        if (__builtin_add_overflow(len, add, &len)) {
            return edge_set(err, EDGE_RANGE, "text too long to encode");
        }
    }
    uint8_t *to;
    enum edge_code code = buf_reserve(out, len, &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (is_kept(c, keep)) {
            *to++ = c;
        } else {
            *to++ = '%';
            *to++ = (uint8_t)digits[c >> 4];
            *to++ = (uint8_t)digits[c & 15];
        }
    }
    buf_added(out, len);
    return EDGE_OK;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

enum edge_code pct_decode(struct slice text, bool plus_is_space, struct buf *out,
                          struct edge_error *err) {
    uint8_t *to;
    enum edge_code code = EDGE_OK;
    size_t start = out->len;
    for (size_t i = 0; i < text.len && code == EDGE_OK; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_value(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                code = edge_set(err, EDGE_PARSE, "malformed percent escape at byte %zu", i);
                break;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        code = buf_reserve(out, 1, &to, err);
        if (code == EDGE_OK) {
            *to = c;
            buf_added(out, 1);
        }
    }
    if (code != EDGE_OK) {
        buf_truncate(out, start);
    }
    return code;
}
