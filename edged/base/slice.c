/* SPDX-License-Identifier: MIT */
/*
 * Views of text: comparison, splitting, numbers, UTF-8.
 */
#include "base/slice.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct slice slice_make(const void *ptr, size_t len) {
    return (struct slice){ptr, len};
}

struct slice slice_str(const char *text) {
    return (struct slice){text, text != NULL ? strlen(text) : 0};
}

bool slice_eq(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_eq_str(struct slice a, const char *text) {
    return slice_eq(a, slice_str(text));
}

char slice_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool slice_eq_nocase(struct slice a, const char *text) {
    struct slice b = slice_str(text);
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (slice_lower(a.ptr[i]) != slice_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool slice_starts_with(struct slice s, const char *prefix) {
    struct slice p = slice_str(prefix);
    return s.len >= p.len && slice_eq(slice_make(s.ptr, p.len), p);
}

bool slice_ends_with(struct slice s, const char *suffix) {
    struct slice x = slice_str(suffix);
    return x.len == 0 ||
           (s.len >= x.len && slice_eq(slice_make(s.ptr + (s.len - x.len), x.len), x));
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s) {
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

ptrdiff_t slice_find(struct slice s, char byte) {
    const char *hit = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;
    return hit != NULL ? hit - s.ptr : -1;
}

bool slice_cut(struct slice s, char sep, struct slice *ret_head, struct slice *ret_rest) {
    ptrdiff_t at = slice_find(s, sep);
    if (at < 0) {
        return false;
    }
    *ret_head = slice_make(s.ptr, (size_t)at);
    *ret_rest = slice_make(s.ptr + at + 1, s.len - (size_t)at - 1);
    return true;
}

bool slice_parse_u64(struct slice s, uint64_t max, uint64_t *ret_value) {
    uint64_t value = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (unsigned)(s.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    if (value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool slice_parse_i64(struct slice s, int64_t *ret_value) {
    bool negative = s.len > 0 && s.ptr[0] == '-';
    struct slice digits = negative ? slice_make(s.ptr + 1, s.len - 1) : s;
    uint64_t value;
    if (!slice_parse_u64(digits, (uint64_t)INT64_MAX + (negative ? 1 : 0), &value)) {
        return false;
    }
    *ret_value = (int64_t)(negative ? 0 - value : value);
    return true;
}

bool slice_parse_ip(struct slice s, uint8_t ret[SLICE_IP_MAX], size_t *ret_len) {
    char copy[INET6_ADDRSTRLEN];
    if (!slice_to_array(s, copy, sizeof(copy))) {
        return false;
    }
    if (inet_pton(AF_INET, copy, ret) == 1) {
        *ret_len = 4;
        return true;
    }
    if (inet_pton(AF_INET6, copy, ret) == 1) {
        *ret_len = 16;
        return true;
    }
    return false;
}

size_t slice_utf8_char(struct slice s) {
    if (s.len == 0) {
        return 0;
    }
    const uint8_t *p = (const uint8_t *)s.ptr;
    if (p[0] < 0x80) {
        return 1;
    }
    /* The bounds of the second byte shut out over-long forms, surrogates and values above U+10FFFF.
     */
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    size_t len;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        len = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        len = 3;
        low = p[0] == 0xE0 ? 0xA0 : low;
        high = p[0] == 0xED ? 0x9F : high;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        len = 4;
        low = p[0] == 0xF0 ? 0x90 : low;
        high = p[0] == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (s.len < len || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool slice_is_utf8_text(struct slice s) {
    while (s.len > 0) {
        size_t n = slice_utf8_char(s);
        if (n == 0 || s.ptr[0] == '\0') {
            return false;
        }
        s.ptr += n;
        s.len -= n;
    }
    return true;
}

bool slice_is_plain_text(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    return slice_is_utf8_text(s);
}

char *slice_dup(struct slice s) {
    if (slice_find(s, '\0') >= 0 || s.len == SIZE_MAX) {
        return NULL;
    }
    char *copy = malloc(s.len + 1);
    if (copy != NULL) {
        if (s.len > 0) {
            memcpy(copy, s.ptr, s.len);
        }
        copy[s.len] = '\0';
    }
    return copy;
}

bool slice_to_array(struct slice s, char *dst, size_t dst_size) {
    if (s.len >= dst_size || slice_find(s, '\0') >= 0) {
        return false;
    }
    if (s.len > 0) {
        memcpy(dst, s.ptr, s.len);
    }
    dst[s.len] = '\0';
    return true;
}
