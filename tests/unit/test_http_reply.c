/* SPDX-License-Identifier: MIT */
#include "http_world.h"

#include "base/log.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GET_HOOK "GET /hook" WORLD_V " HTTP/1.1\r\n\r\n"

static const char *message;
static struct buf body;

static int setup(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    world_open(NULL, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_close();
    return 0;
}

static void reply_error(struct http_exchange *x) {
    http_reply_error(x, 409, message);
}

static void reply_busy(struct http_exchange *x) {
    http_reply_busy(x, 429, 17, message);
}

static void reply_empty(struct http_exchange *x) {
    http_reply_empty(x, 200);
}

static void reply_body(struct http_exchange *x) {
    http_reply_json(x, 201, &body);
    assert_int_equal(body.len, 0);
    assert_null(body.data);
}

static void test_error(void **state) {
    (void)state;
    world.handler = reply_error;
    message = "a \"quoted\"\n\tcaused by: b\377c";
    assert_int_equal(world_ask(GET_HOOK), 409);
    assert_true(world_contains("Content-Type: application/json\r\n"));
    assert_true(world_contains(
        "\r\n\r\n{\"message\":\"a \\\"quoted\\\"\\n\\tcaused by: b\357\277\275c\"}"));
    assert_false(world_contains("Retry-After"));
}

static void test_busy(void **state) {
    (void)state;
    world.handler = reply_busy;
    message = "later";
    assert_int_equal(world_ask(GET_HOOK), 429);
    assert_true(world_contains("Retry-After: 17\r\n"));
    assert_true(world_contains("{\"message\":\"later\"}"));
}

static void test_monstrous_message(void **state) {
    (void)state;
    char *text = malloc(10000);
    assert_non_null(text);
    memset(text, 'x', 9999);
    text[9999] = '\0';
    message = text;
    world.handler = reply_busy;
    assert_int_equal(world_ask(GET_HOOK), 429);
    assert_true(world_contains("Content-Length: 0\r\n"));
    assert_true(world_contains("Retry-After: 17\r\n"));
    free(text);
}

static void test_empty(void **state) {
    (void)state;
    world.handler = reply_empty;
    assert_int_equal(world_ask(GET_HOOK), 200);
    assert_true(world_contains("Content-Length: 0\r\n\r\n"));
    assert_false(world_contains("Content-Type"));
}

static void test_json_takes_the_body(void **state) {
    (void)state;
    world.handler = reply_body;
    for (size_t len = 1; len <= 100000; len *= 10) {
        buf_init_sensitive(&body, 200000);
        for (size_t i = 0; i < len; i++) {
            assert_int_equal(buf_append_byte(&body, 'j', NULL), EDGE_OK);
        }
        assert_int_equal(world_ask(GET_HOOK), 201);
        assert_int_equal(world.answers.body_lens[0], len);
        buf_clear(&body);
    }
}

static unsigned streams;

static void finish_twice(struct http_exchange *x) {
    http_reply_stream_begin(x, 200, "text/plain", NULL, NULL, NULL);
    assert_true(http_reply_stream_write(x, SLICE_LIT("one")));
    http_reply_stream_end(x);
    /* After its end a stream is nobody's. */
    assert_false(http_reply_stream_write(x, SLICE_LIT("two")));
    http_reply_stream_end(x);
    streams++;
}

static void test_stream_ends_once(void **state) {
    (void)state;
    world.handler = finish_twice;
    streams = 0;
    int fd = world_connect();
    world_send(fd, GET_HOOK GET_HOOK);
    world_read(fd, 2);
    assert_int_equal(streams, 2);
    assert_int_equal(world.answers.cnt, 2);
    assert_int_equal(world.answers.body_lens[1], 3);
    (void)close(fd);
}

static enum edge_code ask_for_error(void *data) {
    (void)data;
    int status = world_ask(GET_HOOK);
    assert_true(status == 409 || status == 503 || status == 0);
    return status == 409 && world_contains("{\"message\":\"m\"}") ? EDGE_OK : EDGE_NOMEM;
}

/* Short of memory the status still arrives. */
static void test_out_of_memory(void **state) {
    (void)state;
    world.handler = reply_error;
    message = "m";
    assert_true(alloc_fail_torture(ask_for_error, NULL) >= 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_error),
        TEST(test_busy),
        TEST(test_monstrous_message),
        TEST(test_empty),
        TEST(test_json_takes_the_body),
        TEST(test_stream_ends_once),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
