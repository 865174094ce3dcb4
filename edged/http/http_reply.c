/* SPDX-License-Identifier: MIT */
/*
 * The shapes of answers. Everything ends in http_exchange_answer, or in a stream.
 */
#include "http/http_reply.h"

#include "base/json.h"
#include "http/http_exchange.h"

#define MESSAGE_MAX 4096 /* bytes of an error answer */

static void reply(struct http_exchange *x, int status, const char *content_type,
                  unsigned retry_after_s, struct buf *body) {
    const struct http_answer answer = {
        .status = status,
        .content_type = content_type,
        .retry_after_s = retry_after_s,
        .body = body,
    };
    if (http_exchange_may_answer(x)) {
        http_exchange_answer(x, &answer);
    } else if (body != NULL) {
        buf_clear(body);
    }
}

void http_reply_json(struct http_exchange *x, int status, struct buf *body) {
    reply(x, status, "application/json", 0, body);
}

void http_reply_busy(struct http_exchange *x, int status, unsigned retry_after_s,
                     const char *message) {
    struct buf body;
    struct json_writer w;
    buf_init(&body, MESSAGE_MAX);
    json_begin(&w, &body);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "message", message);
    json_object_close(&w);
    /* Without memory, and for a monstrous text, the status has to speak for itself. */
    if (json_end(&w, NULL) == EDGE_OK) {
        reply(x, status, "application/json", retry_after_s, &body);
    } else {
        reply(x, status, NULL, retry_after_s, NULL);
    }
    buf_clear(&body);
}

void http_reply_error(struct http_exchange *x, int status, const char *message) {
    http_reply_busy(x, status, 0, message);
}

void http_reply_empty(struct http_exchange *x, int status) {
    reply(x, status, NULL, 0, NULL);
}

void http_reply_stream_begin(struct http_exchange *x, int status, const char *content_type,
                             void (*on_writable)(void *data), void (*on_gone)(void *data),
                             void *data) {
    if (!http_exchange_may_answer(x)) {
        return;
    }
    x->on_writable = on_writable;
    x->on_gone = on_gone;
    x->stream_data = data;
    if (x->core->draining) {
        http_conn_no_keep_alive(&x->conn);
    }
    http_conn_stream_begin(&x->conn, status, content_type, http_exchange_date(x));
    http_exchange_stream_started(x, status);
}

bool http_reply_stream_write(struct http_exchange *x, struct slice bytes) {
    if (x->dead || x->phase != HTTP_PHASE_STREAM) {
        return false;
    }
    bool writable = http_conn_stream_write(&x->conn, bytes);
    return http_exchange_stream_written(x, bytes.len, writable);
}

static void end_stream(struct http_exchange *x, bool whole) {
    if (x->phase != HTTP_PHASE_STREAM) {
        return;
    }
    if (x->dead) { /* and not released yet: the source, which has ended, must not hear of that */
        http_exchange_stream_forgotten(x);
        return;
    }
    if (whole) {
        http_conn_stream_end(&x->conn);
    } else {
        http_conn_stream_break(&x->conn);
    }
    http_exchange_stream_ended(x);
}

void http_reply_stream_end(struct http_exchange *x) {
    end_stream(x, true);
}

void http_reply_stream_break(struct http_exchange *x) {
    end_stream(x, false);
}
