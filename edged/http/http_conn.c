/* SPDX-License-Identifier: MIT */
/*
 * The input half of a connection: which bytes belong to which request, and whose turn it is. The
 * output half is in http_conn_out.c.
 */
#include "http/http_conn.h"

#include "base/secret.h"

#include <string.h>

void http_conn_init(struct http_conn *c) {
    memset(c, 0, sizeof(*c));
    buf_init_sensitive(&c->in, HTTP_HEAD_MAX); /* the beginning of a body comes along */
    buf_init(&c->body, HTTP_BODY_DEFAULT_MAX);
    buf_init_sensitive(&c->held, HTTP_HELD_MAX);
    buf_init(&c->out, HTTP_STREAM_MAX);
    buf_init(&c->next, HTTP_STREAM_MAX);
}

void http_conn_clear(struct http_conn *c) {
    buf_clear(&c->in);
    buf_clear(&c->body);
    buf_clear(&c->held);
    buf_clear(&c->out);
    buf_clear(&c->next);
    if (c->sensitive) {
        secret_wipe(c->fixed, c->fixed_len);
    }
    http_conn_init(c);
    c->state = HTTP_CONN_AT_END;
}

/* What is to be parsed next. */
static struct slice source(const struct http_conn *c) {
    if (c->held.len > c->held_used) {
        return slice_make(c->held.data + c->held_used, c->held.len - c->held_used);
    }
    return c->input;
}

static void consume(struct http_conn *c, size_t len) {
    if (c->held.len > c->held_used) {
        c->held_used += len;
        if (c->held_used == c->held.len) {
            buf_clear(&c->held);
            c->held_used = 0;
        }
    } else {
        c->input.ptr += len;
        c->input.len -= len;
    }
}

/* Keeps bytes for later. Without memory the connection still serves the present request. */
static void hold(struct http_conn *c, const void *bytes, size_t len) {
    if (c->deaf || len == 0) {
        return;
    }
    buf_consume(&c->held, c->held_used);
    c->held_used = 0;
    if (buf_append(&c->held, bytes, len, NULL) != EDGE_OK) {
        c->deaf = true;
        buf_clear(&c->held);
    }
}

static bool is_reading(const struct http_conn *c) {
    return c->state == HTTP_CONN_AT_HEAD || c->state == HTTP_CONN_AT_BODY;
}

void http_conn_feed(struct http_conn *c, const void *bytes, size_t len) {
    if (c->state == HTTP_CONN_AT_END || c->deaf) {
        return;
    }
    if (c->held.len == 0 && is_reading(c)) {
        c->input = slice_make(bytes, len);
    } else {
        hold(c, bytes, len);
    }
}

void http_conn_eof(struct http_conn *c) {
    c->eof = true;
}

bool http_conn_wants_input(const struct http_conn *c) {
    return c->held.len - c->held_used <= HTTP_HELD_MAX - HTTP_READ_MAX;
}

bool http_conn_is_idle(const struct http_conn *c) {
    return c->state == HTTP_CONN_AT_HEAD && c->in.len == 0 && source(c).len == 0 &&
           http_conn_queued(c) == 0;
}

bool http_conn_has_part(const struct http_conn *c) {
    return c->state == HTTP_CONN_AT_HEAD && c->in.len > 0;
}

bool http_conn_is_busy(const struct http_conn *c) {
    return c->state == HTTP_CONN_AT_DECISION || c->state == HTTP_CONN_AT_BODY ||
           c->state == HTTP_CONN_AT_HANDLER || c->state == HTTP_CONN_AT_STREAM;
}

bool http_conn_should_linger(const struct http_conn *c) {
    bool all_read = c->whole && !c->deaf && http_conn_wants_input(c);
    return c->state == HTTP_CONN_AT_END && !c->eof && !all_read;
}

void http_conn_no_keep_alive(struct http_conn *c) {
    c->closing = true;
}

struct slice http_conn_body(const struct http_conn *c) {
    return buf_slice(&c->body);
}

static enum http_conn_event refuse(struct http_conn *c, int status, const char *reason) {
    c->refuse_status = status;
    c->refuse_reason = reason;
    c->deaf = true;
    c->input.len = 0;
    buf_clear(&c->held);
    c->held_used = 0;
    c->state = HTTP_CONN_AT_DECISION;
    return HTTP_CONN_REFUSED;
}

static void forget(struct buf *b) {
    if (b->cap > HTTP_KEEP_MAX) {
        buf_clear(b);
    } else {
        buf_truncate(b, 0); /* the rest of its memory is clean already */
    }
}

/* Forgets the last request. */
static void begin_request(struct http_conn *c) {
    forget(&c->in);
    forget(&c->body);
    c->scanned = 0;
    c->line_skipped = false;
    c->body_seen = 0;
    c->whole = false;
    c->head = (struct http_head){0};
    c->state = HTTP_CONN_AT_HEAD;
}

/* Appends what may belong to the head; false without memory. */
static bool gather_head(struct http_conn *c, struct slice src, size_t *ret_before) {
    size_t room = HTTP_HEAD_MAX - c->in.len;
    *ret_before = c->in.len;
    return buf_append(&c->in, src.ptr, src.len < room ? src.len : room, NULL) == EDGE_OK;
}

/* RFC 9112 section 2.2: one empty line before a request is passed over. */
static bool skip_line(struct http_conn *c) {
    if (c->line_skipped || c->in.len < 2 || memcmp(c->in.data, "\r\n", 2) != 0) {
        return false;
    }
    c->line_skipped = true;
    buf_consume(&c->in, 2);
    c->scanned = 0;
    return true;
}

static enum http_conn_event on_head_end(struct http_conn *c, size_t len) {
    const char *reason = NULL;
    buf_truncate(&c->in, len);
    int status = http_head_parse(c->in.data, len, &c->head, &reason);
    if (status != 0) {
        c->head = (struct http_head){0};
        return refuse(c, status, reason);
    }
    c->whole = c->head.framing != HTTP_FRAMING_CHUNKED && c->head.content_length == 0;
    c->state = HTTP_CONN_AT_DECISION;
    return HTTP_CONN_HEAD;
}

static enum http_conn_event next_head(struct http_conn *c) {
    for (;;) {
        struct slice src = source(c);
        size_t before, len;
        if (src.len == 0 && !c->eof) {
            return HTTP_CONN_WAIT;
        }
        if (src.len == 0 && c->in.len == 0) {
            c->state = HTTP_CONN_AT_END;
            return HTTP_CONN_CLOSE;
        }
        if (src.len == 0) {
            return refuse(c, 400, "request ended early");
        }
        if (!gather_head(c, src, &before)) {
            return refuse(c, 503, "out of memory");
        }
        size_t gathered = c->in.len - before;
        size_t skipped = skip_line(c) ? 2 : 0;
        switch (http_head_find_end(c->in.data, c->in.len, c->scanned, &len)) {
        case HTTP_HEAD_FOUND:
            consume(c, len + skipped - before);
            return on_head_end(c, len);
        case HTTP_HEAD_BARE_LF:
            return refuse(c, 400, "bare line feed");
        case HTTP_HEAD_TOO_LARGE:
            return refuse(c, 431, "request head too large");
        case HTTP_HEAD_MORE:
            /* Only the last line is looked at again, for its CRLF. */
            c->scanned = c->in.len;
            consume(c, gathered);
            break;
        }
    }
}

void http_conn_read_body(struct http_conn *c, size_t max, bool sensitive) {
    const struct http_head *head = &c->head;
    c->sensitive = sensitive;
    c->body.sensitive = sensitive;
    c->body_drop = max == 0;
    c->body_max = max == 0 ? HTTP_BODY_SKIP_MAX : max;
    c->body.max = c->body_max;
    c->state = HTTP_CONN_AT_BODY;
    http_parse_begin(&c->parse, head->framing, head->content_length);
    bool too_large = head->framing == HTTP_FRAMING_LENGTH && head->content_length > c->body_max;
    bool has_body = head->framing == HTTP_FRAMING_CHUNKED || head->content_length > 0;
    if (too_large) {
        c->body_seen = SIZE_MAX;
    } else if (has_body && head->expect_continue) {
        http_conn_put_continue(c);
    }
}

static enum http_conn_event next_body(struct http_conn *c) {
    for (;;) {
        struct slice src = source(c), data;
        size_t before = src.len;
        if (c->body_seen > c->body_max) {
            return refuse(c, 413, "request body too large");
        }
        enum http_parse_result result = http_parse_next(&c->parse, &src, &data);
        if (result == HTTP_PARSE_DATA) {
            c->body_seen += data.len;
            if (c->body_seen <= c->body_max && !c->body_drop &&
                buf_append_slice(&c->body, data, NULL) != EDGE_OK) {
                return refuse(c, 503, "out of memory");
            }
        }
        consume(c, before - src.len);
        switch (result) {
        case HTTP_PARSE_DATA:
            break;
        case HTTP_PARSE_DONE:
            c->whole = true;
            c->state = HTTP_CONN_AT_HANDLER;
            return HTTP_CONN_MESSAGE;
        case HTTP_PARSE_BAD:
            return refuse(c, 400, "malformed chunked body");
        case HTTP_PARSE_MORE:
            return c->eof ? refuse(c, 400, "request ended early") : HTTP_CONN_WAIT;
        }
    }
}

/* The driver has to do something first: keeps what it has fed. */
static enum http_conn_event pause_input(struct http_conn *c) {
    struct slice rest = c->input;
    c->input.len = 0;
    hold(c, rest.ptr, rest.len);
    return HTTP_CONN_WAIT;
}

enum http_conn_event http_conn_next(struct http_conn *c) {
    if (c->broken) {
        c->state = HTTP_CONN_AT_END;
    }
    if (c->state == HTTP_CONN_AT_FLUSH && http_conn_queued(c) == 0) {
        http_conn_end_answer(c);
        if (c->keep_alive) {
            begin_request(c);
        } else {
            c->state = HTTP_CONN_AT_END;
        }
    }
    switch (c->state) {
    case HTTP_CONN_AT_HEAD:
        return next_head(c);
    case HTTP_CONN_AT_BODY:
        return next_body(c);
    case HTTP_CONN_AT_END:
        c->input.len = 0;
        return HTTP_CONN_CLOSE;
    case HTTP_CONN_AT_DECISION:
    case HTTP_CONN_AT_HANDLER:
    case HTTP_CONN_AT_STREAM:
    case HTTP_CONN_AT_FLUSH:
        break;
    }
    return pause_input(c);
}

bool http_conn_can_go_on(const struct http_conn *c) {
    bool more = !c->eof || source(c).len > 0;
    return c->head.keep_alive && c->whole && more && !c->deaf && !c->closing;
}
