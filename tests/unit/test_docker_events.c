/* SPDX-License-Identifier: MIT */
/*
 * The event stream: cutting it into objects at every place, and keeping it open.
 */
#include "runtime/docker_events.h"

#include "docker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT(action)                                                                              \
    "{\"Type\":\"container\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" WORLD_ID              \
    "\",\"Attributes\":{\"name\":\"a}\\\"{\\\\\"}}}"

/* --- Splitter --- */

static struct {
    char objects[8][512];
    unsigned cnt;
    unsigned stop_at; /* the object at which the receiver fails, 0 for none */
} seen;

static enum edge_code collect(void *data, struct slice object, struct edge_error *err) {
    assert_ptr_equal(data, &seen);
    assert_true(seen.cnt < EDGE_ARRAY_LEN(seen.objects));
    assert_true(slice_to_array(object, seen.objects[seen.cnt], sizeof(seen.objects[0])));
    seen.cnt++;
    return seen.cnt == seen.stop_at ? edge_set(err, EDGE_PROTO, "enough") : EDGE_OK;
}

static const char *const row[] = {"{}", "{\"a\":{\"b\":\"}{\\\"\\\\\"},\"c\":[{}]}", EVENT("die"),
                                  "{\"x\":\"\\\\\"}"};
static const char stream[] =
    " {}{\"a\":{\"b\":\"}{\\\"\\\\\"},\"c\":[{}]}\r\n\n" EVENT("die") "\t{\"x\":\"\\\\\"}\n";

static void expect_row(void) {
    assert_int_equal(seen.cnt, EDGE_ARRAY_LEN(row));
    for (size_t i = 0; i < EDGE_ARRAY_LEN(row); i++) {
        assert_string_equal(seen.objects[i], row[i]);
    }
}

static void test_every_split(void **state) {
    struct docker_splitter s;
    size_t len = sizeof(stream) - 1;
    (void)state;
    for (size_t first = 0; first <= len; first++) {
        for (size_t second = first; second <= len; second += 7) {
            docker_splitter_init(&s);
            memset(&seen, 0, sizeof(seen));
            const size_t ends[] = {first, second, len};
            size_t at = 0;
            for (size_t i = 0; i < 3; i++) {
                assert_int_equal(docker_splitter_feed(&s, slice_make(stream + at, ends[i] - at),
                                                      collect, &seen, NULL),
                                 EDGE_OK);
                at = ends[i];
            }
            expect_row();
            docker_splitter_clear(&s);
        }
    }
}

static void test_byte_by_byte(void **state) {
    struct docker_splitter s;
    (void)state;
    docker_splitter_init(&s);
    memset(&seen, 0, sizeof(seen));
    for (size_t i = 0; i < sizeof(stream) - 1; i++) {
        assert_int_equal(docker_splitter_feed(&s, slice_make(stream + i, 1), collect, &seen, NULL),
                         EDGE_OK);
    }
    expect_row();
    docker_splitter_clear(&s);
}

static void test_not_objects(void **state) {
    static const char *const texts[] = {"[]", "x", "}", "{}x", "{},{}", "\"a\"", "{} 1", "null"};
    struct docker_splitter s;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        docker_splitter_init(&s);
        memset(&seen, 0, sizeof(seen));
        assert_int_equal(docker_splitter_feed(&s, slice_str(texts[i]), collect, &seen, NULL),
                         EDGE_PARSE);
        docker_splitter_clear(&s);
    }
}

static void test_endless_object(void **state) {
    struct docker_splitter s;
    char chunk[4096];
    size_t fed = 0;
    enum edge_code code = EDGE_OK;
    (void)state;
    docker_splitter_init(&s);
    memset(&seen, 0, sizeof(seen));
    memset(chunk, '{', sizeof(chunk));
    while (code == EDGE_OK && fed < 2 * (size_t)DOCKER_EVENT_MAX) {
        code = docker_splitter_feed(&s, slice_make(chunk, sizeof(chunk)), collect, &seen, NULL);
        fed += sizeof(chunk);
    }
    assert_int_equal(code, EDGE_RANGE);
    assert_true(fed <= (size_t)DOCKER_EVENT_MAX + sizeof(chunk));
    docker_splitter_clear(&s);
    /* Usable again. */
    assert_int_equal(docker_splitter_feed(&s, slice_str(stream), collect, &seen, NULL), EDGE_OK);
    expect_row();
    docker_splitter_clear(&s);
}

static void test_receiver_fails(void **state) {
    struct docker_splitter s;
    (void)state;
    docker_splitter_init(&s);
    memset(&seen, 0, sizeof(seen));
    seen.stop_at = 2;
    assert_int_equal(docker_splitter_feed(&s, slice_str(stream), collect, &seen, NULL), EDGE_PROTO);
    assert_int_equal(seen.cnt, 2);
    docker_splitter_clear(&s);
}

/* --- Stream --- */

static char story[512]; /* what on_event was told, as letters */

static void on_event(void *data, enum runtime_event event, const char *id) {
    static const char letters[] = {[RUNTIME_EVENT_STARTED] = 's',
                                   [RUNTIME_EVENT_STOPPED] = 'd',
                                   [RUNTIME_EVENT_CONNECTED] = 'C',
                                   [RUNTIME_EVENT_LOST] = 'L'};
    size_t len = strlen(story);
    assert_ptr_equal(data, story);
    assert_true((id == NULL) == (event == RUNTIME_EVENT_CONNECTED || event == RUNTIME_EVENT_LOST));
    if (id != NULL) {
        assert_string_equal(id, WORLD_ID);
    }
    story[len] = letters[event];
    story[len + 1] = '\0';
}

static int setup(void **state) {
    (void)state;
    story[0] = '\0';
    fake_loop_init();
    fake_transport_init(fake_loop());
    assert_int_equal(docker_world_new(WORLD_SOCKET, on_event, story, NULL), EDGE_OK);
    assert_int_equal(fake_transport_open(), 0); /* contacts nobody from the constructor */
    fake_loop_advance(0);
    return 0;
}

static int teardown(void **state) {
    char before[sizeof(story)];
    memcpy(before, story, sizeof(story));
    docker_world_end();
    assert_string_equal(story, before); /* closing is not a loss to report */
    return docker_world_teardown(state);
}

static void come_up(void) {
    assert_int_equal(fake_transport_open(), 1);
    assert_string_equal(fake_transport_url(0), "GET http://localhost/version");
    fake_transport_answer(0, 200, WORLD_VERSION);
    assert_int_equal(fake_transport_open(), 1);
    assert_int_equal(fake_transport_timeout_ms(0), 0);
    fake_transport_headers(0, 200);
}

static void say(const char *text) {
    fake_transport_bytes(0, slice_str(text));
}

/* Time until the next attempt, at most the ceiling. */
static uint64_t wait_for_retry(void) {
    uint64_t ms = fake_loop_next_timer_ms();
    assert_true(ms > 0 && ms <= 30000);
    assert_int_equal(fake_transport_open(), 0);
    fake_loop_advance(ms);
    assert_int_equal(fake_transport_open(), 1);
    return ms;
}

static void test_request(void **state) {
    (void)state;
    assert_int_equal(fake_transport_open(), 1);
    fake_transport_answer(0, 200, WORLD_VERSION);
    assert_string_equal(
        fake_transport_url(0),
        "GET http://localhost/v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event"
        "%22%3A%5B%22start%22%2C%22die%22%2C%22died%22%2C%22destroy%22%2C%22remove%22%2C%22rename%"
        "22"
        "%5D%7D");
    assert_string_equal(story, "");
    fake_transport_headers(0, 200);
    assert_string_equal(story, "C");
    assert_int_equal(fake_loop_active_timers(), 0); /* nothing is polled */
}

static void test_events(void **state) {
    (void)state;
    come_up();
    say(EVENT("start") "\n" EVENT("top") "\n");
    say(EVENT("rename"));
    say("\n{\"Type\":\"network\",\"Action\":\"connect\"}\n{\"Type\":\"cont");
    say("ainer\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"" WORLD_ID "\"}}\n");
    assert_string_equal(story, "Csdd");
}

/* A container has the labels of its image, and nobody says how long those are. */
static void test_huge_labels(void **state) {
    static char text[16384];
    (void)state;
    come_up();
    say("{\"Type\":\"container\",\"Actor\":{\"Attributes\":{\"big\":\"");
    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len <= 2 * DOCKER_EVENT_MAX; len += sizeof(text)) {
        fake_transport_bytes(0, slice_make(text, sizeof(text)));
    }
    say("\"},\"ID\":\"" WORLD_ID "\"},\"Action\":\"die\"}");
    say(EVENT("start"));
    assert_string_equal(story, "Cds");
}

static void test_lost_and_back(void **state) {
    (void)state;
    come_up();
    say(EVENT("start") "{\"half\":");
    fake_transport_answer(0, 200, ""); /* the Engine ends the stream */
    assert_string_equal(story, "CsL");
    wait_for_retry();
    come_up(); /* the version is asked for afresh: it may be another Engine */
    say(EVENT("die"));
    assert_string_equal(story, "CsLCd");
}

static void test_away_for_long(void **state) {
    uint64_t longest = 0;
    (void)state;
    fake_transport_fail(0, EDGE_NET);
    assert_string_equal(story, "L");
    for (int i = 0; i < 40; i++) {
        uint64_t ms = wait_for_retry();
        longest = ms > longest ? ms : longest;
        fake_transport_fail(0, EDGE_NET);
    }
    assert_string_equal(story, "L"); /* told once */
    assert_true(longest > 4000);     /* the pauses grow */
    wait_for_retry();
    come_up();
    assert_string_equal(story, "LC");
}

static void test_refused(void **state) {
    (void)state;
    fake_transport_answer(0, 200, WORLD_VERSION);
    fake_transport_headers(0, 403);
    fake_transport_answer(0, 403, "{\"message\":\"by policy\"}");
    assert_string_equal(story, "L");
    wait_for_retry();
    come_up();
    assert_string_equal(story, "LC");
}

static void test_garbage_ends_the_stream(void **state) {
    static const char *const texts[] = {
        "HTTP", "[1]", "{\"Type\":7}", "{\"a\":}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"../../x\"}}"};
    (void)state;
    come_up();
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        say(texts[i]);
        assert_true(fake_transport_canceled(0));
        say(EVENT("die")); /* what still comes is not believed */
        fake_transport_end_canceled();
        wait_for_retry();
        come_up();
    }
    assert_string_equal(story, "CLCLCLCLCLC");
}

/* An engine that takes the request and drops it at once must not be hammered. */
static void test_drops_at_once(void **state) {
    uint64_t longest = 0;
    (void)state;
    for (int i = 0; i < 40; i++) {
        come_up();
        fake_transport_answer(0, 200, "");
        uint64_t ms = wait_for_retry();
        longest = ms > longest ? ms : longest;
    }
    assert_true(longest > 4000);
    come_up();
    fake_loop_advance(60000); /* it has stayed up for a while: short pauses again */
    fake_transport_answer(0, 200, "");
    assert_true(wait_for_retry() <= 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_not_objects),
        cmocka_unit_test(test_endless_object),
        cmocka_unit_test(test_receiver_fails),
        TEST(test_request),
        TEST(test_events),
        TEST(test_huge_labels),
        TEST(test_lost_and_back),
        TEST(test_away_for_long),
        TEST(test_refused),
        TEST(test_garbage_ends_the_stream),
        TEST(test_drops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
