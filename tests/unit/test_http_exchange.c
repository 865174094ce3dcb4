/* SPDX-License-Identifier: MIT */
#include "http_world.h"

#include "base/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GET_HOOK  "GET /hook" WORLD_V " HTTP/1.1\r\n\r\n"
#define GET_BRIEF "GET /brief" WORLD_V " HTTP/1.1\r\n\r\n"
#define POST_OWN  "POST /own/me" WORLD_V " HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"

static struct op handle;
static struct op op;
static unsigned canceled;

static int setup(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    canceled = 0;
    world_open(NULL, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_close();
    return 0;
}

static void keep_handle(struct http_exchange *x) {
    handle = http_exchange_handle(x);
}

static bool is_called(void) {
    return world.calls > 0;
}

static void see(struct http_exchange *x) {
    assert_ptr_equal(http_exchange_server(x), world.server);
    assert_ptr_equal(http_exchange_context(x), &world);
    assert_int_equal(http_exchange_peer(x)->pid, getpid());
    assert_int_equal(http_exchange_peer(x)->uid, getuid());
    assert_null(http_exchange_listener_module(x));
    assert_string_equal(http_exchange_route(x)->path, "/own/{name}");
    assert_true(slice_eq_str(http_exchange_param(x, 0), "me"));
    assert_int_equal(http_exchange_param(x, 1).len, 0);
    assert_true(slice_eq_str(http_exchange_target(x), "/own/me" WORLD_V));
    assert_true(slice_eq_str(http_exchange_version(x), "2018-06-28"));
    assert_true(slice_eq_str(http_exchange_body(x), "{}"));
    assert_int_equal(http_exchange_id(x), 1);
    http_reply_empty(x, 200);
}

static void test_what_a_handler_sees(void **state) {
    (void)state;
    world.handler = see;
    assert_int_equal(world_ask(POST_OWN), 200);
    assert_int_equal(world.calls, 1);
}

/* Answered through a handle, much later; the handle then misses. */
static void test_late_answer(void **state) {
    (void)state;
    world.handler = keep_handle;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_turn_until(is_called);
    struct http_exchange *x = http_exchange_from(world.server, handle);
    assert_non_null(x);
    http_reply_empty(x, 204);
    assert_null(http_exchange_from(world.server, handle));
    world_read(fd, 1);
    assert_int_equal(world.answers.statuses[0], 204);
    /* The next request on the same connection is another one. */
    struct op old = handle;
    world_send(fd, GET_HOOK);
    world_turn();
    assert_int_equal(world.calls, 2);
    assert_null(http_exchange_from(world.server, old));
    http_reply_empty(http_exchange_from(world.server, handle), 204);
    world_read(fd, 1);
    (void)close(fd);
    assert_null(http_exchange_from(world.server, OP_NONE));
    assert_null(http_exchange_from(world.server, (struct op){12345, 1}));
}

static void on_cancel(void *data) {
    (void)data;
    canceled++;
}

static void keep_op(struct http_exchange *x) {
    keep_handle(x);
    assert_int_equal(op_add(loop_ops(world.loop), on_cancel, &canceled, &op, NULL), EDGE_OK);
    http_exchange_set_op(x, op);
}

static void keep_op_detached(struct http_exchange *x) {
    keep_op(x);
    http_exchange_detach(x);
}

static void leave_while_served(void (*handler)(struct http_exchange *x)) {
    world.handler = handler;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_turn_until(is_called);
    (void)close(fd);
    world_turn_ms(5);
    assert_null(http_exchange_from(world.server, handle));
    assert_int_equal(world_stats().open, 0);
    op_remove(loop_ops(world.loop), op);
}

static void test_client_leaves(void **state) {
    (void)state;
    leave_while_served(keep_op);
    assert_int_equal(canceled, 1);
}

static void test_client_leaves_detached(void **state) {
    (void)state;
    leave_while_served(keep_op_detached);
    assert_int_equal(canceled, 0);
}

/* It shuts its writing side, waits, and then gives up: cancelled only then. */
static void test_half_closed_client_leaves(void **state) {
    (void)state;
    world.handler = keep_op;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_turn_until(is_called);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    world_turn_ms(5);
    assert_non_null(http_exchange_from(world.server, handle));
    assert_int_equal(canceled, 0);
    (void)close(fd);
    world_turn_ms(5);
    assert_null(http_exchange_from(world.server, handle));
    assert_int_equal(canceled, 1);
    op_remove(loop_ops(world.loop), op);
}

static void test_half_closed_client_waits(void **state) {
    (void)state;
    world.handler = keep_handle;
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    world_turn_ms(5);
    http_reply_empty(http_exchange_from(world.server, handle), 204);
    world_read_to_end(fd);
    assert_int_equal(world.answers.statuses[0], 204);
    assert_true(world.answers.closing && !world.reset);
    (void)close(fd);
}

static void deadline(void (*handler)(struct http_exchange *x), unsigned want_canceled) {
    world.handler = handler;
    int fd = world_connect();
    world_send(fd, GET_BRIEF);
    world_read_to_end(fd);
    assert_int_equal(world.answers.statuses[0], 503);
    assert_true(world_contains("Retry-After: 1\r\n"));
    assert_null(http_exchange_from(world.server, handle));
    assert_int_equal(canceled, want_canceled);
    op_remove(loop_ops(world.loop), op);
    (void)close(fd);
}

static void test_deadline(void **state) {
    (void)state;
    deadline(keep_op, 1);
}

static void test_deadline_detached(void **state) {
    (void)state;
    deadline(keep_op_detached, 0);
}

static void forget(struct http_exchange *x) {
    (void)x;
}

static void forget_with_op(struct http_exchange *x) {
    assert_int_equal(op_add(loop_ops(world.loop), on_cancel, &canceled, &op, NULL), EDGE_OK);
    http_exchange_set_op(x, op);
}

static void test_dropped_requests(void **state) {
    (void)state;
    world.handler = forget;
    assert_int_equal(world_ask(GET_HOOK), 500);
    world.handler = forget_with_op; /* nobody could answer when it is done */
    assert_int_equal(world_ask(GET_HOOK), 500);
    assert_int_equal(canceled, 1);
    op_remove(loop_ops(world.loop), op);
    assert_int_equal(world_stats().answered_5xx, 2);
}

static void no_verdict(struct http_exchange *x, enum http_policy policy, struct slice module) {
    assert_int_equal(policy, HTTP_POLICY_CALLER);
    assert_true(slice_eq_str(module, "me"));
    (void)x;
}

static void deny(struct http_exchange *x, enum http_policy policy, struct slice module) {
    assert_int_equal(policy, HTTP_POLICY_EDGE_AGENT);
    assert_true(slice_eq_str(module, "edgeAgent"));
    http_exchange_deny(x, 403, "forbidden");
}

static void ponder(struct http_exchange *x, enum http_policy policy, struct slice module) {
    (void)policy;
    (void)module;
    world.calls = 1;
    keep_op(x);
}

static void test_verdicts(void **state) {
    (void)state;
    char name[400];
    assert_int_equal(world_ask(POST_OWN), 200);
    world.authorizer = no_verdict;
    assert_int_equal(world_ask(POST_OWN), 500);
    world.authorizer = deny;
    assert_int_equal(world_ask("GET /agent" WORLD_V " HTTP/1.1\r\n\r\n"), 403);
    assert_true(world_contains("{\"message\":\"forbidden\"}"));

    /* Later, with a name longer than the log wants. */
    world.authorizer = ponder;
    world.handler = keep_handle;
    world.calls = 0;
    int fd = world_connect();
    world_send(fd, POST_OWN);
    world_turn_until(is_called);
    op_remove(loop_ops(world.loop), op);
    memset(name, 'n', sizeof(name));
    struct op verdict = handle;
    http_exchange_allow(http_exchange_from(world.server, verdict), slice_make(name, sizeof(name)));
    assert_int_equal(world.calls, 2);
    assert_null(http_exchange_from(world.server, verdict));
    assert_int_equal(canceled, 0);
    http_reply_empty(http_exchange_from(world.server, handle), 200);
    world_read(fd, 1);
    assert_int_equal(world.answers.statuses[0], 200);

    /* Not within the route's time. */
    world.handler = NULL;
    world_send(fd, POST_OWN);
    world_read(fd, 1);
    assert_int_equal(world.answers.statuses[0], 503);
    assert_int_equal(canceled, 1);
    op_remove(loop_ops(world.loop), op);
    (void)close(fd);
}

/* A service that forgot its authorizer serves nobody, rather than everybody. */
static void test_no_authorizer(void **state) {
    static const struct http_route routes[] = {
        {"GET", "/agent", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, 0, 0, forget},
    };
    static const struct http_service service = {.name = "bare", .routes = routes, .route_cnt = 1};
    static const struct http_listen_options opt = {.mode = 0600};
    struct http_server *ours = world.server;
    (void)state;
    assert_int_equal(http_server_new(world.loop, &service, &world.server, NULL), EDGE_OK);
    (void)snprintf(world.path, sizeof(world.path), "%s", tmpdir_join(world.dir, "bare.sock"));
    assert_int_equal(http_server_listen_path(world.server, world.path, &opt, NULL), EDGE_OK);
    assert_int_equal(world_ask("GET /agent" WORLD_V " HTTP/1.1\r\n\r\n"), 500);
    world_drain();
    http_server_free(world.server);
    world.server = ours;
    world.drained = false;
}

static unsigned freed;

static void free_data(void *data) {
    assert_ptr_equal(data, &freed);
    freed++;
}

static void remember(struct http_exchange *x) {
    if (http_exchange_conn_data(x) == NULL) {
        http_exchange_set_conn_data(x, &freed, free_data);
        http_reply_empty(x, 201);
    } else {
        http_reply_empty(x, 200);
    }
}

static void test_connection_data(void **state) {
    (void)state;
    world.handler = remember;
    freed = 0;
    int fd = world_connect();
    world_send(fd, GET_HOOK GET_HOOK);
    world_read(fd, 2);
    assert_int_equal(world.answers.statuses[0], 201);
    assert_int_equal(world.answers.statuses[1], 200);
    assert_int_equal(freed, 0);
    (void)close(fd);
    world_turn_ms(5);
    assert_int_equal(freed, 1);
    /* Another connection knows nothing of it. */
    assert_int_equal(world_ask(GET_HOOK), 201);
    assert_int_equal(freed, 2);
}

#if EDGE_ASSERTS
static void twice(struct http_exchange *x) {
    http_reply_empty(x, 200);
    http_reply_empty(x, 200);
}

/* Our own mistake stops a debug build. In a child, as it stops by a signal. */
static void test_second_answer(void **state) {
    int status = 0;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        (void)signal(SIGABRT, SIG_DFL);
        world.handler = twice;
        (void)world_ask(GET_HOOK);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}
#endif

static char lines[4096];

static void on_line(void *data, enum log_level level, const char *line) {
    (void)data;
    (void)level;
    size_t len = strlen(lines);
    (void)snprintf(lines + len, sizeof(lines) - len, "%s\n", line);
}

static void test_access_log(void **state) {
    (void)state;
    lines[0] = '\0';
    log_set_sink(on_line, NULL);
    log_set_level(LOG_DEBUG);
    assert_int_equal(world_ask("POST /own/m%0Ae" WORLD_V "&secret=x HTTP/1.1\r\n"
                               "Content-Length: 6\r\n\r\nSECRET"),
                     200);
    assert_non_null(strstr(lines, "POST '/own/m%0Ae' -> 200, 2 bytes"));
    assert_null(strstr(lines, "m\ne")); /* the name that the authorizer gave */
    assert_null(strstr(lines, "secret="));
    assert_null(strstr(lines, "SECRET"));
    lines[0] = '\0';
    log_set_level(LOG_WARN);
    assert_int_equal(world_ask(GET_HOOK), 200);
    assert_string_equal(lines, "");
    world.handler = forget;
    assert_int_equal(world_ask(GET_HOOK), 500);
    assert_non_null(strstr(lines, "GET '/hook' -> 500"));
    log_set_sink(NULL, NULL);
    log_set_level(LOG_OFF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_a_handler_sees),
        TEST(test_late_answer),
        TEST(test_client_leaves),
        TEST(test_client_leaves_detached),
        TEST(test_half_closed_client_leaves),
        TEST(test_half_closed_client_waits),
        TEST(test_deadline),
        TEST(test_deadline_detached),
        TEST(test_dropped_requests),
        TEST(test_verdicts),
        TEST(test_no_authorizer),
        TEST(test_connection_data),
#if EDGE_ASSERTS
        TEST(test_second_answer),
#endif
        TEST(test_access_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
