/* SPDX-License-Identifier: MIT */
#include "http_world.h"

#include "base/log.h"
#include "support/alloc_fail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define GET_HOOK "GET /hook" WORLD_V " HTTP/1.1\r\n\r\n"

static const struct http_listen_options many = {.max_conns = 100, .max_conns_per_peer = 100};
static const struct http_timeouts brief = {60, 80, 70, 40};

static int teardown(void **state) {
    (void)state;
    world_close();
    return 0;
}

static int setup(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    world_open(NULL, NULL);
    return 0;
}

static int setup_brief(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    world_open(&many, &brief);
    return 0;
}

static void test_silent_client(void **state) {
    (void)state;
    int fd = world_connect();
    world_read_to_end(fd);
    assert_int_equal(world.text_len, 0);
    (void)close(fd);
}

static void test_slow_head(void **state) {
    (void)state;
    int fd = world_connect();
    world_send(fd, "GET /hook");
    world_turn_ms(20);
    world_send(fd, " HT"); /* progress does not buy time */
    world_read_to_end(fd);
    assert_int_equal(world.answers.statuses[0], 408);
    (void)close(fd);
    assert_int_equal(world.calls, 0);
}

static void test_slow_body(void **state) {
    (void)state;
    int fd = world_connect();
    world_send(fd, "POST /hook" WORLD_V " HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
    world_read_to_end(fd);
    assert_int_equal(world.answers.statuses[0], 408);
    (void)close(fd);
    assert_int_equal(world.calls, 0);
}

static void test_idle_client(void **state) {
    (void)state;
    int fd = world_connect();
    for (int i = 0; i < 4; i++) {
        world_send(fd, GET_HOOK);
        world_read(fd, 1);
        assert_int_equal(world.answers.statuses[0], 200);
        assert_false(world.eof);
        world_turn_ms(40); /* each request starts the time anew */
    }
    world_read_to_end(fd);
    assert_int_equal(world.text_len, 0);
    (void)close(fd);
}

/* What the client still sends after a refusal is read for a while, so that the answer arrives. */
static void test_lingering(void **state) {
    (void)state;
    char *junk = calloc(1, 300 * 1024);
    assert_non_null(junk);
    int fd = world_connect();
    world_send(fd, "NONSENSE\n");
    world_turn();
    world_send_bytes(fd, junk, 300 * 1024);
    world_read_to_end(fd);
    assert_int_equal(world.answers.statuses[0], 400);
    assert_false(world.reset);
    assert_int_equal(world_stats().open, 1);
    world_turn_ms(60); /* but not for ever */
    assert_int_equal(world_stats().open, 0);
    (void)close(fd);
    free(junk);
}

static bool all_served(void) {
    return world.calls == 3;
}

static struct op handles[8];

static void keep_handles(struct http_exchange *x) {
    handles[world.calls - 1] = http_exchange_handle(x);
}

static void on_drained(void *data) {
    (void)data;
    world.drained = true;
}

static bool is_drained(void) {
    return world.drained;
}

static void test_drain_finishes_requests(void **state) {
    (void)state;
    int fds[3];
    int idle = world_connect();
    world.handler = keep_handles;
    for (int i = 0; i < 3; i++) {
        fds[i] = world_connect();
        world_send(fds[i], GET_HOOK);
    }
    world_turn_until(all_served);
    http_server_drain(world.server, 60, on_drained, NULL);
    world_turn_ms(5);
    assert_false(world.drained);
    assert_int_equal(access(world.path, F_OK), -1);
    world_read_to_end(idle);
    assert_int_equal(world.text_len, 0);
    for (int i = 0; i < 2; i++) {
        http_reply_empty(http_exchange_from(world.server, handles[i]), 200);
    }
    for (int i = 0; i < 2; i++) {
        world_read_to_end(fds[i]);
        assert_int_equal(world.answers.statuses[0], 200);
        assert_true(world.answers.closing);
    }
    /* The third takes too long. */
    world_turn_until(is_drained);
    world_read_to_end(fds[2]);
    assert_int_equal(world.text_len, 0);
    for (int i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    (void)close(idle);
}

static void test_drain_of_nothing(void **state) {
    (void)state;
    struct http_server *s = NULL;
    const struct http_service service = {.name = "none"};
    assert_int_equal(http_server_new(world.loop, &service, &s, NULL), EDGE_OK);
    http_server_free(s);
    http_server_free(NULL);
    assert_int_equal(http_server_new(world.loop, &service, &s, NULL), EDGE_OK);
    http_server_drain(s, 10, on_drained, NULL);
    assert_false(world.drained);
    world_turn_until(is_drained);
    http_server_free(s);
    world.drained = false;
}

static int listening(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(addr.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void test_inherited_socket(void **state) {
    (void)state;
    struct edge_error err;
    char first[256], path[256];
    (void)snprintf(path, sizeof(path), "%s", tmpdir_join(world.dir, "inherited.sock"));
    assert_int_equal(http_server_listen_fd(world.server, listening(path), &many, NULL), EDGE_OK);
    memcpy(first, world.path, sizeof(first));
    memcpy(world.path, path, sizeof(path));
    assert_int_equal(world_ask(GET_HOOK), 200);
    int wrong = open("/dev/null", O_RDONLY);
    assert_int_equal(http_server_listen_fd(world.server, wrong, &many, &err), EDGE_INVALID);
    assert_int_equal(fcntl(wrong, F_GETFD), -1);
    /* The file of an inherited socket stays. */
    http_server_drain(world.server, 10, on_drained, NULL);
    world_turn_until(is_drained);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(access(first, F_OK), -1);
}

static void name_module(struct http_exchange *x) {
    world_reply_text(x, http_exchange_listener_module(x) != NULL ? http_exchange_listener_module(x)
                                                                 : "none");
}

static void test_listeners_come_and_go(void **state) {
    (void)state;
    const struct http_listen_options opt = {.module = "tempSensor", .mode = 0666};
    struct stat st;
    struct edge_error err;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s", tmpdir_join(world.dir, "a/b/module.sock"));
    assert_int_equal(http_server_listen_path(world.server, path, &opt, NULL), EDGE_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    /* Twice is a conflict: the first one is alive. */
    assert_int_equal(http_server_listen_path(world.server, path, &opt, &err), EDGE_CONFLICT);

    world.handler = name_module;
    memcpy(world.path, path, sizeof(path));
    int fd = world_connect();
    world_send(fd, GET_HOOK);
    world_read(fd, 1);
    assert_true(world_contains("\r\n\r\ntempSensor"));
    /* A connection outlives its listener. */
    http_server_unlisten(world.server, "tempSensor");
    assert_int_equal(access(path, F_OK), -1);
    world_turn();
    world_send(fd, GET_HOOK);
    world_read(fd, 1);
    assert_true(world_contains("\r\n\r\ntempSensor"));
    (void)close(fd);
    world_turn();
    http_server_unlisten(world.server, "tempSensor");
    assert_int_equal(http_server_listen_path(world.server, path, &opt, NULL), EDGE_OK);
    assert_int_equal(world_ask(GET_HOOK), 200);
    assert_int_equal(world_stats().requests, 3);
}

static enum edge_code serve(void *data) {
    struct http_answers answers;
    bool good = false;
    (void)data;
    world_open(&many, NULL);
    int fd = world_connect();
    world_send(fd, "POST /own/me" WORLD_V " HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" GET_HOOK);
    world_turn();
    world.text_len = 0;
    ssize_t n = recv(fd, world.text, sizeof(world.text), 0);
    if (n > 0) {
        http_answers_read(world.text, (size_t)n, false, false, &answers);
        assert_null(answers.problem);
        assert_true(answers.whole);
        good = answers.cnt == 2 && answers.statuses[0] == 200 && answers.statuses[1] == 200;
    }
    (void)close(fd);
    world_close();
    return good ? EDGE_OK : EDGE_NOMEM;
}

/* The fixture of this one is inside: only what serves a request may fail. */
static enum edge_code serve_existing(void *data) {
    struct http_answers answers;
    bool good = false;
    (void)data;
    int fd = world_connect();
    world_send(fd, "POST /own/me" WORLD_V " HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" GET_HOOK);
    world_turn();
    ssize_t n = recv(fd, world.text, sizeof(world.text), 0);
    if (n > 0) {
        http_answers_read(world.text, (size_t)n, true, false, &answers);
        assert_null(answers.problem);
        assert_true(answers.whole);
        good = answers.cnt == 2 && answers.statuses[0] == 200 && answers.statuses[1] == 200;
    }
    (void)close(fd);
    world_turn();
    assert_int_equal(world_stats().open, 0);
    return good ? EDGE_OK : EDGE_NOMEM;
}

static enum edge_code listen_again(void *data) {
    (void)data;
    const char *path = tmpdir_join(world.dir, "torture.sock");
    const struct http_listen_options opt = {.module = "m"};
    enum edge_code code = http_server_listen_path(world.server, path, &opt, NULL);
    http_server_unlisten(world.server, "m");
    world_turn();
    assert_int_equal(access(path, F_OK), -1);
    return code;
}

static enum edge_code new_and_free(void *data) {
    struct http_server *s = NULL;
    const struct http_service service = {.name = "none"};
    (void)data;
    enum edge_code code = http_server_new(world.loop, &service, &s, NULL);
    assert_true((code == EDGE_OK) == (s != NULL));
    http_server_free(s);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_int_equal(serve(NULL), EDGE_OK);
    world_open(&many, NULL);
    assert_true(alloc_fail_torture(serve_existing, NULL) >= 3);
    assert_true(alloc_fail_torture(listen_again, NULL) >= 3);
    assert_true(alloc_fail_torture(new_and_free, NULL) >= 1);
    assert_int_equal(world_ask(GET_HOOK), 200);
    world_close();
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BRIEF(name) cmocka_unit_test_setup_teardown(name, setup_brief, teardown)

int main(void) {
    log_set_level(LOG_OFF);
    const struct CMUnitTest tests[] = {
        BRIEF(test_silent_client),
        BRIEF(test_slow_head),
        BRIEF(test_slow_body),
        BRIEF(test_idle_client),
        BRIEF(test_lingering),
        TEST(test_drain_finishes_requests),
        TEST(test_drain_of_nothing),
        TEST(test_inherited_socket),
        TEST(test_listeners_come_and_go),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
