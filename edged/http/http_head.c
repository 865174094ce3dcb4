/* SPDX-License-Identifier: MIT */
/*
 * Request heads, checked by the grammar and nothing more: no line folding, no bare CR or LF, no
 * blank before a colon, one framing field at most. What a lax parser would repair is refused,
 * because two parties that repair differently can be played against each other.
 */
#include "http/http_head.h"

#include <string.h>

#define TOKEN 1 /* tchar of RFC 9110 section 5.6.2 */
#define VALUE 2 /* field-vchar, obs-text, space and tab */
#define PATH  4 /* in a request target: visible ASCII but '#', which never is part of one */

#define TVP (TOKEN | VALUE | PATH)
#define VP  (VALUE | PATH)

/* clang-format off */
static const uint8_t byte_class[256] = {
    ['\t'] = VALUE, [' '] = VALUE,
    ['!'] = TVP, ['"'] = VP, ['#'] = TOKEN | VALUE, ['$'] = TVP, ['%'] = TVP, ['&'] = TVP,
    ['\''] = TVP, ['('] = VP, [')'] = VP, ['*'] = TVP, ['+'] = TVP, [','] = VP, ['-'] = TVP,
    ['.'] = TVP, ['/'] = VP, ['0' ... '9'] = TVP, [':' ... '@'] = VP, ['A' ... 'Z'] = TVP,
    ['[' ... ']'] = VP, ['^' ... '`'] = TVP, ['a' ... 'z'] = TVP, ['{'] = VP, ['|'] = TVP,
    ['}'] = VP, ['~'] = TVP,
    [0x80 ... 0xff] = VALUE,
};
/* clang-format on */

/* State of one pass over the field lines. */
struct field_pass {
    struct http_head *head;
    unsigned hosts;
    unsigned framings;
    bool close;
    bool keep_alive;
    int status;
    const char *reason;
};

bool http_head_is_token_byte(uint8_t byte) {
    return (byte_class[byte] & TOKEN) != 0;
}

bool http_head_is_value_byte(uint8_t byte) {
    return (byte_class[byte] & VALUE) != 0;
}

enum http_head_end http_head_find_end(const uint8_t *bytes, size_t len, size_t scanned,
                                      size_t *ret_len) {
    size_t limit = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
    size_t pos = scanned;
    while (pos < limit) {
        const uint8_t *lf = memchr(bytes + pos, '\n', limit - pos);
        if (lf == NULL) {
            break;
        }
        size_t at = (size_t)(lf - bytes);
        if (at == 0 || bytes[at - 1] != '\r') {
            return HTTP_HEAD_BARE_LF;
        }
        if (at >= 3 && bytes[at - 2] == '\n') {
            *ret_len = at + 1;
            return HTTP_HEAD_FOUND;
        }
        pos = at + 1;
    }
    return len >= HTTP_HEAD_MAX ? HTTP_HEAD_TOO_LARGE : HTTP_HEAD_MORE;
}

static bool all_of(struct slice s, uint8_t class) {
    uint8_t seen = 0xff;
    for (size_t i = 0; i < s.len; i++) {
        seen &= byte_class[(uint8_t)s.ptr[i]];
    }
    return (seen & class) != 0;
}

/* Eight bytes at a time: values are the bulk of a head. Words with a byte below 0x20 or a DEL are
 * looked at again, as they may hold a tab. */
static bool value_is_clean(struct slice s) {
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t w;
        memcpy(&w, s.ptr + i, sizeof(w));
        uint64_t del = w ^ (ones * 0x7f);
        uint64_t suspect = ((w - ones * 0x20) & ~w & high) | ((del - ones) & ~del & high);
        if (suspect != 0 && !all_of(slice_make(s.ptr + i, 8), VALUE)) {
            return false;
        }
    }
    return all_of(slice_make(s.ptr + i, s.len - i), VALUE);
}

static int refuse(const char **ret_reason, const char *reason) {
    *ret_reason = reason;
    return 400;
}

/* RFC 9112 section 3.2.2: a server must take the absolute form too. Its authority means nothing
 * here. */
static bool take_target(struct slice text, struct slice *ret) {
    static const char scheme[] = "http://";
    const size_t scheme_len = sizeof(scheme) - 1;
    if (text.len == 0 || !all_of(text, PATH)) {
        return false;
    }
    if (text.ptr[0] == '/') {
        *ret = text;
        return true;
    }
    if (text.len <= scheme_len || !slice_eq_nocase(slice_make(text.ptr, scheme_len), scheme)) {
        return false;
    }
    struct slice rest = slice_make(text.ptr + scheme_len, text.len - scheme_len);
    ptrdiff_t slash = slice_find(rest, '/');
    ptrdiff_t query = slice_find(rest, '?');
    if (slash <= 0 || (query >= 0 && query < slash)) {
        return false;
    }
    *ret = slice_make(rest.ptr + slash, rest.len - (size_t)slash);
    return true;
}

static int parse_request_line(struct slice line, struct http_head *ret, const char **ret_reason) {
    struct slice target, version;
    if (!slice_cut(line, ' ', &ret->method, &target) ||
        !slice_cut(target, ' ', &target, &version)) {
        return refuse(ret_reason, "malformed request line");
    }
    if (ret->method.len == 0 || ret->method.len > HTTP_METHOD_MAX || !all_of(ret->method, TOKEN)) {
        return refuse(ret_reason, "malformed method");
    }
    if (!take_target(target, &ret->target)) {
        return refuse(ret_reason, "malformed request target");
    }
    if (slice_eq_str(version, "HTTP/1.0")) {
        ret->http_1_0 = true;
    } else if (!slice_eq_str(version, "HTTP/1.1")) {
        return refuse(ret_reason, "HTTP version is not 1.0 or 1.1");
    }
    return 0;
}

static void on_connection(struct field_pass *p, struct slice value) {
    while (value.len > 0) {
        struct slice item = value;
        if (!slice_cut(value, ',', &item, &value)) {
            value.len = 0;
        }
        item = slice_trim(item);
        if (slice_eq_nocase(item, "close")) {
            p->close = true;
        } else if (slice_eq_nocase(item, "keep-alive")) {
            p->keep_alive = true;
        }
    }
}

static void bad_field(struct field_pass *p, int status, const char *reason) {
    p->status = status;
    p->reason = reason;
}

static void on_content_length(struct field_pass *p, struct slice value) {
    p->framings++;
    p->head->framing = HTTP_FRAMING_LENGTH;
    if (!slice_parse_u64(value, INT64_MAX, &p->head->content_length)) {
        bad_field(p, 400, "malformed Content-Length");
    }
}

static void on_transfer_encoding(struct field_pass *p, struct slice value) {
    p->framings++;
    p->head->framing = HTTP_FRAMING_CHUNKED;
    if (!slice_eq_nocase(value, "chunked")) {
        bad_field(p, 400, "Transfer-Encoding is not chunked");
    } else if (p->head->http_1_0) {
        bad_field(p, 400, "Transfer-Encoding in HTTP/1.0");
    }
}

/* The lengths of the known names differ, so one switch finds the candidate. */
static void on_field(struct field_pass *p, struct slice name, struct slice value) {
    switch (name.len) {
    case sizeof "Host" - 1:
        p->hosts += slice_eq_nocase(name, "Host") ? 1 : 0;
        break;
    case sizeof "Expect" - 1:
        if (slice_eq_nocase(name, "Expect")) {
            p->head->expect_continue = true;
            if (!slice_eq_nocase(value, "100-continue")) {
                bad_field(p, 417, "unknown expectation");
            }
        }
        break;
    case sizeof "Connection" - 1:
        if (slice_eq_nocase(name, "Connection")) {
            on_connection(p, value);
        }
        break;
    case sizeof "Content-Type" - 1:
        if (slice_eq_nocase(name, "Content-Type")) {
            p->head->content_type = value;
        }
        break;
    case sizeof "Content-Length" - 1:
        if (slice_eq_nocase(name, "Content-Length")) {
            on_content_length(p, value);
        }
        break;
    case sizeof "Transfer-Encoding" - 1:
        if (slice_eq_nocase(name, "Transfer-Encoding")) {
            on_transfer_encoding(p, value);
        }
        break;
    default:
        break;
    }
}

static void parse_field(struct field_pass *p, struct slice line) {
    struct slice name, value;
    if (!slice_cut(line, ':', &name, &value) || name.len == 0 || !all_of(name, TOKEN)) {
        bad_field(p, 400, "malformed header field");
    } else if (!value_is_clean(value)) {
        bad_field(p, 400, "control character in a header field");
    } else {
        on_field(p, name, slice_trim(value));
    }
}

static int finish(struct field_pass *p, const char **ret_reason) {
    struct http_head *head = p->head;
    if (p->status == 0 && p->hosts > 1) {
        bad_field(p, 400, "more than one Host");
    }
    if (p->status == 0 && p->framings > 1) {
        bad_field(p, 400, "more than one Content-Length or Transfer-Encoding");
    }
    if (p->status != 0) {
        *ret_reason = p->reason;
        return p->status;
    }
    head->keep_alive = !p->close && (!head->http_1_0 || p->keep_alive);
    /* RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is ignored. */
    head->expect_continue = head->expect_continue && !head->http_1_0;
    return 0;
}

/* Cuts the next line off *rest, without its CRLF. */
static bool next_line(struct slice *rest, struct slice *ret_line) {
    if (!slice_cut(*rest, '\n', ret_line, rest) || ret_line->len == 0 ||
        ret_line->ptr[ret_line->len - 1] != '\r') {
        return false;
    }
    ret_line->len--;
    return true;
}

int http_head_parse(const uint8_t *bytes, size_t len, struct http_head *ret,
                    const char **ret_reason) {
    struct slice rest = slice_make(bytes, len);
    struct slice line;
    struct field_pass pass = {.head = ret};

    *ret = (struct http_head){0};
    if (len > HTTP_HEAD_MAX) {
        *ret_reason = "request head too large";
        return 431;
    }
    if (!next_line(&rest, &line)) {
        return refuse(ret_reason, "malformed request line");
    }
    int status = parse_request_line(line, ret, ret_reason);
    for (unsigned cnt = 0; status == 0; cnt++) {
        if (!next_line(&rest, &line)) {
            return refuse(ret_reason, "malformed end of line");
        }
        if (line.len == 0) {
            return rest.len == 0 ? finish(&pass, ret_reason)
                                 : refuse(ret_reason, "bytes after the head");
        }
        if (cnt == HTTP_FIELDS_MAX) {
            *ret_reason = "too many header fields";
            return 431;
        }
        parse_field(&pass, line);
        if (pass.status != 0) {
            *ret_reason = pass.reason;
            return pass.status;
        }
    }
    return status;
}
