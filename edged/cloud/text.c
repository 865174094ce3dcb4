/* SPDX-License-Identifier: MIT */
/*
 * Character classes and lengths of foreign names, and the cleaning of foreign messages for our
 * error texts.
 */
#include "cloud/text.h"

#include <string.h>

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_of(struct slice s, const char *others) {
    bool only_dots = true;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!is_alnum(c) && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
        only_dots = only_dots && c == '.';
    }
    return !only_dots;
}

static bool is_host(struct slice s) {
    if (s.len == 0 || s.len > TEXT_HOST_MAX) {
        return false;
    }
    size_t label_len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '.') {
            if (label_len == 0 || s.ptr[i - 1] == '-') {
                return false;
            }
            label_len = 0;
            continue;
        }
        bool inner = c == '-' && label_len > 0;
        if ((!is_alnum(c) && c != '_' && !inner) || ++label_len > 63) {
            return false;
        }
    }
    return label_len > 0 && s.ptr[s.len - 1] != '-';
}

bool text_is_host_port(struct slice s) {
    struct slice host;
    struct slice port;
    if (!slice_cut(s, ':', &host, &port)) {
        return is_host(s);
    }
    uint64_t number;
    return is_host(host) && slice_parse_u64(port, UINT16_MAX, &number) && number > 0;
}

bool text_is_id(struct slice s) {
    return s.len > 0 && s.len <= TEXT_ID_MAX && is_of(s, "-.+%_#*?!(),:=@$'");
}

bool text_is_token(struct slice s, size_t max_len) {
    return s.len > 0 && s.len <= max_len && is_of(s, "-._:~");
}

void text_clean(struct slice s, char *dst, size_t dst_size) {
    size_t out = 0;
    bool blank = false;
    for (size_t i = 0; i < s.len && out + 1 < dst_size; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            blank = out > 0;
            continue;
        }
        if (blank) {
            dst[out++] = ' ';
            blank = false;
            if (out + 1 >= dst_size) {
                break;
            }
        }
        if (c == '\'') {
            c = '`';
        }
        dst[out++] = c < 0x80 ? (char)c : '?';
    }
    dst[out] = '\0';
}
