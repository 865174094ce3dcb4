/* SPDX-License-Identifier: MIT */
#include "runtime/docker_logs.h"

#include "docker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct docker_world *const w = &docker_world;
static struct {
    unsigned opened;
    bool wants_pause;
} reader;

static void on_open(void *data, int status) {
    (void)data;
    assert_int_equal(status, 200);
    reader.opened++;
}

static bool on_data(void *data, struct slice bytes) {
    size_t len = strlen(w->text);
    (void)data;
    assert_true(slice_to_array(bytes, w->text + len, sizeof(w->text) - len));
    return !reader.wants_pause;
}

static const struct runtime_stream stream = {on_open, on_data, docker_world_done};

static int setup(void **state) {
    memset(&reader, 0, sizeof(reader));
    return docker_world_setup(state);
}

static enum edge_code read_logs(const struct runtime_logs_options *opts) {
    return runtime_logs(w->rt, "a", opts, &stream, NULL, &w->op, &w->start_err);
}

static void test_options(void **state) {
    static const struct {
        struct runtime_logs_options opts;
        const char *query;
    } rows[] = {
        {{0}, "follow=false&stdout=true&stderr=true&since=0&timestamps=false&tail=all"},
        {{.follow = true, .timestamps = true, .tail = "100", .since = 5, .until = 9},
         "follow=true&stdout=true&stderr=true&since=5&timestamps=true&tail=100"},
        {{.tail = "18446744073709551615",
          .since = INT32_MIN,
          .until = INT32_MIN,
          .has_until = true},
         "follow=false&stdout=true&stderr=true&since=-2147483648&timestamps=false"
         "&tail=18446744073709551615&until=-2147483648"},
    };
    char url[512];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(read_logs(&rows[i].opts), EDGE_OK);
        docker_world_found(WORLD_MODULE);
        snprintf(url, sizeof(url), "GET http://localhost/v1.41/containers/%s/logs?%s", WORLD_ID,
                 rows[i].query);
        assert_string_equal(fake_transport_url(0), url);
        assert_int_equal(fake_transport_timeout_ms(0), 0);
        assert_int_equal(fake_transport_stall_ms(0), 0);
        fake_transport_headers(0, 200);
        fake_transport_answer(0, 200, "");
        assert_int_equal(w->code, EDGE_OK);
        assert_int_equal(reader.opened, i + 1);
    }
}

static void test_stream_pauses_and_goes_on(void **state) {
    const struct runtime_logs_options follow = {.follow = true};
    (void)state;
    assert_int_equal(read_logs(&follow), EDGE_OK);
    runtime_logs_resume(w->rt, w->op); /* nothing to go on with yet */
    docker_world_found(WORLD_MODULE);
    fake_transport_headers(0, 200);
    assert_true(fake_transport_offer(0, SLICE_LIT("one ")));
    reader.wants_pause = true;
    assert_false(fake_transport_offer(0, SLICE_LIT("two ")));
    assert_int_equal(fake_transport_resumed(0), 0);
    runtime_logs_resume(w->rt, w->op);
    assert_int_equal(fake_transport_resumed(0), 1);
    reader.wants_pause = false;
    assert_true(fake_transport_offer(0, SLICE_LIT("three")));
    assert_string_equal(w->text, "one two three");
    fake_transport_fail(0, EDGE_PROTO);
    assert_int_equal(w->code, EDGE_PROTO);
    assert_int_equal(w->calls, 1);
    runtime_logs_resume(w->rt, w->op); /* stale */
    runtime_logs_resume(w->rt, OP_NONE);
}

static void test_no_stream(void **state) {
    const struct runtime_logs_options all = {0};
    (void)state;
    assert_int_equal(read_logs(&all), EDGE_OK);
    docker_world_found(WORLD_STRANGER);
    assert_int_equal(w->code, EDGE_NOT_FOUND);
    assert_int_equal(read_logs(&all), EDGE_OK);
    docker_world_found(WORLD_MODULE);
    fake_transport_headers(0, 500);
    fake_transport_answer(0, 500, "{\"message\":\"no such log driver\"}");
    assert_int_equal(w->code, EDGE_REMOTE);
    assert_non_null(strstr(w->err.text, "no such log driver"));
    assert_int_equal(reader.opened, 0);
}

static void test_cancel(void **state) {
    const struct runtime_logs_options follow = {.follow = true};
    (void)state;
    assert_int_equal(read_logs(&follow), EDGE_OK);
    docker_world_found(WORLD_MODULE);
    fake_transport_headers(0, 200);
    op_cancel(loop_ops(fake_loop()), w->op);
    fake_transport_bytes(0, SLICE_LIT("late")); /* nobody gets it */
    assert_string_equal(w->text, "");
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_CANCELED);
    assert_int_equal(w->calls, 1);
}

/* Readers leave room for others, and places become free again. */
static void test_too_many(void **state) {
    const struct runtime_logs_options follow = {.follow = true};
    (void)state;
    for (unsigned i = 0; i < DOCKER_LOGS_MAX; i++) {
        assert_int_equal(read_logs(&follow), EDGE_OK);
    }
    assert_int_equal(read_logs(&follow), EDGE_BUSY);
    assert_int_equal(runtime_start(w->rt, "a", docker_world_done, NULL, NULL, NULL), EDGE_OK);
    docker_world_found(WORLD_STRANGER);
    assert_int_equal(read_logs(&follow), EDGE_OK);
    docker_world_close();
    assert_int_equal(w->calls, DOCKER_LOGS_MAX + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, docker_world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_options),   TEST(test_stream_pauses_and_goes_on),
        TEST(test_no_stream), TEST(test_cancel),
        TEST(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
