/* SPDX-License-Identifier: MIT */
/*
 * What goes out and what is kept of the answer.
 */
#include "loop/http_client.h"

#include "base/clock.h"
#include "support/http_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_good_answer(void **state) {
    struct http_call c;
    http_call_get(&c, *state, "good", "/ok");
    assert_string_equal(c.error, "");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.status, 200);
    assert_string_equal(c.body, "hello");
    assert_string_equal(c.content_type, "text/plain");
    assert_string_equal(c.date, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(c.retry_after, "");
    assert_true(c.tls_verified);
    assert_int_equal(c.opened_cnt, 1);
    assert_int_equal(c.open_status, 200);
}

static void test_both_stores(void **state) {
    struct http_call c;
    http_call_get(&c, *state, "system", "/ok");
    assert_int_equal(c.code, EDGE_OK);
    http_call_get(&c, *state, "good", "/ok");
    assert_int_equal(c.code, EDGE_OK);
}

static void test_request_on_the_wire(void **state) {
    static const struct http_client_header headers[] = {
        {"Authorization", "SharedAccessSignature sr=x"}, {"X-Empty", ""}, {"If-Match", "*"}};
    struct http_call c;
    http_call_init(&c, *state, "good", "/echo?a=%2F..%2Fb");
    c.request.method = "PUT";
    c.request.headers = headers;
    c.request.header_cnt = EDGE_ARRAY_LEN(headers);
    c.request.body = SLICE_LIT("{\"a\":1}");
    c.request.sensitive = true;
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_OK);
    http_call_assert_contains(c.body, "PUT /echo?a=%2F..%2Fb HTTP/1.1\r\n");
    http_call_assert_contains(c.body, "\r\nAuthorization: SharedAccessSignature sr=x\r\n");
    http_call_assert_contains(c.body, "\r\nX-Empty:\r\n");
    http_call_assert_contains(c.body, "\r\nIf-Match: *\r\n");
    http_call_assert_contains(c.body, "\r\nUser-Agent: edged-test\r\n");
    http_call_assert_contains(c.body, "\r\nContent-Length: 7\r\n");
    http_call_assert_contains(c.body, "\r\n\r\n{\"a\":1}");
    http_call_assert_lacks(c.body, "Expect");
    http_call_assert_lacks(c.body, "Content-Type");
    http_call_assert_lacks(c.body, "Accept-Encoding");
}

static void test_methods(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "sock", "/echo");
    c.request.method = "POST";
    http_call_run(&c);
    http_call_assert_contains(c.body, "POST /echo HTTP/1.1\r\n");
    http_call_assert_contains(c.body, "\r\nContent-Length: 0");
    http_call_init(&c, *state, "sock", "/echo");
    c.request.method = "DELETE";
    http_call_run(&c);
    http_call_assert_contains(c.body, "DELETE /echo HTTP/1.1\r\n");
    http_call_assert_lacks(c.body, "Content-Length");
    http_call_init(&c, *state, "sock", "/ok");
    c.request.method = "HEAD";
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.body_len, 0);
    http_call_get(&c, *state, "sock", "/empty");
    assert_int_equal(c.status, 204);
}

static void test_statuses_are_answers(void **state) {
    struct http_call c;
    http_call_get(&c, *state, "good", "/busy");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.status, 429);
    assert_string_equal(c.retry_after, "7");
    http_call_get(&c, *state, "good", "/redirect");
    assert_int_equal(c.status, 302);
    assert_string_equal(c.body, "moved");
    http_call_get(&c, *state, "good", "/interim");
    assert_int_equal(c.status, 200);
    assert_string_equal(c.body, "final");
    assert_string_equal(c.retry_after, "");
    assert_int_equal(c.opened_cnt, 1);
}

static void test_chunked(void **state) {
    struct http_call c;
    http_call_get(&c, *state, "good", "/chunked");
    assert_int_equal(c.code, EDGE_OK);
    assert_string_equal(c.body, "one two three");
    assert_string_equal(c.retry_after, ""); /* a trailer is not a header */
}

static void test_no_cookies(void **state) {
    struct http_call c;
    http_call_get(&c, *state, "good", "/cookie");
    http_call_get(&c, *state, "good", "/echo");
    http_call_assert_lacks(c.body, "Cookie");
}

static void test_limits(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "good", "/big?bytes=1000");
    c.request.answer_max = 1000;
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.body_len, 1000);
    http_call_init(&c, *state, "good", "/big?bytes=1001");
    c.request.answer_max = 1000;
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_RANGE);
    http_call_assert_contains(c.error, "longer than 1000 bytes");
    http_call_expect_fault(*state, "good", "/big?bytes=1100000", EDGE_RANGE,
                           "longer than 1048576 bytes");
    http_call_get(&c, *state, "good", "/headers?count=6&size=10000");
    assert_int_equal(c.code, EDGE_OK);
    http_call_expect_fault(*state, "good", "/headers?count=7&size=10000", EDGE_RANGE, "headers");
    http_call_expect_fault(*state, "good", "/long-line", EDGE_RANGE, "headers");
}

static void test_refused_requests(void **state) {
    struct http_calls *f = *state;
    struct http_call c;
    struct op op = OP_NONE;
    struct edge_error err;
    http_call_init(&c, f, "good", "/ok");
    c.request.url = "http://127.0.0.1/";
    assert_int_equal(http_client_send(f->client, &c.request, &op, &err), EDGE_INVALID);
    assert_false(op_is_set(op));
    http_client_resume(f->client, OP_NONE);
    assert_int_equal(op_cnt(loop_ops(f->loop)), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, http_calls_set_up, http_calls_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_good_answer),          TEST(test_both_stores),
        TEST(test_request_on_the_wire),  TEST(test_methods),
        TEST(test_statuses_are_answers), TEST(test_chunked),
        TEST(test_no_cookies),           TEST(test_limits),
        TEST(test_refused_requests),
    };
    return cmocka_run_group_tests(tests, http_calls_start_server, http_calls_stop_server);
}
