/* SPDX-License-Identifier: MIT */
/*
 * What callers are told when a request fails.
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

static void test_broken_answers(void **state) {
    http_call_expect_fault(*state, "good", "/partial?then=close", EDGE_NET,
                           "'127.0.0.1' closed the connection in the middle");
    http_call_expect_fault(*state, "sock", "/partial?then=close", EDGE_NET, "in the middle");
    http_call_expect_fault(*state, "sock", "/partial?then=reset", EDGE_NET, http_calls_server.sock);
    http_call_expect_fault(*state, "good", "/partial?then=reset", EDGE_NET, "'127.0.0.1'");
    http_call_expect_fault(*state, "good", "/reset", EDGE_NET, "'127.0.0.1'");
    http_call_expect_fault(*state, "good", "/none", EDGE_NET, "'127.0.0.1'");
    http_call_expect_fault(*state, "sock", "/none", EDGE_NET, "without an answer");
    http_call_expect_fault(*state, "good", "/garbage", EDGE_PROTO, "not HTTP");
    http_call_expect_fault(*state, "good", "/bad-chunk", EDGE_NET, "'127.0.0.1'");
}

static void test_certificates(void **state) {
    http_call_expect_fault(*state, "stranger", "/ok", EDGE_NET,
                           "certificate of '127.0.0.1' is not trusted");
    http_call_expect_fault(*state, "misnamed", "/ok", EDGE_NET,
                           "certificate of '127.0.0.1' is not valid");
    http_call_expect_fault(*state, "expired", "/ok", EDGE_NET, "expired");
    http_call_expect_fault(*state, "old", "/ok", EDGE_NET, "TLS");
}

static void test_nobody_there(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "good", "/");
    c.request.url = "https://127.0.0.1:1/";
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_NET);
    http_call_assert_contains(c.error, "could not connect to '127.0.0.1': Connection refused");
    http_call_init(&c, *state, "sock", "/");
    c.request.unix_path = "/nonexistent/engine.sock";
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_NET);
    http_call_assert_contains(c.error, "'/nonexistent/engine.sock': No such file");
    http_call_init(&c, *state, "good", "/");
    c.request.url = "https://name.invalid/";
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_NET);
    http_call_assert_contains(c.error, "could not find the address of 'name.invalid'");
}

static void test_timeouts(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "good", "/silence");
    c.request.timeout_ms = 1000; /* enough to connect on a busy machine */
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_TIMEOUT);
    http_call_assert_contains(c.error, "no complete answer from '127.0.0.1' in time");
    http_call_init(&c, *state, "mute", "/"); /* accepts, but never speaks TLS */
    c.request.timeout_ms = 100;
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_TIMEOUT);
    http_call_assert_contains(c.error, "could not connect to '127.0.0.1' in time");
}

static void test_stall(void **state) {
    static const char *const paths[] = {"/silence", "/partial?then=silence"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(paths); i++) {
        struct http_call c;
        http_call_init(&c, *state, "good", paths[i]);
        c.request.stall_ms = 60;
        uint64_t start_ms = clock_mono_ms();
        http_call_run(&c);
        assert_int_equal(c.code, EDGE_TIMEOUT);
        http_call_assert_contains(c.error, "no byte from '127.0.0.1' for 60 ms");
        assert_true(clock_mono_ms() - start_ms < 5000);
    }
}

static void test_slow_is_not_stalled(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "sock", "/drip?count=8&ms=150");
    c.request.stall_ms = 1000;
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_string_equal(c.body, "........");
}

/* An answer of 96 bytes: in the status line, in the headers, at the blank line, in the body. */
static void test_reset_at_every_part(void **state) {
    static const char *const kinds[] = {"good", "plain"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        for (unsigned at = 0; at < 96; at += at < 20 ? 1 : 6) {
            char path[32];
            struct http_call c;
            (void)snprintf(path, sizeof(path), "/cut?at=%u", at);
            http_call_init(&c, *state, kinds[i], path);
            http_call_run(&c);
            if (c.code != EDGE_NET) {
                fail_msg("%s %s: %s '%s'", kinds[i], path, edge_code_name(c.code), c.error);
            }
            assert_int_equal(c.status, 0);
            assert_int_equal(c.body_len, 0);
            assert_false(c.tls_verified);
            http_call_assert_contains(c.error, "'127.0.0.1'");
        }
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, http_calls_set_up, http_calls_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_broken_answers),
        TEST(test_certificates),
        TEST(test_nobody_there),
        TEST(test_timeouts),
        TEST(test_stall),
        TEST(test_slow_is_not_stalled),
        TEST(test_reset_at_every_part),
    };
    return cmocka_run_group_tests(tests, http_calls_start_server, http_calls_stop_server);
}
