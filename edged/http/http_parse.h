/* SPDX-License-Identifier: MIT */
/*
 * Framing of request bodies: where a body's bytes lie and where it ends. The seam in front of the
 * HTTP parser library (llhttp or http-parser), which is fed a head of our own making, so that
 * foreign bytes reach it only as chunks whose syntax has been checked. Pure, no memory of its own.
 */
#ifndef HTTP_HTTP_PARSE_H
#define HTTP_HTTP_PARSE_H

#include "base/slice.h"
#include "http/http_head.h"

#include <stddef.h>
#include <stdint.h>

#define HTTP_PARSE_LIB_SIZE 192 /* bytes; at least the library's own state */

enum http_parse_result {
    HTTP_PARSE_MORE, /* all input is used up, the body goes on */
    HTTP_PARSE_DATA, /* *ret_data is the next piece of the body, a view of the input */
    HTTP_PARSE_DONE, /* the body is complete; what is left of the input comes after it */
    HTTP_PARSE_BAD,  /* malformed; the parser may not be used any more */
};

enum http_parse_state {
    HTTP_PARSE_AT_SIZE,      /* in the digits of a chunk size */
    HTTP_PARSE_AT_EXTENSION, /* between ';' and CR */
    HTTP_PARSE_AT_SIZE_LF,
    HTTP_PARSE_AT_DATA,
    HTTP_PARSE_AT_DATA_CR,
    HTTP_PARSE_AT_DATA_LF,
    HTTP_PARSE_AT_TRAILER, /* at the first byte of a trailer line */
    HTTP_PARSE_AT_TRAILER_NAME,
    HTTP_PARSE_AT_TRAILER_VALUE,
    HTTP_PARSE_AT_TRAILER_LF,
    HTTP_PARSE_AT_LAST_LF,
    HTTP_PARSE_AT_END,
};

struct http_parse {
    _Alignas(16) unsigned char lib[HTTP_PARSE_LIB_SIZE];
    enum http_framing framing;
    enum http_parse_state state;
    uint64_t left;      /* data bytes left of the body or the chunk */
    size_t line_len;    /* bytes of the present size line, or of the trailers */
    uint64_t chunk_len; /* what the library read; set by its callback */
    struct slice data;  /* the same for a piece of data */
    unsigned events;
};

/* Prepares for one body. content_length matters with HTTP_FRAMING_LENGTH. */
void http_parse_begin(struct http_parse *p, enum http_framing framing, uint64_t content_length);

/* Goes on with the next bytes and cuts off *input what it used. Call again until it says anything
 * but DATA. Any split of the same bytes gives the same body and the same verdict. */
enum http_parse_result http_parse_next(struct http_parse *p, struct slice *input,
                                       struct slice *ret_data);

/* Name and version of the library, for the log and for tests. */
const char *http_parse_library(void);

#endif
