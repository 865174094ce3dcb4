/* SPDX-License-Identifier: MIT */
#include "http_driver.h"

#include <assert.h>
#include <string.h>

void http_driver_init(struct http_driver *d) {
    memset(d, 0, sizeof(*d));
    http_conn_init(&d->conn);
    buf_init(&d->out, 64 * 1024 * 1024);
}

void http_driver_clear(struct http_driver *d) {
    http_conn_clear(&d->conn);
    buf_clear(&d->out);
}

/* Small answers are empty when memory is short, as the server's are. */
static void answer(struct http_driver *d, int status, struct slice text) {
    struct buf body;
    buf_init(&body, DRIVER_BODY_MAX);
    struct http_answer a = {.status = status, .content_type = "application/json", .body = &body};
    if (buf_append_slice(&body, text, NULL) != EDGE_OK) {
        a.status = 503;
    }
    http_conn_answer(&d->conn, &a, DRIVER_DATE);
    assert(body.len == 0);
    buf_clear(&body);
    d->answers++;
}

static bool is_echo(const struct http_conn *c) {
    return slice_eq_str(c->head.method, "POST") && slice_starts_with(c->head.target, "/echo");
}

void http_driver_answer(struct http_driver *d) {
    assert(d->owes);
    d->owes = false;
    if (d->conn.refuse_status != 0) {
        answer(d, d->conn.refuse_status, slice_str(d->conn.refuse_reason));
    } else {
        answer(d, 200, is_echo(&d->conn) ? http_conn_body(&d->conn) : SLICE_LIT("{}"));
    }
    http_driver_run(d);
}

static bool send_some(struct http_driver *d) {
    struct slice parts[2];
    size_t cnt = http_conn_output(&d->conn, parts), sent = 0;
    for (size_t i = 0; i < cnt; i++) {
        size_t len = parts[i].len;
        if (d->send_max > 0 && len > d->send_max - sent) {
            len = d->send_max - sent;
        }
        assert(parts[i].len > 0);
        d->failed = d->failed || buf_append(&d->out, parts[i].ptr, len, NULL) != EDGE_OK;
        sent += len;
    }
    http_conn_sent(&d->conn, sent);
    return sent > 0;
}

void http_driver_run(struct http_driver *d) {
    for (;;) {
        switch (http_conn_next(&d->conn)) {
        case HTTP_CONN_HEAD:
            d->requests++;
            http_conn_read_body(&d->conn, is_echo(&d->conn) ? DRIVER_BODY_MAX : 0, false);
            break;
        case HTTP_CONN_REFUSED:
            assert(d->conn.refuse_status >= 400 && d->conn.refuse_reason != NULL);
            d->owes = true;
            if (!d->defer) {
                http_driver_answer(d);
                return;
            }
            break;
        case HTTP_CONN_MESSAGE:
            d->owes = true;
            if (!d->defer) {
                http_driver_answer(d);
                return;
            }
            break;
        case HTTP_CONN_WAIT:
            if (!send_some(d)) {
                return;
            }
            break;
        case HTTP_CONN_CLOSE:
            d->closed = true;
            d->lingers = http_conn_should_linger(&d->conn);
            return;
        }
    }
}

void http_driver_feed(struct http_driver *d, const void *bytes, size_t len) {
    while (len > 0) {
        size_t part = len < HTTP_READ_MAX ? len : HTTP_READ_MAX;
        http_conn_feed(&d->conn, bytes, part);
        http_driver_run(d);
        bytes = (const char *)bytes + part;
        len -= part;
    }
}

void http_driver_eof(struct http_driver *d) {
    http_conn_eof(&d->conn);
    http_driver_run(d);
}
