/* SPDX-License-Identifier: MIT */
/*
 * Logs: the query, the stream, clients that are slow or leave, an engine that fails before and
 * after the stream has begun.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "modules_world.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct modules_world *const w = &modules_world;

static int setup(void **state) {
    int rc = modules_world_setup(state);
    fake_runtime_add(w->fake, "1", "m", true);
    return rc;
}

static int teardown(void **state) {
    fake_exchange_end();
    return modules_world_teardown(state);
}

static void ask(const char *name, const char *target) {
    struct http_exchange *x = fake_exchange(&w->api);
    fake_exchange_set_params(name, NULL);
    fake_exchange_set_target(target);
    mgmt_modules_logs(x);
}

static void test_stream(void **state) {
    (void)state;
    ask("m", "/modules/m/logs?api-version=2018-06-28");
    assert_true(fake_exchange_has_op());
    assert_false(fake_exchange_detached());
    assert_false(fake_exchange_is_streaming());
    fake_runtime_run(w->fake);
    assert_true(fake_exchange_is_streaming());
    assert_int_equal(fake_exchange_status(), 200);
    assert_true(fake_runtime_logs_feed(w->fake, SLICE_LIT("one ")));
    assert_true(fake_runtime_logs_feed(w->fake, SLICE_LIT("two")));
    fake_runtime_logs_end(w->fake, EDGE_OK);
    assert_false(fake_exchange_is_streaming());
    assert_false(fake_exchange_broke_off());
    assert_string_equal(fake_exchange_text(), "one two");
}

static void test_defaults(void **state) {
    const struct runtime_logs_options *o;
    (void)state;
    ask("m", "/modules/m/logs");
    o = fake_runtime_last_logs(w->fake);
    assert_true(!o->follow && !o->timestamps && o->tail == NULL && o->since == 0 && !o->has_until);
    fake_runtime_run(w->fake);
    fake_runtime_logs_end(w->fake, EDGE_OK);
}

static void test_query(void **state) {
    const struct runtime_logs_options *o;
    (void)state;
    ask("m", "/modules/m/logs?follow=true&timestamps=true&tail=007&since=1h+30m&until=-5&since=x");
    o = fake_runtime_last_logs(w->fake);
    assert_true(o->follow && o->timestamps && o->has_until);
    assert_string_equal(o->tail, "7");
    assert_int_equal(o->since, FAKE_LOOP_WALL_S - 5400);
    assert_int_equal(o->until, -5);
    fake_runtime_run(w->fake);
    fake_runtime_logs_end(w->fake, EDGE_OK);
    fake_exchange_end();
    ask("m", "/modules/m/logs?tail=all&follow=false&timestamps=false&since=-1&until=0");
    o = fake_runtime_last_logs(w->fake);
    assert_true(!o->follow && !o->timestamps && o->tail == NULL && o->since == 0);
    assert_true(o->has_until && o->until == 0);
    fake_runtime_run(w->fake);
    fake_runtime_logs_end(w->fake, EDGE_OK);
}

static void test_bad_query(void **state) {
    static const struct {
        const char *target, *text;
    } rows[] = {
        {"/?follow=True", "The request parameter `follow` is malformed"},
        {"/?follow=", "The request parameter `follow` is malformed"},
        {"/?timestamps=1", "The request parameter `timestamps` is malformed"},
        {"/?tail=-1", "The request parameter `tail` is malformed"},
        {"/?tail=ALL", "The request parameter `tail` is malformed"},
        {"/?tail=18446744073709551616", "The request parameter `tail` is malformed"},
        {"/?since=yesterday", "The request parameter `since` is malformed"},
        {"/?until=1.5h", "The request parameter `until` is malformed"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        ask("m", rows[i].target);
        assert_int_equal(fake_exchange_status(), 400);
        assert_string_equal(fake_exchange_text(), rows[i].text);
        fake_exchange_end();
    }
    assert_int_equal(fake_runtime_open(w->fake), 0);
    ask("m/../n", "/");
    assert_int_equal(fake_exchange_status(), 404);
}

/* It is not asked for more until the client has read what is there. */
static void test_slow_client(void **state) {
    (void)state;
    ask("m", "/");
    fake_runtime_run(w->fake);
    fake_exchange_set_slow(true);
    assert_false(fake_runtime_logs_feed(w->fake, SLICE_LIT("much")));
    assert_int_equal(fake_runtime_logs_resumed(w->fake), 0);
    fake_exchange_drain();
    assert_int_equal(fake_runtime_logs_resumed(w->fake), 1);
    assert_true(fake_runtime_logs_feed(w->fake, SLICE_LIT(" more")));
    fake_runtime_logs_end(w->fake, EDGE_OK);
    assert_string_equal(fake_exchange_text(), "much more");
}

static void test_client_leaves_stream(void **state) {
    (void)state;
    ask("m", "/?follow=true");
    fake_runtime_run(w->fake);
    assert_true(fake_runtime_logs_feed(w->fake, SLICE_LIT("one")));
    fake_exchange_leave();
    assert_true(fake_runtime_logs_feed(w->fake, SLICE_LIT("late")));
    fake_runtime_logs_end(w->fake, EDGE_CANCELED);
    assert_string_equal(fake_exchange_text(), "one");
}

static void test_client_leaves_before(void **state) {
    (void)state;
    ask("m", "/");
    fake_exchange_leave();
    fake_runtime_run(w->fake); /* the engine's answer crossed with it */
    fake_runtime_logs_end(w->fake, EDGE_CANCELED);
    ask("nobody", "/");
    fake_exchange_leave();
    fake_runtime_run(w->fake);
}

static void test_failures(void **state) {
    static const struct {
        enum edge_code code;
        int status;
    } rows[] = {{EDGE_NOT_FOUND, 404}, {EDGE_NET, 503},   {EDGE_REMOTE, 500},
                {EDGE_TIMEOUT, 503},   {EDGE_PARSE, 500}, {EDGE_RANGE, 500}};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        fake_runtime_fail(w->fake, rows[i].code);
        ask("m", "/");
        fake_runtime_run(w->fake);
        assert_int_equal(fake_exchange_status(), rows[i].status);
        assert_string_equal(fake_exchange_text(),
                            "Could not get logs for module\n\tcaused by: failed by the test");
        fake_exchange_end();
    }
    fake_runtime_refuse(w->fake, EDGE_BUSY);
    ask("m", "/");
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_stream_breaks_off(void **state) {
    (void)state;
    ask("m", "/");
    fake_runtime_run(w->fake);
    assert_true(fake_runtime_logs_feed(w->fake, SLICE_LIT("half")));
    fake_runtime_logs_end(w->fake, EDGE_NET);
    assert_false(fake_exchange_is_streaming());
    assert_true(fake_exchange_broke_off());
    assert_string_equal(fake_exchange_text(), "half");
}

/* Allocates nothing itself. */
static enum edge_code refuse(struct runtime *rt, const char *name,
                             const struct runtime_logs_options *opts,
                             const struct runtime_stream *s, void *data, struct op *ret_op,
                             struct edge_error *err) {
    (void)rt;
    (void)name;
    (void)opts;
    (void)s;
    (void)data;
    (void)ret_op;
    return edge_set(err, EDGE_BUSY, "refused by the test");
}

static enum edge_code one_round(void *data) {
    (void)data;
    ask("m", "/?since=1h");
    fake_exchange_end();
    return fake_exchange_status() == 503 ? EDGE_OK : EDGE_NOMEM;
}

static void test_memory_is_short(void **state) {
    static const struct runtime_ops ops = {.logs = refuse};
    static struct runtime runtime = {&ops};
    (void)state;
    w->api.runtime = &runtime;
    assert_true(alloc_fail_torture(one_round, NULL) >= 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_stream),
        T(test_defaults),
        T(test_query),
        T(test_bad_query),
        T(test_slow_client),
        T(test_client_leaves_stream),
        T(test_client_leaves_before),
        T(test_failures),
        T(test_stream_breaks_off),
        T(test_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
