/* SPDX-License-Identifier: MIT */
#include "authz_world.h"

#include "base/log.h"
#include "support/fake_loop.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world world;

/* --- Exchanges: one per connection --- */

struct http_server *http_exchange_server(struct http_exchange *x) {
    (void)x;
    return (struct http_server *)world.conns;
}
const struct http_peer *http_exchange_peer(const struct http_exchange *x) {
    return &x->peer;
}
const char *http_exchange_listener_module(const struct http_exchange *x) {
    return x->socket_of;
}
struct slice http_exchange_target(const struct http_exchange *x) {
    (void)x;
    return SLICE_LIT("/modules/a/sign");
}
uint64_t http_exchange_id(const struct http_exchange *x) {
    return (uint64_t)(x - world.conns) + 1;
}
struct op http_exchange_handle(const struct http_exchange *x) {
    return (struct op){(uint32_t)(x - world.conns), 1};
}
struct http_exchange *http_exchange_from(struct http_server *s, struct op handle) {
    assert_ptr_equal(s, world.conns);
    struct http_exchange *x = &world.conns[handle.index];
    return x->gone ? NULL : x;
}
void http_exchange_set_conn_data(struct http_exchange *x, void *data, void (*free_data)(void *)) {
    assert_null(x->conn_data);
    x->conn_data = data;
    x->free_conn_data = free_data;
}
void *http_exchange_conn_data(const struct http_exchange *x) {
    return x->conn_data;
}
void http_exchange_allow(struct http_exchange *x, struct slice who) {
    assert_false(x->gone);
    x->answers++;
    x->status = ALLOWED;
    assert_true(slice_to_array(who, x->who, sizeof(x->who)));
}
void http_exchange_deny(struct http_exchange *x, int status, const char *message) {
    assert_false(x->gone);
    x->answers++;
    x->status = status;
    snprintf(x->message, sizeof(x->message), "%s", message);
}

/* --- The world --- */

static void sink(void *data, enum log_level level, const char *line) {
    (void)data;
    (void)level;
    snprintf(world.last_line, sizeof(world.last_line), "%s", line);
}

int world_setup(void **state) {
    (void)state;
    fake_loop_init();
    world.dir = tmpdir_new();
    world.engine = fake_runtime_new(fake_loop());
    assert_int_equal(authz_new(fake_loop(), fake_runtime_get(world.engine), &world.authz, NULL),
                     EDGE_OK);
    authz_set_proc_take(world.authz, open(world.dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    memset(world.conns, 0, sizeof(world.conns));
    world.next_pid = 100;
    log_set_sink(sink, NULL);
    fake_runtime_add(world.engine, ID_A, "a", true);
    fake_runtime_add(world.engine, ID_B, "b", true);
    fake_runtime_add(world.engine, ID_ALIEN, "alien", false);
    authz_on_event(world.authz, RUNTIME_EVENT_CONNECTED, NULL);
    return 0;
}

void world_hang_up(struct http_exchange *x) {
    if (x->conn_data != NULL) {
        x->free_conn_data(x->conn_data);
        x->conn_data = NULL;
    }
    if (x->peer.pidfd > 0) {
        close(x->peer.pidfd);
        x->peer.pidfd = -1;
    }
    x->gone = true;
}

int world_teardown(void **state) {
    (void)state;
    fake_runtime_run(world.engine);
    authz_free(world.authz);
    world.authz = NULL;
    for (size_t i = 0; i < CONNS; i++) {
        world_hang_up(&world.conns[i]);
    }
    fake_runtime_free(world.engine);
    tmpdir_free(world.dir);
    log_set_sink(NULL, NULL);
    fake_loop_clear();
    return 0;
}

void world_set_cgroup(pid_t pid, const char *cgroup) {
    char name[64];
    snprintf(name, sizeof(name), "%d", (int)pid);
    (void)mkdirat(world.dir->fd, name, 0755);
    snprintf(name, sizeof(name), "%d/cgroup", (int)pid);
    (void)unlinkat(world.dir->fd, name, 0);
    tmpdir_write(world.dir, name, cgroup, strlen(cgroup), 0444);
}

void world_set_start_time(pid_t pid, uint64_t start_time) {
    char name[64], text[160];
    snprintf(name, sizeof(name), "%d/stat", (int)pid);
    int len =
        snprintf(text, sizeof(text), "%d (x) S 1 4 4 0 -1 41 1 0 0 0 1 2 0 0 20 0 1 0 %llu 1 2\n",
                 (int)pid, (unsigned long long)start_time);
    (void)unlinkat(world.dir->fd, name, 0);
    tmpdir_write(world.dir, name, text, (size_t)len, 0444);
}

struct http_exchange *world_conn(size_t index, const char *cgroup) {
    struct http_exchange *x = &world.conns[index];
    world_hang_up(x);
    memset(x, 0, sizeof(*x));
    x->peer = (struct http_peer){.pid = world.next_pid++, .uid = 1000};
    x->peer.pidfd = eventfd(0, EFD_CLOEXEC);
    world_set_cgroup(x->peer.pid, cgroup);
    world_set_start_time(x->peer.pid, START_TIME);
    return x;
}

struct http_exchange *world_conn_in(size_t index, const char *id) {
    char text[128];
    snprintf(text, sizeof(text), "0::/docker/%s\n", id);
    return world_conn(index, text);
}

void world_without_pidfd(struct http_exchange *x) {
    close(x->peer.pidfd);
    x->peer.pidfd = -1;
    x->peer.start_time = START_TIME;
}

void world_exits(struct http_exchange *x) {
    uint64_t one = 1;
    assert_int_equal(write(x->peer.pidfd, &one, sizeof(one)), sizeof(one));
}

void world_ask_policy(struct http_exchange *x, enum http_policy policy, const char *module) {
    x->status = PENDING;
    x->answers = 0;
    authz_authorize(world.authz, x, policy, slice_str(module));
}

int world_ask(struct http_exchange *x, const char *module) {
    world_ask_policy(x, HTTP_POLICY_CALLER, module);
    fake_runtime_run(world.engine);
    assert_int_equal(x->answers, 1);
    return x->status;
}
