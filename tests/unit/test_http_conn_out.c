/* SPDX-License-Identifier: MIT */
#include "http_driver.h"

#include "conformance/http_answers.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct http_conn conn;

/* A connection with one whole request. */
static void with_request(const char *bytes) {
    http_conn_init(&conn);
    http_conn_feed(&conn, bytes, strlen(bytes));
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_HEAD);
    http_conn_read_body(&conn, 0, false);
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_MESSAGE);
}

/* Sends everything, a few bytes at a time. */
static void drain(struct buf *out, size_t max) {
    struct slice parts[2];
    size_t cnt;
    while ((cnt = http_conn_output(&conn, parts)) > 0) {
        size_t len = parts[0].len < max ? parts[0].len : max;
        assert_int_equal(buf_append(out, parts[0].ptr, len, NULL), EDGE_OK);
        http_conn_sent(&conn, len);
    }
}

static bool contains(const struct buf *out, const char *text) {
    return memmem(out->data, out->len, text, strlen(text)) != NULL;
}

/* The whole answer to `request`, with a body of body_len bytes. */
static void answer(const char *request, int status, size_t body_len, struct buf *out) {
    struct buf body;
    with_request(request);
    buf_init(&body, 1024 * 1024);
    for (size_t i = 0; i < body_len; i++) {
        assert_int_equal(buf_append_byte(&body, 'b', NULL), EDGE_OK);
    }
    const struct http_answer a = {
        .status = status, .content_type = "application/json", .body = &body};
    http_conn_answer(&conn, &a, DRIVER_DATE);
    assert_int_equal(body.len, 0);
    assert_null(body.data);
    buf_init(out, 2 * 1024 * 1024);
    drain(out, 1000);
    assert_int_equal(http_conn_queued(&conn), 0);
    http_conn_clear(&conn);
}

static void test_exact_bytes(void **state) {
    (void)state;
    struct buf out;
    answer("GET / HTTP/1.1\r\n\r\n", 200, 2, &out);
    assert_true(slice_eq_str(buf_slice(&out), "HTTP/1.1 200 OK\r\nDate: " DRIVER_DATE
                                              "\r\nContent-Type: application/json\r\n"
                                              "Content-Length: 2\r\n\r\nbb"));
    buf_clear(&out);
    answer("HEAD / HTTP/1.1\r\n\r\n", 200, 12345, &out);
    assert_true(contains(&out, "Content-Length: 12345\r\n\r\n"));
    assert_true(slice_ends_with(buf_slice(&out), "\r\n\r\n"));
    buf_clear(&out);
    answer("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 204, 2, &out);
    assert_true(slice_eq_str(buf_slice(&out), "HTTP/1.1 204 No Content\r\nDate: " DRIVER_DATE
                                              "\r\nConnection: keep-alive\r\n\r\n"));
    buf_clear(&out);
}

static void test_bodies_of_all_sizes(void **state) {
    (void)state;
    /* Around the size that still fits behind the head. */
    for (size_t len = 1800; len < 2100; len++) {
        struct buf out;
        struct http_answers answers;
        answer("GET / HTTP/1.1\r\n\r\n", 200, len, &out);
        http_answers_read((const char *)out.data, out.len, false, false, &answers);
        assert_null(answers.problem);
        assert_true(answers.whole && answers.cnt == 1 && answers.body_lens[0] == len);
        buf_clear(&out);
    }
}

static void test_every_status_has_a_phrase(void **state) {
    (void)state;
    for (int status = 200; status < 600; status++) {
        struct buf out;
        struct http_answers answers;
        answer("GET / HTTP/1.1\r\n\r\n", status, 1, &out);
        http_answers_read((const char *)out.data, out.len, false, false, &answers);
        assert_null(answers.problem);
        assert_int_equal(answers.statuses[0], status);
        assert_true(strlen(http_conn_reason(status)) > 0);
        buf_clear(&out);
    }
    assert_string_equal(http_conn_reason(404), "Not Found");
    assert_string_equal(http_conn_reason(299), "Status");
}

static void test_stream(void **state) {
    (void)state;
    struct buf out;
    struct http_answers answers;
    char bytes[300];
    memset(bytes, 's', sizeof(bytes));
    buf_init(&out, 1024 * 1024);
    with_request("GET / HTTP/1.1\r\n\r\n");
    http_conn_stream_begin(&conn, 200, "text/plain", DRIVER_DATE);
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_WAIT);
    assert_true(http_conn_stream_write(&conn, slice_make(bytes, sizeof(bytes))));
    assert_true(http_conn_stream_write(&conn, slice_make(bytes, 0)));
    drain(&out, 7);
    assert_true(http_conn_stream_write(&conn, slice_make(bytes, 1)));
    assert_true(http_conn_stream_write(&conn, slice_make(bytes, 16)));
    drain(&out, 7);
    http_conn_stream_end(&conn);
    drain(&out, 7);
    http_answers_read((const char *)out.data, out.len, false, false, &answers);
    assert_null(answers.problem);
    assert_true(answers.whole && answers.body_lens[0] == sizeof(bytes) + 17);
    assert_true(contains(&out, "\r\n12c\r\n") && contains(&out, "\r\n10\r\n"));
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_WAIT);
    assert_true(http_conn_is_idle(&conn));
    http_conn_clear(&conn);
    buf_clear(&out);
}

static void test_stream_to_old_and_mute_clients(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    with_request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    http_conn_stream_begin(&conn, 200, NULL, DRIVER_DATE);
    assert_true(http_conn_stream_write(&conn, SLICE_LIT("raw")));
    http_conn_stream_end(&conn);
    drain(&out, 100);
    assert_true(slice_ends_with(buf_slice(&out), "Connection: close\r\n\r\nraw"));
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_CLOSE);
    http_conn_clear(&conn);
    buf_reset(&out);

    with_request("HEAD / HTTP/1.1\r\n\r\n");
    http_conn_stream_begin(&conn, 200, NULL, DRIVER_DATE);
    assert_true(http_conn_stream_write(&conn, SLICE_LIT("raw")));
    http_conn_stream_end(&conn);
    drain(&out, 100);
    assert_true(slice_ends_with(buf_slice(&out), "Transfer-Encoding: chunked\r\n\r\n"));
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_WAIT);
    http_conn_clear(&conn);
    buf_clear(&out);
}

static void test_stream_breaks_off(void **state) {
    static const char *const versions[] = {"1.1", "1.0"};
    char request[64];
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(versions); i++) {
        (void)snprintf(request, sizeof(request), "GET / HTTP/%s\r\n\r\n", versions[i]);
        with_request(request);
        http_conn_stream_begin(&conn, 200, NULL, DRIVER_DATE);
        assert_true(http_conn_stream_write(&conn, SLICE_LIT("half")));
        http_conn_stream_break(&conn);
        assert_int_equal(http_conn_next(&conn), HTTP_CONN_WAIT);
        drain(&out, 7);
        assert_true(slice_ends_with(buf_slice(&out), i == 0 ? "\r\n4\r\nhalf\r\n" : "\r\nhalf"));
        assert_int_equal(http_conn_next(&conn), HTTP_CONN_CLOSE);
        http_conn_clear(&conn);
        buf_reset(&out);
    }
    buf_clear(&out);
}

/* A source that does not listen ends the connection, not the memory. */
static void test_stream_is_bounded(void **state) {
    (void)state;
    char *bytes = calloc(1, 65536);
    size_t written = 0;
    assert_non_null(bytes);
    with_request("GET / HTTP/1.1\r\n\r\n");
    http_conn_stream_begin(&conn, 200, NULL, DRIVER_DATE);
    while (http_conn_stream_write(&conn, slice_make(bytes, 65536))) {
        written += 65536;
    }
    assert_true(written >= HTTP_STREAM_HIGH - 65536 && written <= HTTP_STREAM_HIGH);
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_WAIT);
    while (!conn.broken) {
        assert_false(http_conn_stream_write(&conn, slice_make(bytes, 65536)));
        assert_true(http_conn_queued(&conn) <= HTTP_STREAM_MAX);
    }
    assert_false(http_conn_stream_write(&conn, slice_make(bytes, 1)));
    assert_int_equal(http_conn_next(&conn), HTTP_CONN_CLOSE);
    http_conn_clear(&conn);
    free(bytes);
}

static enum edge_code stream_some(void *data) {
    struct slice parts[2];
    (void)data;
    http_conn_init(&conn);
    http_conn_feed(&conn, "GET / HTTP/1.1\r\n\r\n", 18);
    enum edge_code code = http_conn_next(&conn) == HTTP_CONN_HEAD ? EDGE_OK : EDGE_NOMEM;
    if (code == EDGE_OK) {
        http_conn_read_body(&conn, 0, false);
        (void)http_conn_next(&conn);
        http_conn_stream_begin(&conn, 200, NULL, DRIVER_DATE);
        (void)http_conn_stream_write(&conn, SLICE_LIT("some"));
        (void)http_conn_output(&conn, parts);
        (void)http_conn_stream_write(&conn, SLICE_LIT("more"));
        http_conn_stream_end(&conn);
        code = conn.broken ? EDGE_NOMEM : EDGE_OK;
        assert_int_equal(http_conn_next(&conn), conn.broken ? HTTP_CONN_CLOSE : HTTP_CONN_WAIT);
    }
    http_conn_clear(&conn);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(stream_some, NULL) >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_bytes),
        cmocka_unit_test(test_bodies_of_all_sizes),
        cmocka_unit_test(test_every_status_has_a_phrase),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_to_old_and_mute_clients),
        cmocka_unit_test(test_stream_breaks_off),
        cmocka_unit_test(test_stream_is_bounded),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
