/* SPDX-License-Identifier: MIT */
/*
 * A connection fed in pieces chosen by the input must say exactly what it says when fed at once;
 * every request gets one answer; every answer is well-formed; memory stays below the caps. The
 * first two bytes choose the pieces and how the output is taken.
 */
#include "unit/http_driver.h"

#include "conformance/http_answers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_caps(const struct http_conn *c) {
    require(c->in.len <= HTTP_HEAD_MAX && c->held.len <= HTTP_HELD_MAX);
    require(c->body.len <= DRIVER_BODY_MAX && c->fixed_len <= HTTP_OUT_FIXED);
    require(http_conn_queued(c) <= HTTP_STREAM_MAX);
}

static void feed(struct http_driver *d, const uint8_t *data, size_t size, size_t step) {
    for (size_t pos = 0; pos < size; pos += step) {
        http_driver_feed(d, data + pos, step < size - pos ? step : size - pos);
        check_caps(&d->conn);
        while (d->defer && d->owes) {
            http_driver_answer(d);
        }
    }
    http_driver_eof(d);
    while (d->owes) {
        http_driver_answer(d);
    }
    require(d->closed && !d->owes);
    require(d->requests <= d->answers + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_driver whole, pieces;
    struct http_answers answers;
    if (size < 2) {
        return 0;
    }
    http_driver_init(&whole);
    http_driver_init(&pieces);
    pieces.send_max = data[1] & 15;
    pieces.defer = (data[1] & 16) != 0;
    feed(&whole, data + 2, size - 2, size);
    feed(&pieces, data + 2, size - 2, (size_t)data[0] + 1);
    require(slice_eq(buf_slice(&whole.out), buf_slice(&pieces.out)));
    require(whole.lingers == pieces.lingers);
    http_answers_read((const char *)whole.out.data, whole.out.len, true,
                      memmem(data, size, "HEAD ", 5) != NULL, &answers);
    if (memmem(data, size, "HEAD ", 5) == NULL && answers.cnt < HTTP_ANSWERS_MAX) {
        require(answers.problem == NULL && answers.whole);
    }
    http_driver_clear(&whole);
    http_driver_clear(&pieces);
    return 0;
}
