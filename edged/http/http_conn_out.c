/* SPDX-License-Identifier: MIT */
/*
 * The output half of a connection: heads, bodies and streams, in the order in which they are sent.
 * An answer's head always fits into memory that the connection has from the start.
 */
#include "http/http_conn.h"

#include "base/secret.h"

#include <string.h>

#define CHUNK_OVERHEAD 16 /* bytes; size in hex and two CRLF, for chunks below 4 GiB */
#define TYPE_MAX       128

struct reason {
    int status;
    const char *phrase;
};

static const struct reason reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

const char *http_conn_reason(int status) {
    for (size_t i = 0; i < EDGE_ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].phrase;
        }
    }
    /* Clients fail on a status line without a phrase, so there is always one. */
    return "Status";
}

/* Only called for what is known to fit: HTTP_OUT_FIXED is several times the largest head. */
static void put(struct http_conn *c, const void *bytes, size_t len) {
    if (len > sizeof(c->fixed) - c->fixed_len) {
        c->broken = true;
        return;
    }
    memcpy(c->fixed + c->fixed_len, bytes, len);
    c->fixed_len += len;
}

static void put_slice(struct http_conn *c, struct slice s) {
    if (s.len > 0) {
        put(c, s.ptr, s.len);
    }
}

#define PUT_LIT(c, text) put((c), (text), sizeof(text) - 1)

static void put_u64(struct http_conn *c, uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put(c, digits + at, sizeof(digits) - at);
}

void http_conn_put_continue(struct http_conn *c) {
    PUT_LIT(c, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* All of a head but its framing and the empty line. */
static void begin_head(struct http_conn *c, int status, const char *content_type,
                       const char *date) {
    c->keep_alive = http_conn_can_go_on(c);
    c->mute = status < 200 || status == 204 || status == 304;
    if (c->fixed_sent == c->fixed_len) {
        c->fixed_sent = 0;
        c->fixed_len = 0;
    }
    PUT_LIT(c, "HTTP/1.1 ");
    put_u64(c, (uint64_t)status);
    PUT_LIT(c, " ");
    put_slice(c, slice_str(http_conn_reason(status)));
    PUT_LIT(c, "\r\nDate: ");
    put_slice(c, slice_str(date));
    if (content_type != NULL && !c->mute) {
        struct slice type = slice_str(content_type);
        PUT_LIT(c, "\r\nContent-Type: ");
        put(c, type.ptr, type.len < TYPE_MAX ? type.len : TYPE_MAX);
    }
    if (!c->keep_alive) {
        PUT_LIT(c, "\r\nConnection: close\r\n");
    } else if (c->head.http_1_0) {
        PUT_LIT(c, "\r\nConnection: keep-alive\r\n");
    } else {
        PUT_LIT(c, "\r\n");
    }
}

static bool is_head_request(const struct http_conn *c) {
    return slice_eq_str(c->head.method, "HEAD");
}

void http_conn_answer(struct http_conn *c, const struct http_answer *a, const char *date) {
    size_t body_len = a->body != NULL ? a->body->len : 0;
    begin_head(c, a->status, a->content_type, date);
    if (a->retry_after_s > 0) {
        PUT_LIT(c, "Retry-After: ");
        put_u64(c, a->retry_after_s);
        PUT_LIT(c, "\r\n");
    }
    /* RFC 9110 section 8.6: not with 204; and a 304 must not announce the length of nothing. */
    if (!c->mute) {
        PUT_LIT(c, "Content-Length: ");
        put_u64(c, body_len);
        PUT_LIT(c, "\r\n\r\n");
    } else {
        PUT_LIT(c, "\r\n");
    }
    if (c->mute || is_head_request(c)) {
        body_len = 0;
    }
    if (body_len > 0 && body_len <= sizeof(c->fixed) - c->fixed_len) {
        c->sensitive = c->sensitive || a->body->sensitive;
        put(c, a->body->data, body_len);
    } else if (body_len > 0) {
        buf_clear(&c->out);
        c->out = *a->body;
        buf_init(a->body, a->body->max);
    }
    if (a->body != NULL) {
        buf_clear(a->body);
    }
    c->state = HTTP_CONN_AT_FLUSH;
}

void http_conn_stream_begin(struct http_conn *c, int status, const char *content_type,
                            const char *date) {
    if (c->head.http_1_0) {
        c->closing = true; /* only the end of the connection can tell the end of the stream */
    }
    begin_head(c, status, content_type, date);
    c->chunked = !c->head.http_1_0 && !c->mute;
    if (c->chunked) {
        PUT_LIT(c, "Transfer-Encoding: chunked\r\n\r\n");
    } else {
        PUT_LIT(c, "\r\n");
    }
    c->mute = c->mute || is_head_request(c);
    c->next.sensitive = c->sensitive;
    c->state = HTTP_CONN_AT_STREAM;
}

/* Appends one chunk; the buffer is unchanged when it does not fit. */
static bool put_chunk(struct http_conn *c, struct slice bytes) {
    uint8_t *at;
    if (bytes.len > HTTP_STREAM_MAX - CHUNK_OVERHEAD ||
        http_conn_queued(c) > HTTP_STREAM_MAX - CHUNK_OVERHEAD - bytes.len ||
        buf_reserve(&c->next, bytes.len + CHUNK_OVERHEAD, &at, NULL) != EDGE_OK) {
        return false;
    }
    uint8_t *start = at;
    if (c->chunked) {
        for (int shift = 28; shift >= 0; shift -= 4) {
            size_t rest = bytes.len >> shift;
            if (rest > 0) {
                *at++ = (uint8_t) "0123456789abcdef"[rest & 15];
            }
        }
        *at++ = '\r';
        *at++ = '\n';
    }
    memcpy(at, bytes.ptr, bytes.len);
    at += bytes.len;
    if (c->chunked) {
        *at++ = '\r';
        *at++ = '\n';
    }
    buf_added(&c->next, (size_t)(at - start));
    return true;
}

bool http_conn_stream_write(struct http_conn *c, struct slice bytes) {
    if (c->broken) {
        return false;
    }
    /* An empty chunk would end the stream. */
    if (bytes.len > 0 && !c->mute && !put_chunk(c, bytes)) {
        c->broken = true;
        return false;
    }
    return http_conn_queued(c) < HTTP_STREAM_HIGH;
}

void http_conn_stream_end(struct http_conn *c) {
    static const char last[] = "0\r\n\r\n";
    if (c->chunked && !c->mute && buf_append(&c->next, last, sizeof(last) - 1, NULL) != EDGE_OK) {
        c->broken = true;
    }
    c->state = HTTP_CONN_AT_FLUSH;
}

void http_conn_stream_break(struct http_conn *c) {
    c->chunked = false;
    c->keep_alive = false;
    c->state = HTTP_CONN_AT_FLUSH;
}

size_t http_conn_queued(const struct http_conn *c) {
    return c->fixed_len - c->fixed_sent + c->out.len - c->out_sent + c->next.len;
}

size_t http_conn_output(struct http_conn *c, struct slice ret_parts[2]) {
    size_t cnt = 0;
    if (c->out.len == c->out_sent && c->next.len > 0) {
        struct buf spare = c->out;
        buf_reset(&spare);
        c->out = c->next;
        c->out_sent = 0;
        c->next = spare;
        c->next.max = HTTP_STREAM_MAX;
        c->next.sensitive = c->out.sensitive;
    }
    if (c->fixed_len > c->fixed_sent) {
        ret_parts[cnt++] = slice_make(c->fixed + c->fixed_sent, c->fixed_len - c->fixed_sent);
    }
    if (c->out.len > c->out_sent) {
        ret_parts[cnt++] = slice_make(c->out.data + c->out_sent, c->out.len - c->out_sent);
    }
    return cnt;
}

void http_conn_sent(struct http_conn *c, size_t len) {
    size_t fixed = c->fixed_len - c->fixed_sent;
    if (fixed > len) {
        fixed = len;
    }
    c->fixed_sent += fixed;
    c->out_sent += len - fixed;
}

void http_conn_end_answer(struct http_conn *c) {
    if (c->sensitive) {
        secret_wipe(c->fixed, c->fixed_len);
    }
    c->sensitive = false;
    c->fixed_len = 0;
    c->fixed_sent = 0;
    if (c->out.cap > 0) {
        buf_clear(&c->out);
    }
    if (c->next.cap > 0) {
        buf_clear(&c->next);
    }
    c->out_sent = 0;
}
