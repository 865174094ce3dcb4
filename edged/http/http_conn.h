/* SPDX-License-Identifier: MIT */
/*
 * One HTTP/1.1 connection as a pure state machine: bytes in, requests out; answers in, bytes out.
 * It knows no socket, no clock and no route, so that tests and fuzzers can drive it in memory.
 *
 * One request at a time: what arrives while a request is being served is kept, up to HTTP_HELD_MAX,
 * and parsed after the answer has been handed out. The driver's turn is always the same:
 * http_conn_feed (or http_conn_eof), then http_conn_next until it says WAIT or CLOSE, then send
 * what http_conn_output has.
 */
#ifndef HTTP_HTTP_CONN_H
#define HTTP_HTTP_CONN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "http/http_head.h"
#include "http/http_limits.h"
#include "http/http_parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_conn_event {
    HTTP_CONN_WAIT,    /* nothing to do before more bytes, an answer, or output that is sent */
    HTTP_CONN_HEAD,    /* a head: call http_conn_read_body, or answer at once */
    HTTP_CONN_MESSAGE, /* the request is whole: answer it */
    HTTP_CONN_REFUSED, /* not HTTP: answer with refuse_status and refuse_reason */
    HTTP_CONN_CLOSE,   /* close, after what http_conn_output has is sent */
};

enum http_conn_state {
    HTTP_CONN_AT_HEAD,
    HTTP_CONN_AT_DECISION, /* the driver owes http_conn_read_body or an answer */
    HTTP_CONN_AT_BODY,
    HTTP_CONN_AT_HANDLER, /* the driver owes an answer */
    HTTP_CONN_AT_STREAM,  /* the driver owes more of a stream answer, or its end */
    HTTP_CONN_AT_FLUSH,   /* answered; not all of it sent */
    HTTP_CONN_AT_END,     /* no further request; input is dropped */
};

struct http_conn {
    enum http_conn_state state;
    int refuse_status;
    const char *refuse_reason;

    struct http_head head; /* of the request being served; views of `in` */
    struct buf in;
    size_t scanned;    /* bytes of `in` in which no end was found */
    bool line_skipped; /* one empty line before the head was passed over */

    struct http_parse parse;
    struct buf body;
    size_t body_max;
    size_t body_seen;
    bool body_drop; /* read, but not kept */
    bool whole;     /* the request has been read to its end */

    struct slice input; /* fed and not yet used; the driver's until WAIT or CLOSE */
    struct buf held;
    size_t held_used;
    bool eof;
    bool deaf;    /* what comes now cannot be understood any more and is dropped */
    bool closing; /* no keep-alive from now on */

    bool keep_alive; /* of the present answer */
    bool chunked;    /* of the present stream answer */
    bool mute;       /* the present answer may not have a body */
    bool broken;     /* memory or a limit failed in the middle of an answer */
    bool sensitive;
    uint8_t fixed[HTTP_OUT_FIXED];
    size_t fixed_len;
    size_t fixed_sent;
    struct buf out; /* follows fixed; not touched while it is being sent */
    size_t out_sent;
    struct buf next; /* what a stream wrote meanwhile */
};

/* No allocation. */
void http_conn_init(struct http_conn *c);

/* Releases everything, wiping what is sensitive. Idempotent. */
void http_conn_clear(struct http_conn *c);

/* Hands in bytes, at most HTTP_READ_MAX. They must stay valid until http_conn_next has said WAIT or
 * CLOSE. */
void http_conn_feed(struct http_conn *c, const void *bytes, size_t len);

/* No more bytes will come: the peer has closed, or shut its writing side. Requests that are
 * complete are still served. */
void http_conn_eof(struct http_conn *c);

/* What to do next. HEAD, MESSAGE and REFUSED come once for each occasion. */
enum http_conn_event http_conn_next(struct http_conn *c);

/* False while so much is held that the driver should stop reading. */
bool http_conn_wants_input(const struct http_conn *c);

/* True between requests: nothing of a next one has arrived, and nothing is left to send. */
bool http_conn_is_idle(const struct http_conn *c);

/* True when a part of a head has arrived, but not all of it. */
bool http_conn_has_part(const struct http_conn *c);

/* True when a request is being served and has no (complete) answer yet. */
bool http_conn_is_busy(const struct http_conn *c);

/* True when the peer may still be sending a request that was answered early: closing at once could
 * destroy the answer (RFC 9112 section 9.6). */
bool http_conn_should_linger(const struct http_conn *c);

/* After HEAD: read the body, at most max bytes; with max 0 it is read and dropped. A request
 * announced as larger becomes REFUSED with 413. sensitive: wipe the request and its answer after
 * use. */
void http_conn_read_body(struct http_conn *c, size_t max, bool sensitive);

/* Of the request being served; valid until its answer. */
struct slice http_conn_body(const struct http_conn *c);

struct http_answer {
    int status;
    const char *content_type; /* NULL: none. At most 128 bytes, ours, not from outside */
    unsigned retry_after_s;   /* 0: none */
    struct buf *body;         /* content is taken over; NULL: none */
};

/* Answers the request, which must not have an answer yet, or tells a client without one why it is
 * turned away. date: for the Date field, CLOCK_HTTP_LEN - 1 bytes. Needs no memory, so never fails.
 */
void http_conn_answer(struct http_conn *c, const struct http_answer *a, const char *date);

/* The next answer and every later one close the connection. */
void http_conn_no_keep_alive(struct http_conn *c);

/* Stream answers: chunked, or to the end of the connection for HTTP/1.0. write returns false when
 * the stream should pause until http_conn_queued() is small; it breaks the connection above
 * HTTP_STREAM_MAX or without memory, which http_conn_next tells with CLOSE. */
void http_conn_stream_begin(struct http_conn *c, int status, const char *content_type,
                            const char *date);
bool http_conn_stream_write(struct http_conn *c, struct slice bytes);
void http_conn_stream_end(struct http_conn *c);
void http_conn_stream_break(struct http_conn *c); /* no end is marked, but by closing */

/* Bytes to send, in order; returns how many slices (0: nothing). They stay valid and unchanged
 * until they are reported as sent, or http_conn_clear. */
size_t http_conn_output(struct http_conn *c, struct slice ret_parts[2]);
void http_conn_sent(struct http_conn *c, size_t len);

/* All bytes not yet sent. */
size_t http_conn_queued(const struct http_conn *c);

/* Reason phrase of a status; never NULL. */
const char *http_conn_reason(int status);

/* --- Between http_conn.c and http_conn_out.c --- */

/* Whether another request may follow the one that is being answered. */
bool http_conn_can_go_on(const struct http_conn *c);
void http_conn_put_continue(struct http_conn *c);
void http_conn_end_answer(struct http_conn *c); /* all of it is sent */

#endif
