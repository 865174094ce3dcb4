/* SPDX-License-Identifier: MIT */
#include "http_world.h"

#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#define START_MS 1000
#define TIMERS   4

struct world world;

/* --- Time: stands still but for world_turn_ms and waits, however busy the machine is --- */

static uint64_t now_ms = START_MS;
static struct {
    uv_timer_t *handle; /* NULL: free */
    uv_timer_cb fn;
    uint64_t due_ms;
} timers[TIMERS];

uint64_t __wrap_uv_now(const uv_loop_t *uv);
int __wrap_uv_timer_start(uv_timer_t *handle, uv_timer_cb fn, uint64_t delay_ms,
                          uint64_t repeat_ms);

uint64_t __wrap_uv_now(const uv_loop_t *uv) {
    (void)uv;
    return now_ms;
}

int __wrap_uv_timer_start(uv_timer_t *handle, uv_timer_cb fn, uint64_t delay_ms,
                          uint64_t repeat_ms) {
    size_t i = 0;
    assert_int_equal(repeat_ms, 0);
    while (i < TIMERS && timers[i].handle != handle) {
        i++;
    }
    for (size_t k = 0; i == TIMERS && k < TIMERS; k++) {
        i = timers[k].handle == NULL ? k : i;
    }
    assert_true(i < TIMERS);
    timers[i].handle = handle;
    timers[i].fn = fn;
    timers[i].due_ms = now_ms + delay_ms;
    return 0;
}

static void forget_closed_timers(void) {
    for (size_t i = 0; i < TIMERS; i++) {
        if (timers[i].handle != NULL && uv_is_closing((const uv_handle_t *)timers[i].handle)) {
            timers[i].handle = NULL;
        }
    }
}

static void pass_one_ms(void) {
    now_ms++;
    for (size_t i = 0; i < TIMERS; i++) {
        uv_timer_t *handle = timers[i].handle;
        if (handle != NULL && timers[i].due_ms <= now_ms) {
            timers[i].handle = NULL;
            timers[i].fn(handle);
        }
    }
    world_turn();
}

/* --- The server --- */

static void on_request(struct http_exchange *x) {
    world.calls++;
    if (world.handler != NULL) {
        world.handler(x);
    } else {
        world_reply_text(x, "{}");
    }
}

static void on_authorize(void *data, struct http_exchange *x, enum http_policy policy,
                         struct slice module) {
    assert_ptr_equal(data, &world);
    if (world.authorizer != NULL) {
        world.authorizer(x, policy, module);
    } else {
        http_exchange_allow(x, module);
    }
}

static const struct http_route routes[] = {
    {"GET", "/hook", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 0, on_request},
    {"POST", "/hook", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 1024 * 1024, 0, on_request},
    {"GET", "/brief", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 50, on_request},
    {"POST", "/own/{name}", "2018-06-28", HTTP_POLICY_CALLER, HTTP_ROUTE_SENSITIVE, 1024, 50,
     on_request},
    {"GET", "/agent", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, 0, 0, on_request},
};

static uint64_t on_group(void *data, const struct http_peer *peer) {
    (void)data;
    assert_int_equal(peer->pid, getpid());
    return world.group;
}

static const struct http_service service = {
    .name = "test",
    .routes = routes,
    .route_cnt = EDGE_ARRAY_LEN(routes),
    .authorize = on_authorize,
    .group = on_group,
    .data = &world,
    .context = &world,
};

void world_open(const struct http_listen_options *opt, const struct http_timeouts *times) {
    static const struct http_listen_options plain = {.mode = 0660};
    memset(&world, 0, offsetof(struct world, text));
    world.dir = tmpdir_new();
    (void)snprintf(world.path, sizeof(world.path), "%s", tmpdir_join(world.dir, "s.sock"));
    assert_int_equal(loop_new(&world.loop, NULL), EDGE_OK);
    assert_int_equal(http_server_new(world.loop, &service, &world.server, NULL), EDGE_OK);
    if (times != NULL) {
        http_server_set_timeouts(world.server, times);
    }
    assert_int_equal(
        http_server_listen_path(world.server, world.path, opt != NULL ? opt : &plain, NULL),
        EDGE_OK);
}

static void on_drained(void *data) {
    (void)data;
    assert_false(world.drained);
    world.drained = true;
}

static bool is_drained(void) {
    return world.drained;
}

void world_drain(void) {
    http_server_drain(world.server, 100, on_drained, NULL);
    assert_false(world.drained);
    world_turn_until(is_drained);
}

void world_close(void) {
    if (!world.drained) {
        world_drain();
    }
    assert_int_equal(world_stats().open, 0);
    http_server_free(world.server);
    loop_free(world.loop);
    tmpdir_free(world.dir);
}

void world_turn_once(void) {
    (void)uv_run(loop_uv(world.loop), UV_RUN_NOWAIT);
    forget_closed_timers();
}

void world_turn(void) {
    for (int i = 0; i < 10; i++) {
        world_turn_once();
    }
}

void world_turn_ms(unsigned ms) {
    while (ms-- > 0) {
        pass_one_ms();
    }
}

void world_turn_until(bool (*done)(void)) {
    uint64_t end_ms = now_ms + WORLD_MS;
    world_turn();
    while (!done()) {
        assert_true(now_ms < end_ms);
        pass_one_ms();
    }
}

/* --- Clients --- */

int world_connect(void) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0 && strlen(world.path) < sizeof(addr.sun_path));
    memcpy(addr.sun_path, world.path, strlen(world.path));
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

void world_send_bytes(int fd, const void *bytes, size_t len) {
    const char *at = bytes;
    unsigned full = 0;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0) {
            assert_true(errno == EAGAIN && full++ < WORLD_MS);
            world_turn();
            continue;
        }
        at += n;
        len -= (size_t)n;
    }
}

void world_send(int fd, const char *text) {
    world_send_bytes(fd, text, strlen(text));
}

/* False when nothing is there now. */
static bool read_some(int fd) {
    assert_true(world.text_len < sizeof(world.text));
    ssize_t n = recv(fd, world.text + world.text_len, sizeof(world.text) - world.text_len, 0);
    if (n > 0) {
        world.text_len += (size_t)n;
        return true;
    }
    world.reset = n < 0 && errno == ECONNRESET;
    world.eof = n == 0 || world.reset;
    assert_true(world.eof || errno == EAGAIN);
    return false;
}

void world_read(int fd, size_t cnt) {
    uint64_t end_ms = now_ms + WORLD_MS;
    world.text_len = 0;
    world.eof = false;
    world_turn();
    for (;;) {
        while (read_some(fd)) {
        }
        http_answers_read(world.text, world.text_len, world.eof, false, &world.answers);
        if (world.eof || (world.answers.cnt >= cnt && world.answers.whole)) {
            break;
        }
        assert_true(now_ms < end_ms);
        pass_one_ms();
    }
    if (world.answers.problem != NULL) {
        fail_msg("%s", world.answers.problem);
    }
}

void world_read_to_end(int fd) {
    world_read(fd, SIZE_MAX);
}

bool world_contains(const char *text) {
    return memmem(world.text, world.text_len, text, strlen(text)) != NULL;
}

int world_ask(const char *request) {
    int fd = world_connect();
    world_send(fd, request);
    world_read(fd, 1);
    (void)close(fd);
    world_turn();
    return world.answers.cnt > 0 ? world.answers.statuses[0] : 0;
}

struct http_server_stats world_stats(void) {
    struct http_server_stats st;
    http_server_get_stats(world.server, &st);
    return st;
}

void world_reply_text(struct http_exchange *x, const char *text) {
    struct buf out;
    buf_init(&out, WORLD_TEXT);
    if (buf_append_str(&out, text, NULL) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        http_reply_empty(x, 500);
    }
    buf_clear(&out);
}
