/* SPDX-License-Identifier: MIT */
#include "runtime/docker_owned.h"

#include "docker_world.h"
#include "runtime/docker_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* Of an id, behind its first digit. */
#define WORLD_REST "ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"

static struct docker_world *const w = &docker_world;

static void on_done(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    docker_world_done(data, code, err);
    assert_true(slice_to_array(body, w->text, sizeof(w->text)));
}

static enum edge_code send(const char *tail) {
    const struct docker *d = (const struct docker *)w->rt;
    const struct docker_owned_request req = {
        .method = "GET", .tail = tail, .timeout_ms = 5, .on_done = on_done, .data = NULL};
    return docker_owned_send(d->loop, d->engine, "a", &req, &w->op, &w->start_err);
}

static void test_answer_is_passed_on(void **state) {
    (void)state;
    assert_int_equal(send("/x?y=z"), EDGE_OK);
    docker_world_found(WORLD_MODULE);
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.41/containers/" WORLD_ID "/x?y=z");
    assert_int_equal(fake_transport_timeout_ms(0), 5);
    fake_transport_answer(0, 200, "body");
    assert_int_equal(w->code, EDGE_OK);
    assert_string_equal(w->text, "body");
}

static void test_faults_of_the_look_up(void **state) {
    (void)state;
    assert_int_equal(send("/x"), EDGE_OK);
    fake_transport_fail(0, EDGE_TIMEOUT);
    assert_int_equal(w->code, EDGE_TIMEOUT);
    assert_int_equal(send("/x"), EDGE_OK);
    docker_world_found("[]");
    assert_int_equal(w->code, EDGE_PROTO);
    assert_int_equal(send("/x"), EDGE_OK);
    docker_world_found("{");
    assert_int_equal(w->code, EDGE_PARSE);
    assert_int_equal(send("/x"), EDGE_OK);
    fake_transport_refuse(EDGE_BUSY); /* the second request */
    docker_world_found(WORLD_MODULE);
    assert_int_equal(w->code, EDGE_BUSY);
    assert_int_equal(w->calls, 4);
    fake_transport_refuse(EDGE_BUSY);
    assert_int_equal(send("/x"), EDGE_BUSY);
    assert_int_equal(w->calls, 4);
}

/* The Engine also takes "a" for the beginning of an id. */
static void test_somebody_else_is_found(void **state) {
    static const char *const others[] = {
        "{\"Id\":\"a" WORLD_REST "\",\"Name\":\"/other\",\"Config\":{\"Labels\":" WORLD_LABELS
        "},\"State\":{}}",
        "{\"Id\":\"a" WORLD_REST "\",\"Name\":\"/o/a\",\"Config\":{\"Labels\":" WORLD_LABELS
        "},\"State\":{}}",
        WORLD_STRANGER,
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(others); i++) {
        assert_int_equal(send("/x"), EDGE_OK);
        docker_world_found(others[i]);
        assert_int_equal(w->code, EDGE_NOT_FOUND);
        assert_string_equal(edge_error_text(&w->err),
                            "the container engine answered 404: No such container: a");
        assert_int_equal(fake_transport_open(), 0);
    }
    assert_true(docker_owned_is_asked(WORLD_ID, WORLD_ID, "a"));
    assert_true(docker_owned_is_asked("a", WORLD_ID, "a"));
    assert_false(docker_owned_is_asked("1ef0bf51bef5", WORLD_ID, "a"));
}

static void test_cancel_anywhere(void **state) {
    (void)state;
    assert_int_equal(send("/x"), EDGE_OK);
    op_cancel(loop_ops(fake_loop()), w->op);
    assert_int_equal(w->calls, 0);
    assert_true(fake_transport_canceled(0));
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_CANCELED);
    assert_int_equal(send("/x"), EDGE_OK);
    docker_world_found(WORLD_MODULE);
    op_cancel(loop_ops(fake_loop()), w->op);
    assert_true(fake_transport_canceled(0));
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_CANCELED);
    assert_int_equal(w->calls, 2);
    op_cancel(loop_ops(fake_loop()), w->op); /* stale */
}

static void test_close_between(void **state) {
    (void)state;
    assert_int_equal(send("/x"), EDGE_OK);
    docker_world_close();
    assert_int_equal(w->calls, 1);
    assert_int_equal(w->code, EDGE_CANCELED);
}

static void test_too_long(void **state) {
    char tail[DOCKER_OWNED_TAIL_MAX + 1];
    (void)state;
    memset(tail, 'x', sizeof(tail));
    tail[DOCKER_OWNED_TAIL_MAX] = '\0';
    assert_int_equal(send(tail), EDGE_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOCKER_WORLD_TEST(test_answer_is_passed_on),
        DOCKER_WORLD_TEST(test_faults_of_the_look_up),
        DOCKER_WORLD_TEST(test_somebody_else_is_found),
        DOCKER_WORLD_TEST(test_cancel_anywhere),
        DOCKER_WORLD_TEST(test_close_between),
        DOCKER_WORLD_TEST(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
