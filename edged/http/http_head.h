/* SPDX-License-Identifier: MIT */
/*
 * The strict gate in front of everything else: decides whether bytes are a well-formed HTTP/1.x
 * request head (RFC 9112 sections 2 to 6) and takes out of it what the server needs. Pure
 * functions, no memory.
 */
#ifndef HTTP_HTTP_HEAD_H
#define HTTP_HTTP_HEAD_H

#include "base/slice.h"
#include "http/http_limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the end of a request's body is known. */
enum http_framing {
    HTTP_FRAMING_NONE,   /* no body */
    HTTP_FRAMING_LENGTH, /* Content-Length */
    HTTP_FRAMING_CHUNKED,
};

/* What a head says. The slices are views of the bytes that were parsed. */
struct http_head {
    struct slice method;
    struct slice target; /* origin form: path and query, starting with '/' */
    struct slice content_type;
    enum http_framing framing;
    uint64_t content_length; /* bytes, with HTTP_FRAMING_LENGTH */
    bool http_1_0;
    bool keep_alive; /* what the version and Connection say together */
    bool expect_continue;
};

enum http_head_end {
    HTTP_HEAD_MORE,      /* no end in these bytes */
    HTTP_HEAD_FOUND,     /* *ret_len is the length with the empty line */
    HTTP_HEAD_BARE_LF,   /* a line does not end in CRLF: no head, whatever follows */
    HTTP_HEAD_TOO_LARGE, /* no end within HTTP_HEAD_MAX */
};

/* Looks for the end of a head. The first `scanned` bytes were looked at by earlier calls that
 * answered MORE, so that feeding byte by byte stays linear. */
enum http_head_end http_head_find_end(const uint8_t *bytes, size_t len, size_t scanned,
                                      size_t *ret_len);

/* Checks and reads one head, from its first byte to its empty line, which must be the last. Returns
 * 0, or the status to refuse it with (400, 417, 431) and in *ret_reason a constant text for the
 * answer; *ret is undefined then. */
int http_head_parse(const uint8_t *bytes, size_t len, struct http_head *ret,
                    const char **ret_reason);

/* A character of RFC 9110's token. */
bool http_head_is_token_byte(uint8_t byte);

/* A byte that may stand in a field value: no control characters but the tab. */
bool http_head_is_value_byte(uint8_t byte);

#endif
