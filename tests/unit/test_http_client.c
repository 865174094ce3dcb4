/* SPDX-License-Identifier: MIT */
/*
 * The HTTP client against a real server with faults: tests/support/fault_server.py.
 */
#include "loop/http_client.h"

#include "base/clock.h"
#include "base/secret.h"
#include "support/alloc_fail.h"
#include "support/http_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_connections_are_reused(void **state) {
    static const char *const kinds[] = {"good", "sock"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct http_call first;
        struct http_call second;
        http_call_get(&first, *state, kinds[i], "/stats");
        http_call_get(&second, *state, kinds[i], "/stats");
        assert_int_equal(first.code, EDGE_OK);
        assert_int_equal(second.code, EDGE_OK);
        assert_string_equal(first.body, second.body);
    }
}

/* The peer may have done it and died before it could say so. */
static void test_no_change_is_sent_twice(void **state) {
    static const char *const methods[] = {"POST", "DELETE", "PUT"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(methods); i++) {
        char count[16];
        struct http_call kept, call, stats;
        http_call_get(&kept, *state, "sock", "/ok"); /* leaves a connection to be used again */
        http_call_init(&call, *state, "sock", "/none");
        call.request.method = methods[i];
        http_call_run(&call);
        assert_int_equal(call.code, EDGE_NET);
        http_call_get(&stats, *state, "sock", "/stats");
        (void)snprintf(count, sizeof(count), "none=%zu", i + 1);
        http_call_assert_contains(stats.body, count);
    }
}

static void test_parallel(void **state) {
    enum {
        CALLS = 100
    };
    struct http_call *calls = calloc(CALLS, sizeof(*calls));
    assert_non_null(calls);
    for (size_t i = 0; i < CALLS; i++) {
        http_call_init(&calls[i], *state, i % 2 == 0 ? "good" : "sock", "/ok");
        http_call_send(&calls[i]);
    }
    loop_run(calls[0].f->loop);
    for (size_t i = 0; i < CALLS; i++) {
        assert_string_equal(calls[i].error, "");
        assert_int_equal(calls[i].done_cnt, 1);
        assert_int_equal(calls[i].status, 200);
    }
    free(calls);
}

static void test_in_flight_limit(void **state) {
    struct http_call *calls = calloc(HTTP_CLIENT_IN_FLIGHT_MAX + 1, sizeof(*calls));
    struct edge_error err;
    struct op op = OP_NONE;
    assert_non_null(calls);
    for (size_t i = 0; i <= HTTP_CLIENT_IN_FLIGHT_MAX; i++) {
        http_call_init(&calls[i], *state, "sock", "/ok");
        calls[i].cancel_at = HTTP_CALL_SENT;
        if (i < HTTP_CLIENT_IN_FLIGHT_MAX) {
            http_call_send(&calls[i]);
        }
    }
    struct http_call *last = &calls[HTTP_CLIENT_IN_FLIGHT_MAX];
    assert_int_equal(http_client_send(last->f->client, &last->request, &op, &err), EDGE_BUSY);
    assert_false(op_is_set(op));
    loop_run(last->f->loop);
    assert_int_equal(last->done_cnt, 0);
    for (size_t i = 0; i < HTTP_CLIENT_IN_FLIGHT_MAX; i++) {
        assert_int_equal(calls[i].done_cnt, 1);
        assert_int_equal(calls[i].code, EDGE_CANCELED);
    }
    free(calls);
}

static void test_cancel_at_every_stage(void **state) {
    static const struct {
        const char *kind;
        const char *path;
        enum http_call_step step;
        unsigned after_ms;
    } stages[] = {
        {"good", "/ok", HTTP_CALL_SENT, 0},
        {"good", "/silence", HTTP_CALL_TIMER, 0},  /* connecting */
        {"good", "/silence", HTTP_CALL_TIMER, 40}, /* waiting */
        {"mute", "/", HTTP_CALL_TIMER, 20},        /* in the TLS handshake */
        {"sock", "/silence", HTTP_CALL_TIMER, 10},
        {"good", "/ok", HTTP_CALL_OPEN, 0},
        {"sock", "/open", HTTP_CALL_OPEN, 0},
        {"sock", "/open", HTTP_CALL_TIMER, 20},
        {"good", "/stream?bytes=5000000", HTTP_CALL_DATA, 0},
        {"sock", "/ok", HTTP_CALL_DATA, 0},
        {"good", "/partial?then=silence", HTTP_CALL_TIMER, 40},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(stages); i++) {
        struct http_call c;
        http_call_init(&c, *state, stages[i].kind, stages[i].path);
        c.request.on_data = http_call_on_data;
        c.request.stall_ms = 5000;
        c.cancel_at = stages[i].step;
        http_call_with_timer(&c);
        if (stages[i].step == HTTP_CALL_TIMER) {
            loop_timer_start(c.f->timer, stages[i].after_ms);
        }
        http_call_run(&c);
        assert_int_equal(c.code, EDGE_CANCELED);
        assert_int_equal(c.status, 0);
    }
}

static void test_cancel_name_lookup(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "good", "/");
    c.request.url = "https://name.invalid/";
    c.cancel_at = HTTP_CALL_TIMER;
    http_call_with_timer(&c);
    loop_timer_start(c.f->timer, 0);
    http_call_run(&c);
    assert_true(c.code == EDGE_CANCELED || c.code == EDGE_NET);
}

static void test_stream(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "good", "/stream?bytes=1000000");
    c.request.on_data = http_call_on_data;
    c.request.answer_max = 10;
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.streamed, 1000000);
    assert_int_equal(c.body_len, 0);
    /* An answer that is not a success is kept, not streamed. */
    http_call_init(&c, *state, "good", "/busy");
    c.request.on_data = http_call_on_data;
    http_call_run(&c);
    assert_int_equal(c.streamed, 0);
    assert_string_equal(c.body, "later");
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_MEASURABLE false /* freed memory is kept to catch its use */
#else
#define MEMORY_IS_MEASURABLE true
#endif

static uint64_t resident_bytes(void) {
    uint64_t pages = 0;
    char line[128];
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    (void)fclose(f);
    struct slice total;
    struct slice rest;
    struct slice resident;
    assert_true(slice_cut(slice_str(line), ' ', &total, &rest));
    assert_true(slice_cut(rest, ' ', &resident, &rest));
    assert_true(slice_parse_u64(resident, UINT64_MAX, &pages));
    return pages * 4096;
}

static void test_stream_with_pauses(void **state) {
    struct http_call c;
    uint64_t before = resident_bytes();
    http_call_init(&c, *state, "good", "/stream?bytes=50000000");
    c.request.on_data = http_call_on_data;
    c.request.stall_ms = 10000;
    c.pause = true;
    http_call_with_timer(&c);
    http_call_run(&c);
    assert_string_equal(c.error, "");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.streamed, 50000000);
    assert_true(c.piece_max <= 16384);
    assert_true(c.paused_cnt >= 50000000 / 16384);
    if (MEMORY_IS_MEASURABLE) {
        assert_in_range(resident_bytes(), 0, before + 8 * 1024 * 1024);
    }
}

static void test_pause_holds_the_sender_back(void **state) {
    struct http_call c;
    struct http_call wait;
    struct http_call stats;
    http_call_init(&c, *state, "sock", "/stream?bytes=50000000");
    c.request.on_data = http_call_on_data;
    c.request.stall_ms = 150; /* a pause of our own is no stall */
    c.pause = true;
    c.pause_ms = 500;
    c.cancel_at = HTTP_CALL_TIMER;
    http_call_with_timer(&c);
    http_call_init(&wait, *state, "sock", "/drip?count=4&ms=20");
    http_call_init(&stats, *state, "sock", "/stats");
    c.next = &wait;
    wait.next = &stats;
    http_call_run(&c);
    assert_int_equal(c.code, EDGE_CANCELED);
    assert_int_equal(c.paused_cnt, 1);
    assert_int_equal(stats.code, EDGE_OK);
    const char *sent = strstr(stats.body, "streamed=");
    uint64_t sent_len = 0;
    assert_non_null(sent);
    assert_true(slice_parse_u64(slice_str(sent + strlen("streamed=")), UINT64_MAX, &sent_len));
    assert_in_range(sent_len, 1, 5000000);
}

static void test_requests_from_callbacks(void **state) {
    struct http_call first;
    struct http_call second;
    struct http_call third;
    http_call_init(&first, *state, "good", "/chunked");
    http_call_init(&second, *state, "good", "/ok");
    http_call_init(&third, *state, "sock", "/ok");
    first.request.on_data = http_call_on_data;
    first.next = &second;
    second.next = &third;
    http_call_run(&first);
    assert_int_equal(first.streamed, strlen("one two three"));
    assert_int_equal(second.done_cnt, 1);
    assert_int_equal(second.status, 200);
    assert_int_equal(third.done_cnt, 1);
    assert_int_equal(third.status, 200);
}

static void test_open_before_data(void **state) {
    struct http_call c;
    http_call_init(&c, *state, "sock", "/open");
    c.request.on_data = http_call_on_data;
    c.cancel_at = HTTP_CALL_TIMER;
    c.open_ms = 30;
    http_call_with_timer(&c);
    http_call_run(&c);
    assert_int_equal(c.opened_cnt, 1);
    assert_int_equal(c.open_status, 200);
    assert_int_equal(c.streamed, 0);
}

static void test_close_with_requests(void **state) {
    struct http_calls *f = *state;
    struct http_call calls[4];
    static const char *const paths[] = {"/silence", "/open", "/stream?bytes=50000000", "/ok"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(calls); i++) {
        http_call_init(&calls[i], f, "good", paths[i]);
        calls[i].request.on_data = http_call_on_data;
        http_call_send(&calls[i]);
    }
    calls[2].pause = true;
    http_call_with_timer(&calls[2]);
    calls[0].cancel_at = HTTP_CALL_SENT;
    http_client_close(f->client, http_calls_on_closed, f);
    assert_false(f->closed);
    struct op op;
    assert_int_equal(http_client_send(f->client, &calls[0].request, &op, NULL), EDGE_CANCELED);
    loop_run(f->loop);
    assert_true(f->closed);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(calls); i++) {
        assert_int_equal(calls[i].done_cnt, 1);
        assert_int_equal(calls[i].code, EDGE_CANCELED);
    }
}

static enum edge_code one_request(void *data) {
    static const struct http_client_header headers[] = {{"Authorization", "token"}};
    struct http_calls f = {.loop = NULL};
    struct http_client_options opt = {.ca_dir = http_calls_server.store,
                                      .user_agent = "edged-test"};
    struct http_call *c = data;
    enum edge_code code = loop_new(&f.loop, NULL);
    if (code == EDGE_OK) {
        code = http_client_new(f.loop, &opt, &f.client, NULL);
    }
    if (code == EDGE_OK) {
        http_call_init(c, &f, "sock", "/echo");
        c->request.headers = headers;
        c->request.header_cnt = 1;
        c->request.body = SLICE_LIT("{}");
        c->request.method = "POST";
        c->request.stall_ms = 5000;
        code = http_client_send(f.client, &c->request, &c->op, NULL);
        loop_run(f.loop);
        assert_int_equal(c->done_cnt, code == EDGE_OK ? 1 : 0);
        assert_int_not_equal(c->code, EDGE_TIMEOUT); /* a shortage is told, not waited out */
        code = code == EDGE_OK ? c->code : code;
        http_client_close(f.client, http_calls_on_closed, &f);
        loop_run(f.loop);
        assert_true(f.closed);
        http_client_free(f.client);
    }
    loop_free(f.loop);
    return code;
}

static void test_torture(void **state) {
    (void)state;
    struct http_call c;
    assert_in_range(alloc_fail_torture(one_request, &c), 20, 2000);
}

static void test_unreadable_ca_file(void **state) {
    struct http_calls *f = *state;
    struct http_client *other = NULL;
    struct edge_error err;
    struct http_client_options opt = {.extra_ca_file = "/nonexistent/ca.pem"};
    assert_int_not_equal(http_client_new(f->loop, &opt, &other, &err), EDGE_OK);
    assert_null(other);
    http_call_assert_contains(err.text, "/nonexistent/ca.pem");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, http_calls_set_up, http_calls_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_connections_are_reused),
        TEST(test_no_change_is_sent_twice),
        TEST(test_parallel),
        TEST(test_in_flight_limit),
        TEST(test_cancel_at_every_stage),
        TEST(test_cancel_name_lookup),
        TEST(test_stream),
        TEST(test_stream_with_pauses),
        TEST(test_pause_holds_the_sender_back),
        TEST(test_requests_from_callbacks),
        TEST(test_open_before_data),
        TEST(test_close_with_requests),
        TEST(test_unreadable_ca_file),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, http_calls_start_server, http_calls_stop_server);
}
