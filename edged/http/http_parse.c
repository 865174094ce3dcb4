/* SPDX-License-Identifier: MIT */
/*
 * Bodies with Content-Length are counted here. Chunked ones are walked byte by byte where the
 * grammar matters (RFC 9112 section 7.1) and handed to the library, which reads the sizes. Its own
 * grammar is too lax in places: http-parser accepts anything for the CRLF after a chunk, and both
 * accept control characters in extensions. Extensions and trailers are checked, dropped and never
 * shown to it.
 */
#include "http/http_parse.h"

#ifdef EDGE_LLHTTP
#include <llhttp.h>
#else
#include <http_parser.h>
#endif

#include <string.h>

enum {
    EVENT_CHUNK = 1 << 0, /* a chunk's size is known */
    EVENT_DATA = 1 << 1,
    EVENT_COMPLETE = 1 << 2, /* the message is complete */
};

#ifdef EDGE_LLHTTP
typedef llhttp_t lib_parser;
typedef llhttp_settings_t lib_settings;
#else
typedef http_parser lib_parser;
typedef http_parser_settings lib_settings;
#endif

_Static_assert(sizeof(lib_parser) <= HTTP_PARSE_LIB_SIZE, "the library's state has grown");
_Static_assert(_Alignof(lib_parser) <= 16, "the library's state needs more alignment");

static lib_parser *lib_of(struct http_parse *p) {
    return (lib_parser *)(void *)p->lib;
}

static int on_chunk_header(lib_parser *lib) {
    struct http_parse *p = lib->data;
    p->chunk_len = lib->content_length;
    p->events |= EVENT_CHUNK;
    return 0;
}

static int on_body(lib_parser *lib, const char *at, size_t len) {
    struct http_parse *p = lib->data;
    p->data = slice_make(at, len);
    p->events |= EVENT_DATA;
    return 0;
}

static int on_message_complete(lib_parser *lib) {
    struct http_parse *p = lib->data;
    p->events |= EVENT_COMPLETE;
    return 0;
}

static const lib_settings settings = {
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

#ifdef EDGE_LLHTTP

static void lib_begin(struct http_parse *p) {
    llhttp_init(lib_of(p), HTTP_REQUEST, &settings);
    lib_of(p)->data = p;
}

static bool lib_feed(struct http_parse *p, const char *bytes, size_t len) {
    return llhttp_execute(lib_of(p), bytes, len) == HPE_OK;
}

const char *http_parse_library(void) {
    return "llhttp";
}

#else

static void lib_begin(struct http_parse *p) {
    http_parser_init(lib_of(p), HTTP_REQUEST);
    lib_of(p)->data = p;
}

static bool lib_feed(struct http_parse *p, const char *bytes, size_t len) {
    size_t used = http_parser_execute(lib_of(p), &settings, bytes, len);
    return used == len && HTTP_PARSER_ERRNO(lib_of(p)) == HPE_OK;
}

const char *http_parse_library(void) {
    return "http-parser";
}

#endif

/* Feeds and demands that exactly these events come of it. */
static bool lib_expect(struct http_parse *p, const char *bytes, size_t len, unsigned events) {
    p->events = 0;
    return lib_feed(p, bytes, len) && p->events == events;
}

void http_parse_begin(struct http_parse *p, enum http_framing framing, uint64_t content_length) {
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    p->framing = framing;
    p->state = HTTP_PARSE_AT_SIZE;
    p->left = content_length;
    p->line_len = 0;
    if (framing == HTTP_FRAMING_CHUNKED) {
        lib_begin(p);
        if (!lib_expect(p, head, sizeof(head) - 1, 0)) {
            p->state = HTTP_PARSE_AT_END; /* every use fails */
        }
    }
}

static void advance(struct slice *input, size_t len) {
    input->ptr += len;
    input->len -= len;
}

static bool is_hex(uint8_t byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
           (byte >= 'A' && byte <= 'F');
}

/* One byte of a size line. The library sees digits and CRLF only. */
static bool size_byte(struct http_parse *p, const char *at) {
    uint8_t byte = (uint8_t)*at;
    bool first = p->line_len == 0;
    if (++p->line_len > HTTP_CHUNK_LINE_MAX) {
        return false;
    }
    if (p->state == HTTP_PARSE_AT_SIZE_LF) {
        if (byte != '\n' || !lib_expect(p, "\r\n", 2, EVENT_CHUNK)) {
            return false;
        }
        p->left = p->chunk_len;
        p->line_len = 0;
        p->state = p->left > 0 ? HTTP_PARSE_AT_DATA : HTTP_PARSE_AT_TRAILER;
        return true;
    }
    if (p->state == HTTP_PARSE_AT_SIZE && is_hex(byte)) {
        return lib_expect(p, at, 1, 0);
    }
    if (first) {
        return false;
    }
    if (byte == '\r') {
        p->state = HTTP_PARSE_AT_SIZE_LF;
        return true;
    }
    if (p->state == HTTP_PARSE_AT_SIZE) {
        p->state = HTTP_PARSE_AT_EXTENSION;
        return byte == ';';
    }
    return http_head_is_value_byte(byte);
}

/* One byte of the trailer section. Only the end of it is told to the library. */
static bool trailer_byte(struct http_parse *p, uint8_t byte) {
    if (++p->line_len > HTTP_TRAILERS_MAX) {
        return false;
    }
    switch (p->state) {
    case HTTP_PARSE_AT_TRAILER:
        p->state = byte == '\r' ? HTTP_PARSE_AT_LAST_LF : HTTP_PARSE_AT_TRAILER_NAME;
        return byte == '\r' || http_head_is_token_byte(byte);
    case HTTP_PARSE_AT_TRAILER_NAME:
        if (byte == ':') {
            p->state = HTTP_PARSE_AT_TRAILER_VALUE;
            return true;
        }
        return http_head_is_token_byte(byte);
    case HTTP_PARSE_AT_TRAILER_VALUE:
        if (byte == '\r') {
            p->state = HTTP_PARSE_AT_TRAILER_LF;
            return true;
        }
        return http_head_is_value_byte(byte);
    case HTTP_PARSE_AT_TRAILER_LF:
        p->state = HTTP_PARSE_AT_TRAILER;
        return byte == '\n';
    default: /* HTTP_PARSE_AT_LAST_LF */
        p->state = HTTP_PARSE_AT_END;
        return byte == '\n' && lib_expect(p, "\r\n", 2, EVENT_COMPLETE);
    }
}

/* The CRLF after a chunk's data. */
static bool data_end_byte(struct http_parse *p, uint8_t byte) {
    if (p->state == HTTP_PARSE_AT_DATA_CR) {
        p->state = HTTP_PARSE_AT_DATA_LF;
        return byte == '\r';
    }
    p->state = HTTP_PARSE_AT_SIZE;
    return byte == '\n' && lib_expect(p, "\r\n", 2, 0);
}

static enum http_parse_result take_data(struct http_parse *p, struct slice *input,
                                        struct slice *ret_data) {
    size_t len = input->len < p->left ? input->len : (size_t)p->left;
    struct slice piece = slice_make(input->ptr, len);
    if (p->framing == HTTP_FRAMING_CHUNKED) {
        if (!lib_expect(p, piece.ptr, piece.len, EVENT_DATA) || p->data.ptr != piece.ptr ||
            p->data.len != piece.len) {
            p->state = HTTP_PARSE_AT_END;
            return HTTP_PARSE_BAD;
        }
        if (len == p->left) {
            p->state = HTTP_PARSE_AT_DATA_CR;
        }
    }
    p->left -= len;
    advance(input, len);
    *ret_data = piece;
    return HTTP_PARSE_DATA;
}

static enum http_parse_result next_chunked(struct http_parse *p, struct slice *input,
                                           struct slice *ret_data) {
    if (p->state == HTTP_PARSE_AT_END) {
        return HTTP_PARSE_BAD;
    }
    while (input->len > 0) {
        bool good;
        if (p->state == HTTP_PARSE_AT_DATA) {
            return take_data(p, input, ret_data);
        }
        if (p->state <= HTTP_PARSE_AT_SIZE_LF) {
            good = size_byte(p, input->ptr);
        } else if (p->state <= HTTP_PARSE_AT_DATA_LF) {
            good = data_end_byte(p, (uint8_t)*input->ptr);
        } else {
            good = trailer_byte(p, (uint8_t)*input->ptr);
        }
        if (!good) {
            p->state = HTTP_PARSE_AT_END;
            return HTTP_PARSE_BAD;
        }
        advance(input, 1);
        if (p->state == HTTP_PARSE_AT_END) {
            return HTTP_PARSE_DONE;
        }
    }
    return HTTP_PARSE_MORE;
}

enum http_parse_result http_parse_next(struct http_parse *p, struct slice *input,
                                       struct slice *ret_data) {
    if (p->framing == HTTP_FRAMING_CHUNKED) {
        return next_chunked(p, input, ret_data);
    }
    if (p->framing == HTTP_FRAMING_NONE || p->left == 0) {
        return HTTP_PARSE_DONE;
    }
    return input->len > 0 ? take_data(p, input, ret_data) : HTTP_PARSE_MORE;
}
