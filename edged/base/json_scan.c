/* SPDX-License-Identifier: MIT */
/*
 * A push-down automaton over the text; the stack is one bit per level. It rejects what cJSON lets
 * pass: leading zeros, raw control characters, ill-formed UTF-8, lone surrogates, NUL, trailing
 * bytes.
 */
#include "base/json_scan.h"

#include "base/json.h"

#include <string.h>

struct scan {
    struct slice rest;
    uint64_t objects; /* bit d-1: the container at depth d is an object */
    unsigned depth;
    size_t node_cnt;
    size_t node_max;
    struct json_view *views;
    size_t view_cnt;
    struct json_view *wanted; /* the one that the present name asks for, or NULL */
    bool has_escapes;
};

enum expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* just after '[' */
    EXPECT_NAME,
    EXPECT_NAME_OR_END, /* just after '{' */
    EXPECT_COMMA_OR_END,
};

_Static_assert(JSON_DEPTH_MAX <= 64, "the stack of struct scan is 64 bits");

static void skip(struct scan *s, size_t len) {
    s->rest.ptr += len;
    s->rest.len -= len;
}

static char peek(const struct scan *s) {
    return s->rest.len > 0 ? s->rest.ptr[0] : '\0';
}

static bool accept(struct scan *s, char c) {
    if (s->rest.len == 0 || s->rest.ptr[0] != c) {
        return false;
    }
    skip(s, 1);
    return true;
}

static void skip_blanks(struct scan *s) {
    while (s->rest.len > 0 && strchr(" \t\r\n", s->rest.ptr[0]) != NULL && s->rest.ptr[0] != '\0') {
        skip(s, 1);
    }
}

static bool scan_hex4(struct scan *s, unsigned *ret) {
    if (s->rest.len < 4) {
        return false;
    }
    unsigned value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = s->rest.ptr[i];
        if (c >= '0' && c <= '9') {
            value = value * 16 + (unsigned)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value = value * 16 + (unsigned)((c | 0x20) - 'a') + 10;
        } else {
            return false;
        }
    }
    skip(s, 4);
    *ret = value;
    return true;
}

/* After the backslash. */
static bool scan_escape(struct scan *s) {
    if (s->rest.len == 0) {
        return false;
    }
    char c = s->rest.ptr[0];
    skip(s, 1);
    if (c != 'u') {
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    }
    unsigned unit;
    if (!scan_hex4(s, &unit) || unit == 0) {
        return false;
    }
    if (unit < 0xD800 || unit > 0xDFFF) {
        return true;
    }
    unsigned low;
    return unit < 0xDC00 && accept(s, '\\') && accept(s, 'u') && scan_hex4(s, &low) &&
           low >= 0xDC00 && low <= 0xDFFF;
}

/* Eight bytes at once: subtracting borrows from the highest bit of a byte that is too small. */
static bool is_plain_word(const unsigned char *text) {
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t x;
    memcpy(&x, text, sizeof(x));
    uint64_t quote = x ^ ones * '"';
    uint64_t slash = x ^ ones * '\\';
    uint64_t found =
        x | ((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
    return (found & ones * 0x80) == 0;
}

/* Most text is plain ASCII, and a request may bring a megabyte of it. */
size_t json_scan_plain(struct slice s) {
    const unsigned char *text = (const unsigned char *)s.ptr;
    size_t len = 0;
    while (s.len - len >= sizeof(uint64_t) && is_plain_word(text + len)) {
        len += sizeof(uint64_t);
    }
    while (len < s.len && text[len] >= 0x20 && text[len] < 0x80 && text[len] != '"' &&
           text[len] != '\\') {
        len++;
    }
    return len;
}

static void skip_plain(struct scan *s) {
    skip(s, json_scan_plain(s->rest));
}

/* After the opening quote; *ret is what stands between the quotes. */
static bool scan_string(struct scan *s, struct slice *ret) {
    const char *start = s->rest.ptr;
    for (skip_plain(s); s->rest.len > 0; skip_plain(s)) {
        unsigned char c = (unsigned char)s->rest.ptr[0];
        if (c == '"') {
            *ret = slice_make(start, (size_t)(s->rest.ptr - start));
            skip(s, 1);
            return true;
        }
        if (c == '\\') {
            s->has_escapes = true;
            skip(s, 1);
            if (!scan_escape(s)) {
                return false;
            }
            continue;
        }
        size_t len = c < 0x20 ? 0 : slice_utf8_char(s->rest);
        if (len == 0) {
            return false;
        }
        skip(s, len);
    }
    return false;
}

static bool skip_digits(struct scan *s) {
    size_t before = s->rest.len;
    while (peek(s) >= '0' && peek(s) <= '9') {
        skip(s, 1);
    }
    return s->rest.len < before;
}

static bool scan_number(struct scan *s) {
    accept(s, '-');
    if (!accept(s, '0') && !skip_digits(s)) {
        return false;
    }
    if (accept(s, '.') && !skip_digits(s)) {
        return false;
    }
    if (accept(s, 'e') || accept(s, 'E')) {
        if (!accept(s, '+')) {
            accept(s, '-');
        }
        return skip_digits(s);
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word) {
    if (!slice_starts_with(s->rest, word)) {
        return false;
    }
    skip(s, strlen(word));
    return true;
}

static enum edge_code malformed(struct edge_error *err) {
    return edge_set(err, EDGE_PARSE, "malformed JSON");
}

static enum edge_code open_container(struct scan *s, bool is_object, enum expect *ret_next,
                                     struct edge_error *err) {
    if (s->depth == JSON_DEPTH_MAX) {
        return edge_set(err, EDGE_RANGE, "JSON nested deeper than %d levels", JSON_DEPTH_MAX);
    }
    uint64_t bit = (uint64_t)1 << s->depth;
    s->objects = is_object ? s->objects | bit : s->objects & ~bit;
    s->depth++;
    skip(s, 1);
    *ret_next = is_object ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
    return EDGE_OK;
}

static enum edge_code scan_value(struct scan *s, enum expect *ret_next, struct edge_error *err) {
    if (++s->node_cnt > s->node_max) {
        return edge_set(err, EDGE_RANGE, "more than %zu JSON values", s->node_max);
    }
    struct json_view *wanted = s->wanted;
    s->wanted = NULL;
    char c = peek(s);
    if (c == '{' || c == '[') {
        return open_container(s, c == '{', ret_next, err);
    }
    bool ok;
    if (c == '"') {
        struct slice text = {0};
        skip(s, 1);
        ok = scan_string(s, &text);
        if (wanted != NULL) {
            wanted->value = text;
        }
    } else if (c == 't') {
        ok = scan_word(s, "true");
    } else if (c == 'f') {
        ok = scan_word(s, "false");
    } else if (c == 'n') {
        ok = scan_word(s, "null");
    } else {
        size_t before = s->rest.len;
        ok = scan_number(s);
        if (ok && before - s->rest.len > JSON_NUMBER_MAX) {
            return edge_set(err, EDGE_RANGE, "JSON number longer than %d bytes", JSON_NUMBER_MAX);
        }
    }
    *ret_next = EXPECT_COMMA_OR_END;
    return ok ? EDGE_OK : malformed(err);
}

static bool in_object(const struct scan *s) {
    return s->depth > 0 && (s->objects >> (s->depth - 1) & 1) != 0;
}

static void on_name(struct scan *s, struct slice name) {
    for (size_t i = 0; i < s->view_cnt && s->depth == 1; i++) {
        if (slice_eq_str(name, s->views[i].name)) {
            s->wanted = &s->views[i];
            s->wanted->value = (struct slice){0};
        }
    }
}

/* One token in a container; may end it. */
static enum edge_code scan_step(struct scan *s, enum expect *state, struct edge_error *err) {
    struct slice name = {0};
    bool may_end = *state != EXPECT_VALUE && *state != EXPECT_NAME && s->depth > 0;
    if (may_end && accept(s, in_object(s) ? '}' : ']')) {
        s->depth--;
        *state = EXPECT_COMMA_OR_END;
        return EDGE_OK;
    }
    switch (*state) {
    case EXPECT_VALUE:
    case EXPECT_VALUE_OR_END:
        return scan_value(s, state, err);
    case EXPECT_NAME:
    case EXPECT_NAME_OR_END:
        if (!accept(s, '"') || !scan_string(s, &name)) {
            return malformed(err);
        }
        on_name(s, name);
        skip_blanks(s);
        *state = EXPECT_VALUE;
        return accept(s, ':') ? EDGE_OK : malformed(err);
    case EXPECT_COMMA_OR_END:
    default:
        *state = in_object(s) ? EXPECT_NAME : EXPECT_VALUE;
        return accept(s, ',') ? EDGE_OK : malformed(err);
    }
}

enum edge_code json_scan(struct slice text, struct edge_error *err) {
    return json_scan_within(text, JSON_NODES_MAX, err);
}

enum edge_code json_scan_within(struct slice text, size_t nodes_max, struct edge_error *err) {
    return json_scan_views(text, nodes_max, NULL, 0, err);
}

enum edge_code json_scan_views(struct slice text, size_t nodes_max, struct json_view *views,
                               size_t view_cnt, struct edge_error *err) {
    struct scan s = {.rest = text, .node_max = nodes_max, .views = views, .view_cnt = view_cnt};
    enum expect state = EXPECT_VALUE;
    enum edge_code code = EDGE_OK;
    for (size_t i = 0; i < view_cnt; i++) {
        views[i].value = (struct slice){0};
    }
    skip_blanks(&s);
    do {
        code = scan_step(&s, &state, err);
        if (code == EDGE_OK) {
            skip_blanks(&s);
        }
    } while (code == EDGE_OK && (s.depth > 0 || state != EXPECT_COMMA_OR_END));
    if (code == EDGE_OK && s.rest.len > 0) {
        code = malformed(err);
    }
    for (size_t i = 0; i < view_cnt && s.has_escapes; i++) {
        views[i].value = (struct slice){0};
    }
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "reading JSON at byte %zu of %zu", text.len - s.rest.len,
                         text.len);
    }
    return EDGE_OK;
}
