/* SPDX-License-Identifier: MIT */
#include "runtime/docker_network.h"

#include "docker_world.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define LIST_URL "GET http://localhost/v1.41/networks?filters=%7B%22name%22%3A%5B%22net%22%5D%7D"

static struct docker_world *const w = &docker_world;
static const struct runtime_network net = {.name = "net"};

static enum edge_code ensure(void) {
    return runtime_network_ensure(w->rt, &net, docker_world_done, NULL, &w->op, &w->start_err);
}

static void test_there(void **state) {
    (void)state;
    assert_int_equal(ensure(), EDGE_OK);
    assert_string_equal(fake_transport_url(0), LIST_URL);
    fake_transport_answer(0, 200, "[{\"Name\":\"my-net\"},{\"Name\":\"net\"}]");
    assert_int_equal(fake_transport_open(), 0);
    assert_int_equal(w->code, EDGE_OK);
}

/* The Engine's filter finds "my-net", too. */
static void test_made(void **state) {
    static const struct {
        int status;
        enum edge_code code;
    } rows[] = {{201, EDGE_OK}, {409, EDGE_OK}, {403, EDGE_DENIED}, {500, EDGE_REMOTE}};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(ensure(), EDGE_OK);
        fake_transport_answer(0, 200, "[{\"Name\":\"my-net\"}]");
        assert_string_equal(fake_transport_url(0), "POST http://localhost/v1.41/networks/create");
        assert_string_equal(fake_transport_body(0),
                            "{\"Name\":\"net\",\"CheckDuplicate\":true,\"EnableIPv6\":false}");
        assert_int_equal(w->calls, i);
        fake_transport_answer(0, rows[i].status, "{}");
        assert_int_equal(w->calls, i + 1);
        assert_int_equal(w->code, rows[i].code);
    }
}

static void test_faults(void **state) {
    (void)state;
    assert_int_equal(ensure(), EDGE_OK);
    fake_transport_answer(0, 500, "{}");
    assert_int_equal(w->code, EDGE_REMOTE);
    assert_int_equal(ensure(), EDGE_OK);
    fake_transport_answer(0, 200, "{}");
    assert_int_equal(w->code, EDGE_PROTO);
    assert_int_equal(ensure(), EDGE_OK);
    fake_transport_refuse(EDGE_BUSY);
    fake_transport_answer(0, 200, "[]");
    assert_int_equal(w->code, EDGE_BUSY);
    fake_transport_refuse(EDGE_BUSY);
    assert_int_equal(ensure(), EDGE_BUSY);
    assert_int_equal(w->calls, 3);
}

static void test_cancel_anywhere(void **state) {
    (void)state;
    assert_int_equal(ensure(), EDGE_OK);
    op_cancel(loop_ops(fake_loop()), w->op);
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_CANCELED);
    assert_int_equal(ensure(), EDGE_OK);
    fake_transport_answer(0, 200, "[]");
    op_cancel(loop_ops(fake_loop()), w->op);
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_CANCELED);
    assert_int_equal(w->calls, 2);
}

static enum edge_code one_round(void *data) {
    struct edge_error err = {0};
    (void)data;
    enum edge_code code = docker_world_open(&err);
    if (code != EDGE_OK) {
        return code;
    }
    code = ensure();
    if (code == EDGE_OK) {
        while (fake_transport_open() > 0) {
            fake_transport_answer(0, 200, "[]");
        }
        code = w->code;
        assert_int_equal(w->calls, 1);
    }
    docker_world_close();
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    docker_world_close();
    assert_true(alloc_fail_torture(one_round, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOCKER_WORLD_TEST(test_there),         DOCKER_WORLD_TEST(test_made),
        DOCKER_WORLD_TEST(test_faults),        DOCKER_WORLD_TEST(test_cancel_anywhere),
        DOCKER_WORLD_TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
