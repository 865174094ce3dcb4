/* SPDX-License-Identifier: MIT */
/*
 * Whatever an engine or a registry says may end on a terminal.
 */
#include "runtime/docker_text.h"

#include <string.h>

void docker_text_clean(struct slice text, char *dst, size_t dst_size) {
    size_t out = 0;

    while (text.len > 0) {
        unsigned char first = (unsigned char)text.ptr[0];
        size_t len = first == 0 ? 0 : slice_utf8_char(text);
        size_t take = len > 0 ? len : 1;
        if (out + take >= dst_size) {
            break;
        }
        if (len == 0) {
            dst[out] = first == 0 ? ' ' : '?';
        } else if (first < 0x20 || first == 0x7f) {
            dst[out] = ' ';
        } else if (len == 2 && first == 0xc2 && (unsigned char)text.ptr[1] < 0xa0) {
            memset(&dst[out], ' ', len); /* U+009B is as good as ESC and '[' */
        } else {
            memcpy(&dst[out], text.ptr, len);
        }
        out += take;
        text = slice_make(text.ptr + take, text.len - take);
    }
    while (out > 0 && dst[out - 1] == ' ') {
        out--;
    }
    dst[out] = '\0';
}
