/* SPDX-License-Identifier: MIT */
/*
 * The head gate: what it accepts must read the same to a simpler reader, and its end must not
 * depend on how the bytes arrived.
 */
#include "http/http_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

/* No control byte but CRLF pairs and tabs, no empty line but the last, no fold. */
static void check_accepted(const uint8_t *bytes, size_t len, const struct http_head *h) {
    size_t lines = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = bytes[i];
        require(c != '\r' || (i + 1 < len && bytes[i + 1] == '\n'));
        require(c != '\n' || (i > 0 && bytes[i - 1] == '\r'));
        require(c >= ' ' || c == '\r' || c == '\n' || c == '\t');
        require(c != 127);
        if (c == '\n') {
            lines++;
            require(i + 1 == len || (bytes[i + 1] != ' ' && bytes[i + 1] != '\t'));
        }
    }
    require(lines >= 2 && lines <= HTTP_FIELDS_MAX + 2);
    require(h->method.len > 0 && h->target.len > 0 && h->target.ptr[0] == '/');
    require(h->target.ptr + h->target.len <= (const char *)bytes + len);
    require(h->content_length <= INT64_MAX);
    require(h->framing != HTTP_FRAMING_CHUNKED || !h->http_1_0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_head head;
    const char *reason = NULL;
    size_t len = 0, other = 0;
    enum http_head_end end = http_head_find_end(data, size, 0, &len);
    if (end == HTTP_HEAD_FOUND) {
        require(len <= HTTP_HEAD_MAX && len <= size);
        for (size_t have = 1; have < len; have++) {
            require(http_head_find_end(data, have, have - 1, &other) == HTTP_HEAD_MORE);
        }
        size = len;
    }
    int status = http_head_parse(data, size, &head, &reason);
    require((status == 0) == (reason == NULL));
    require(status == 0 || status == 400 || status == 417 || status == 431);
    if (status == 0) {
        require(end == HTTP_HEAD_FOUND);
        check_accepted(data, size, &head);
    }
    return 0;
}
