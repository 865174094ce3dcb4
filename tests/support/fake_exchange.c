/* SPDX-License-Identifier: MIT */
/*
 * See fake_exchange.h.
 */
#include "fake_exchange.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MAX (1024 * 1024)

struct http_exchange {
    void *context;
    struct slice body;
    struct slice params[2];
    struct slice target;
    bool gone;
    bool detached;
    struct op op;
    unsigned answers;
    int status;
    unsigned retry_after_s;
    bool sensitive;
    bool streaming, slow, broken_off;
    void (*on_writable)(void *data);
    void (*on_gone)(void *data);
    void *stream_data;
    char text[ANSWER_MAX + 1];
};

static struct http_exchange x;
static const struct op handle = {1, 1};

struct http_exchange *fake_exchange(void *context) {
    memset(&x, 0, sizeof(x));
    x.context = context;
    return &x;
}

void fake_exchange_set_body(const char *json) {
    x.body = slice_str(json);
}

void fake_exchange_set_params(const char *first, const char *second) {
    x.params[0] = slice_str(first);
    x.params[1] = slice_str(second);
}

void fake_exchange_set_target(const char *target) {
    x.target = slice_str(target);
}

void fake_exchange_leave(void) {
    x.gone = true;
    if (x.streaming) {
        x.streaming = false;
        x.on_gone(x.stream_data);
    }
}

unsigned fake_exchange_answers(void) {
    return x.answers;
}

int fake_exchange_status(void) {
    return x.status;
}

const char *fake_exchange_text(void) {
    return x.text;
}

unsigned fake_exchange_retry_after(void) {
    return x.retry_after_s;
}

bool fake_exchange_detached(void) {
    return x.detached;
}

bool fake_exchange_has_op(void) {
    return op_is_set(x.op);
}

bool fake_exchange_was_sensitive(void) {
    return x.sensitive;
}

bool fake_exchange_is_streaming(void) {
    return x.streaming;
}

bool fake_exchange_broke_off(void) {
    return x.broken_off;
}

void fake_exchange_set_slow(bool slow) {
    x.slow = slow;
}

void fake_exchange_drain(void) {
    x.slow = false;
    x.on_writable(x.stream_data);
}

void fake_exchange_end(void) {
    assert(x.answers == (x.gone ? 0 : 1));
}

/* --- http_server.h --- */

struct http_server *http_exchange_server(struct http_exchange *e) {
    return (struct http_server *)e;
}

void *http_exchange_context(const struct http_exchange *e) {
    return e->context;
}

struct slice http_exchange_param(const struct http_exchange *e, size_t index) {
    return e->params[index];
}

struct slice http_exchange_target(const struct http_exchange *e) {
    return e->target;
}

struct slice http_exchange_body(const struct http_exchange *e) {
    return e->body;
}

struct op http_exchange_handle(const struct http_exchange *e) {
    (void)e;
    return handle;
}

struct http_exchange *http_exchange_from(struct http_server *s, struct op h) {
    assert((void *)s == (void *)&x && h.index == handle.index);
    return x.gone || x.streaming || x.answers > 0 ? NULL : &x;
}

void http_exchange_set_op(struct http_exchange *e, struct op op) {
    e->op = op;
}

void http_exchange_detach(struct http_exchange *e) {
    e->detached = true;
}

/* --- http_reply.h --- */

static void answered(struct http_exchange *e, int status, const char *text, size_t len) {
    assert(!e->gone && e->answers == 0 && len <= ANSWER_MAX);
    e->answers++;
    e->status = status;
    if (len > 0) {
        memcpy(e->text, text, len);
    }
    e->text[len] = '\0';
}

void http_reply_json(struct http_exchange *e, int status, struct buf *body) {
    e->sensitive = body->sensitive;
    answered(e, status, (const char *)body->data, body->len);
    buf_clear(body);
}

void http_reply_error(struct http_exchange *e, int status, const char *message) {
    answered(e, status, message, strlen(message));
}

void http_reply_busy(struct http_exchange *e, int status, unsigned retry_after_s,
                     const char *message) {
    e->retry_after_s = retry_after_s;
    http_reply_error(e, status, message);
}

void http_reply_empty(struct http_exchange *e, int status) {
    answered(e, status, NULL, 0);
}

void http_reply_stream_begin(struct http_exchange *e, int status, const char *content_type,
                             void (*on_writable)(void *data), void (*on_gone)(void *data),
                             void *data) {
    assert(!e->gone && e->answers == 0 && !e->streaming && content_type == NULL);
    e->status = status;
    e->streaming = true;
    e->on_writable = on_writable;
    e->on_gone = on_gone;
    e->stream_data = data;
}

bool http_reply_stream_write(struct http_exchange *e, struct slice bytes) {
    assert(e->streaming);
    strncat(e->text, bytes.ptr, bytes.len);
    return !e->slow;
}

void http_reply_stream_end(struct http_exchange *e) {
    assert(e->streaming);
    e->streaming = false;
    e->answers++;
}

void http_reply_stream_break(struct http_exchange *e) {
    http_reply_stream_end(e);
    e->broken_off = true;
}
