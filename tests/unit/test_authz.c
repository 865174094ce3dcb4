/* SPDX-License-Identifier: MIT */
/*
 * The decision table of caller authorization, over a fake engine, a fake /proc and fake exchanges.
 */
#include "api/authz.h"

#include "api/authz_memory.h"
#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_A     "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"
#define ID_B     "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
#define ID_ALIEN "00000000e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
#define PRIVATE  "0::/\n"
#define HOST     "0::/system.slice/cron.service\n"

#define START_TIME 5000

#define PENDING (-1)
#define ALLOWED 200
#define CONNS   24

/* --- Exchanges: one per connection --- */

struct http_exchange {
    struct http_peer peer;
    const char *socket_of;
    bool gone;
    int status; /* PENDING, ALLOWED, or the refusal's */
    unsigned answers;
    char who[RUNTIME_NAME_MAX + 1];
    char message[160];
    void *conn_data;
    void (*free_conn_data)(void *data);
};

static struct http_exchange conns[CONNS];

struct http_server *http_exchange_server(struct http_exchange *x) {
    (void)x;
    return (struct http_server *)conns;
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
    return (uint64_t)(x - conns) + 1;
}
struct op http_exchange_handle(const struct http_exchange *x) {
    return (struct op){(uint32_t)(x - conns), 1};
}
struct http_exchange *http_exchange_from(struct http_server *s, struct op handle) {
    assert_ptr_equal(s, conns);
    struct http_exchange *x = &conns[handle.index];
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

static struct tmpdir *dir;
static struct fake_runtime *engine;
static struct authz *authz;
static char last_line[1024];
static pid_t next_pid;

static void sink(void *data, enum log_level level, const char *line) {
    (void)data;
    (void)level;
    snprintf(last_line, sizeof(last_line), "%s", line);
}

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    dir = tmpdir_new();
    engine = fake_runtime_new(fake_loop());
    assert_int_equal(authz_new(fake_loop(), fake_runtime_get(engine), &authz, NULL), EDGE_OK);
    authz_set_proc_take(authz, open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    memset(conns, 0, sizeof(conns));
    next_pid = 100;
    log_set_sink(sink, NULL);
    fake_runtime_add(engine, ID_A, "a", true);
    fake_runtime_add(engine, ID_B, "b", true);
    fake_runtime_add(engine, ID_ALIEN, "alien", false);
    authz_on_event(authz, RUNTIME_EVENT_CONNECTED, NULL);
    return 0;
}

static void hang_up(struct http_exchange *x) {
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

static int teardown(void **state) {
    (void)state;
    fake_runtime_run(engine);
    authz_free(authz);
    authz = NULL;
    for (size_t i = 0; i < CONNS; i++) {
        hang_up(&conns[i]);
    }
    fake_runtime_free(engine);
    tmpdir_free(dir);
    log_set_sink(NULL, NULL);
    fake_loop_clear();
    return 0;
}

static void set_cgroup(pid_t pid, const char *cgroup) {
    char name[64];
    snprintf(name, sizeof(name), "%d", (int)pid);
    (void)mkdirat(dir->fd, name, 0755);
    snprintf(name, sizeof(name), "%d/cgroup", (int)pid);
    (void)unlinkat(dir->fd, name, 0);
    tmpdir_write(dir, name, cgroup, strlen(cgroup), 0444);
}

static void set_start_time(pid_t pid, uint64_t start_time) {
    char name[64], text[160];
    snprintf(name, sizeof(name), "%d/stat", (int)pid);
    int len =
        snprintf(text, sizeof(text), "%d (x) S 1 4 4 0 -1 41 1 0 0 0 1 2 0 0 20 0 1 0 %llu 1 2\n",
                 (int)pid, (unsigned long long)start_time);
    (void)unlinkat(dir->fd, name, 0);
    tmpdir_write(dir, name, text, (size_t)len, 0444);
}

/* A connection of a new process with that cgroup text; its pidfd is an eventfd that stays quiet. */
static struct http_exchange *conn(size_t index, const char *cgroup) {
    struct http_exchange *x = &conns[index];
    hang_up(x);
    memset(x, 0, sizeof(*x));
    x->peer = (struct http_peer){.pid = next_pid++, .uid = 1000};
    x->peer.pidfd = eventfd(0, EFD_CLOEXEC);
    set_cgroup(x->peer.pid, cgroup);
    set_start_time(x->peer.pid, START_TIME);
    return x;
}

static struct http_exchange *conn_in(size_t index, const char *id) {
    char text[128];
    snprintf(text, sizeof(text), "0::/docker/%s\n", id);
    return conn(index, text);
}

/* As on a kernel without SO_PEERPIDFD. */
static void without_pidfd(struct http_exchange *x) {
    close(x->peer.pidfd);
    x->peer.pidfd = -1;
    x->peer.start_time = START_TIME;
}

/* The process has exited: its pidfd fires. */
static void exits(struct http_exchange *x) {
    uint64_t one = 1;
    assert_int_equal(write(x->peer.pidfd, &one, sizeof(one)), sizeof(one));
}

static void ask_policy(struct http_exchange *x, enum http_policy policy, const char *module) {
    x->status = PENDING;
    x->answers = 0;
    authz_authorize(authz, x, policy, slice_str(module));
}

static int ask(struct http_exchange *x, const char *module) {
    ask_policy(x, HTTP_POLICY_CALLER, module);
    fake_runtime_run(engine);
    assert_int_equal(x->answers, 1);
    return x->status;
}

/* --- By cgroup --- */

static void test_own_name_only(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_string_equal(x->who, "a");
    assert_int_equal(ask(x, "b"), 404);
    assert_string_equal(x->message, "Module not found");
    assert_int_equal(ask(conn_in(1, ID_A), "b"), 404);
    assert_non_null(strstr(last_line, "which is module 'a'"));
    assert_int_equal(ask(conn_in(2, ID_A), "A"), 404);
    assert_int_equal(ask(conn_in(3, ID_B), "b"), ALLOWED);
    assert_int_equal(fake_runtime_tops(engine), 0);
}

static void test_dollar_signs(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    assert_int_equal(ask(x, "$a"), ALLOWED);
    assert_int_equal(ask(x, "$$a"), ALLOWED);
    assert_int_equal(ask(x, "a$"), 404);
    assert_int_equal(ask(x, "$"), 404);
    assert_int_equal(ask(x, ""), 404);
}

static void test_names_that_cannot_be(void **state) {
    struct http_exchange *x = conn(0, PRIVATE);
    char longer[RUNTIME_NAME_MAX + 2];
    (void)state;
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(ask(x, longer), 404);
    assert_int_equal(ask(x, "a/../b"), 404);
    assert_int_equal(ask(x, "../b"), 404);
    x->status = PENDING;
    authz_authorize(authz, x, HTTP_POLICY_CALLER, slice_make("a\0b", 3));
    assert_int_equal(x->status, 404);
    assert_int_equal(fake_runtime_inspects(engine), 0);
}

static void test_edge_agent(void **state) {
    const char *id = "cccccccce5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    struct http_exchange *agent = conn_in(0, id), *a = conn_in(1, ID_A);
    (void)state;
    fake_runtime_add(engine, id, "edgeAgent", true);
    ask_policy(agent, HTTP_POLICY_EDGE_AGENT, "edgeAgent");
    ask_policy(a, HTTP_POLICY_EDGE_AGENT, "a"); /* whatever the server hands over */
    fake_runtime_run(engine);
    assert_int_equal(agent->status, ALLOWED);
    assert_int_equal(a->status, 404);
    assert_int_equal(ask(agent, "$edgeAgent"), ALLOWED);
    assert_int_equal(ask(agent, "a"), 404);
}

static void test_strangers(void **state) {
    (void)state;
    assert_int_equal(ask(conn(0, HOST), "a"), 404);
    assert_non_null(strstr(last_line, "no container"));
    assert_int_equal(fake_runtime_inspects(engine), 0);
    assert_int_equal(ask(conn_in(1, ID_ALIEN), "alien"), 404);
    assert_non_null(strstr(last_line, "none of our modules"));
    assert_int_equal(fake_runtime_tops(engine), 0);
}

static void test_unknown_process_number(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    x->peer.pid = 0;
    assert_int_equal(ask(x, "a"), 404);
    assert_non_null(strstr(last_line, "another pid namespace"));
}

static void test_socket_of_a_module(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    x->socket_of = "a";
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_int_equal(ask(x, "b"), 404);
    x = conn_in(1, ID_A);
    x->socket_of = "b";
    assert_int_equal(ask(x, "a"), 404); /* itself, but through another's socket */
    assert_int_equal(ask(x, "b"), 404); /* the right socket, but not itself */
}

/* The Engine resolves names too; a container that carries another's id as its name is not that
 * other. */
static void test_name_that_looks_like_an_id(void **state) {
    const char *id = "dddddddde5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    (void)state;
    fake_runtime_remove(engine, ID_B);
    fake_runtime_add(engine, id, ID_B, true);
    assert_int_equal(ask(conn_in(0, ID_B), ID_B), 404);
}

static void test_operator(void **state) {
    struct http_exchange *x = conn(0, HOST);
    char name[64];
    const char *text = "Groups:\t \nNSpid:\t5\n";
    (void)state;
    snprintf(name, sizeof(name), "%d/status", (int)x->peer.pid);
    tmpdir_write(dir, name, text, strlen(text), 0444);
    x->peer.uid = 0;
    ask_policy(x, HTTP_POLICY_HOST, "");
    assert_int_equal(x->status, ALLOWED);
    assert_string_equal(x->who, "operator");
    assert_int_equal(ask(x, "a"), 404); /* and is no module for that */
    x->socket_of = "a";
    ask_policy(x, HTTP_POLICY_HOST, "");
    assert_int_equal(x->status, 404);
    x = conn_in(1, ID_A);
    x->peer.uid = 0;
    ask_policy(x, HTTP_POLICY_HOST, "");
    assert_int_equal(x->status, 404);
}

/* --- Process identity --- */

static void test_exited_peer(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    exits(x);
    assert_int_equal(ask(x, "a"), 404);
    assert_non_null(strstr(last_line, "has exited"));
    assert_int_equal(fake_runtime_inspects(engine), 0);
}

static void test_recycled_number_without_pidfd(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    without_pidfd(x);
    assert_int_equal(ask(x, "a"), ALLOWED);
    hang_up(x);
    x->gone = false;
    set_start_time(x->peer.pid, x->peer.start_time + 1);
    assert_int_equal(ask(x, "a"), 404);
    x->peer.start_time = 0;
    assert_int_equal(ask(x, "a"), 404);
}

/* The stranger's process dies while the list is made and its number goes to a process of the
 * module. */
static void test_recycled_during_listing(void **state) {
    struct http_exchange *x = conn(0, PRIVATE);
    (void)state;
    fake_runtime_set_pids(engine, ID_A, &x->peer.pid, 1);
    ask_policy(x, HTTP_POLICY_CALLER, "a");
    assert_true(fake_runtime_step(engine));
    exits(x);
    fake_runtime_run(engine);
    assert_int_equal(x->status, 404);
    assert_non_null(strstr(last_line, "has exited"));

    x = conn(1, PRIVATE);
    without_pidfd(x);
    fake_runtime_set_pids(engine, ID_A, &x->peer.pid, 1);
    ask_policy(x, HTTP_POLICY_CALLER, "a");
    set_start_time(x->peer.pid, 1);
    fake_runtime_run(engine);
    assert_int_equal(x->status, 404);
}

/* --- Memory --- */

static void test_warm_connection_asks_nobody(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(engine), 1);
    exits(x); /* a helper that connected for others may go */
    set_cgroup(x->peer.pid, HOST);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ask(x, "a"), ALLOWED);
        assert_int_equal(ask(x, "b"), 404);
    }
    assert_int_equal(fake_runtime_inspects(engine), 1);
    assert_int_equal(ask(conn_in(1, ID_A), "a"), ALLOWED); /* the fact is shared */
    assert_int_equal(fake_runtime_inspects(engine), 1);
}

static void test_simultaneous_questions_share(void **state) {
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        ask_policy(conn_in(i, i < 4 ? ID_A : ID_B), HTTP_POLICY_CALLER, i == 3 ? "b" : "a");
    }
    assert_int_equal(fake_runtime_open(engine), 2);
    conns[1].gone = true; /* the client hangs up */
    fake_runtime_run(engine);
    assert_int_equal(conns[0].status, ALLOWED);
    assert_int_equal(conns[1].answers, 0);
    assert_int_equal(conns[2].status, ALLOWED);
    assert_int_equal(conns[3].status, 404);
    assert_int_equal(conns[4].status, 404);
    assert_int_equal(conns[5].status, 404);
}

static void rename_container(const char *id, const char *name) {
    fake_runtime_remove(engine, id);
    fake_runtime_add(engine, id, name, true);
}

static void test_rename_voids(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    assert_int_equal(ask(x, "a"), ALLOWED);
    rename_container(ID_A, "c");
    authz_on_event(authz, RUNTIME_EVENT_STOPPED, ID_A);
    assert_int_equal(ask(x, "a"), 404);
    assert_int_equal(ask(x, "c"), ALLOWED);
    assert_int_equal(ask(conn_in(1, ID_A), "a"), 404);
}

/* An answer that an event has overtaken must not be remembered, neither as a fact nor with the
 * connection. */
static void test_event_overtakes_answer(void **state) {
    struct http_exchange *x = conn_in(0, ID_A), *later = conn_in(1, ID_A);
    (void)state;
    ask_policy(x, HTTP_POLICY_CALLER, "a");
    authz_on_event(authz, RUNTIME_EVENT_STOPPED, ID_A);
    ask_policy(later, HTTP_POLICY_CALLER, "a"); /* must not join the question from before */
    assert_int_equal(fake_runtime_open(engine), 2);
    assert_true(fake_runtime_step(engine));
    assert_int_equal(x->status, ALLOWED);
    rename_container(ID_A, "c");
    fake_runtime_run(engine);
    assert_int_equal(later->status, 404);
    assert_int_equal(ask(x, "a"), 404);
}

static void test_overtaken_answer_is_no_fact(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    ask_policy(x, HTTP_POLICY_CALLER, "a");
    authz_on_event(authz, RUNTIME_EVENT_STOPPED, ID_A);
    fake_runtime_run(engine);
    assert_int_equal(x->status, ALLOWED); /* it was true when it was asked */
    rename_container(ID_A, "c");          /* which is what the event was about */
    assert_int_equal(ask(conn_in(1, ID_A), "a"), 404);
    assert_int_equal(ask(x, "a"), 404);
}

static void test_engine_lost_and_back(void **state) {
    struct http_exchange *x = conn_in(0, ID_A);
    (void)state;
    assert_int_equal(ask(x, "a"), ALLOWED);
    authz_on_event(authz, RUNTIME_EVENT_LOST, NULL);
    fake_runtime_fail(engine, EDGE_NET);
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_int_equal(ask(conn_in(1, ID_A), "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(engine), 1);
    /* Facts grow stale, but are better than nothing while nobody can be asked. */
    fake_loop_advance(AUTHZ_LOST_FRESH_MS);
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(engine), 2);
    assert_int_equal(ask(conn_in(2, ID_A), "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(engine), 2);
    /* What is not known at all cannot be told. */
    struct http_exchange *other = conn_in(3, ID_B);
    assert_int_equal(ask(other, "b"), 503);
    /* The Engine answers again, though its events do not come: a rename is noticed. */
    fake_runtime_fail(engine, EDGE_OK);
    rename_container(ID_A, "c");
    fake_loop_advance(AUTHZ_LOST_FRESH_MS);
    assert_int_equal(ask(x, "a"), 404);
    assert_int_equal(ask(other, "b"), ALLOWED);
    /* All is asked afresh after a reconnect. */
    unsigned before = fake_runtime_inspects(engine);
    authz_on_event(authz, RUNTIME_EVENT_CONNECTED, NULL);
    assert_int_equal(ask(other, "b"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(engine), before + 1);
    fake_loop_advance(10 * AUTHZ_LOST_FRESH_MS);
    assert_int_equal(ask(other, "b"), ALLOWED);
    assert_int_equal(ask(conn_in(4, ID_B), "b"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(engine), before + 1);
}

static void test_engine_failures(void **state) {
    static const enum edge_code codes[] = {EDGE_NET,  EDGE_TIMEOUT, EDGE_REMOTE,  EDGE_PROTO,
                                           EDGE_BUSY, EDGE_DENIED,  EDGE_CANCELED};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        fake_runtime_fail(engine, codes[i]);
        assert_int_equal(ask(conn_in(i, ID_A), "a"), 503);
        assert_int_equal(ask(conn(i, PRIVATE), "a"), 503);
    }
    fake_runtime_fail(engine, EDGE_OK);
    fake_runtime_refuse(engine, EDGE_BUSY);
    assert_int_equal(ask(conn_in(10, ID_A), "a"), 503);
    assert_int_equal(ask(conn(11, PRIVATE), "a"), 503);
    fake_runtime_refuse(engine, EDGE_OK);
    assert_int_equal(ask(conn_in(12, ID_A), "a"), ALLOWED);
}

/* --- By process list --- */

static void test_listing(void **state) {
    struct http_exchange *x = conn(0, PRIVATE);
    const pid_t pids[] = {1, x->peer.pid, 9};
    (void)state;
    fake_runtime_set_pids(engine, ID_A, pids, 3);
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_string_equal(x->who, "a");
    assert_int_equal(fake_runtime_tops(engine), 1);
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_int_equal(ask(x, "b"), 404); /* by the connection's memory */
    assert_int_equal(fake_runtime_tops(engine), 1);
    assert_int_equal(ask(conn(1, PRIVATE), "a"), 404);
    struct http_exchange *in_alien = conn(2, PRIVATE);
    fake_runtime_set_pids(engine, ID_ALIEN, &in_alien->peer.pid, 1);
    assert_int_equal(ask(in_alien, "alien"), 404); /* it is in it, but that is not ours */
    assert_int_equal(ask(conn(3, PRIVATE), "nobody"), 404);
}

static void test_listing_of_stopped_or_other_name(void **state) {
    struct http_exchange *x = conn(0, PRIVATE);
    (void)state;
    fake_runtime_remove(engine, ID_A);
    struct runtime_container *c = fake_runtime_add(engine, ID_A, "a", true);
    fake_runtime_set_pids(engine, ID_A, &x->peer.pid, 1);
    c->running = false;
    assert_int_equal(ask(x, "a"), 404);
    c->running = true;
    /* Found by its id in place of a name: the module named so does not exist. */
    assert_int_equal(ask(conn(1, PRIVATE), ID_A), 404);
}

static void test_listing_failures(void **state) {
    static const struct {
        enum edge_code code;
        int status;
    } rows[] = {{EDGE_NOT_FOUND, 404}, {EDGE_CONFLICT, 404}, {EDGE_REMOTE, 404}, {EDGE_PROTO, 404},
                {EDGE_RANGE, 404},     {EDGE_NET, 503},      {EDGE_TIMEOUT, 503}};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct http_exchange *x = conn(i, PRIVATE);
        fake_runtime_set_pids(engine, ID_A, &x->peer.pid, 1);
        fake_runtime_fail_top(engine, rows[i].code);
        assert_int_equal(ask(x, "a"), rows[i].status);
        fake_runtime_fail_top(engine, EDGE_OK);
        assert_int_equal(ask(x, "a"), ALLOWED); /* nothing of it is remembered */
    }
}

/* A container of an outer engine: ours is asked for its process list, the id proves nothing. */
static void test_container_the_engine_does_not_know(void **state) {
    const char *outer = "eeeeeeeee5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    struct http_exchange *inside = conn_in(0, outer), *stranger = conn_in(1, outer);
    (void)state;
    fake_runtime_set_pids(engine, ID_A, &inside->peer.pid, 1);
    assert_int_equal(ask(inside, "a"), ALLOWED);
    assert_int_equal(ask(stranger, "a"), 404);
    assert_int_equal(fake_runtime_inspects(engine), 3); /* the outer id once, "a" twice */
    fake_loop_advance(AUTHZ_UNKNOWN_MS);
    assert_int_equal(ask(conn_in(2, outer), "a"), 404);
    assert_int_equal(fake_runtime_inspects(engine), 5);
}

static void test_unknown_becomes_known(void **state) {
    const char *id = "ffffffffe5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    (void)state;
    assert_int_equal(ask(conn_in(0, id), "new"), 404);
    fake_runtime_add(engine, id, "new", true);
    authz_on_event(authz, RUNTIME_EVENT_STARTED, id);
    assert_int_equal(ask(conn_in(1, id), "new"), ALLOWED);
}

static void test_refusals_are_remembered_a_while(void **state) {
    struct http_exchange *x = conn(0, PRIVATE);
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask(x, "a"), 404);
    }
    assert_int_equal(fake_runtime_tops(engine), 1);
    assert_int_equal(ask(x, "b"), 404); /* another question */
    assert_int_equal(fake_runtime_tops(engine), 2);
    fake_loop_advance(AUTHZ_DENIAL_MS);
    fake_runtime_set_pids(engine, ID_A, &x->peer.pid, 1);
    assert_int_equal(ask(x, "a"), ALLOWED);
    assert_int_equal(fake_runtime_tops(engine), 3);
    /* Not for the next process with that number. */
    struct http_exchange *y = conn(1, PRIVATE);
    assert_int_equal(ask(y, "b"), 404);
    set_start_time(y->peer.pid, START_TIME + 1);
    fake_runtime_set_pids(engine, ID_B, &y->peer.pid, 1);
    assert_int_equal(ask(y, "b"), ALLOWED);
}

static void test_listings_are_limited(void **state) {
    size_t refused = 0;
    (void)state;
    for (size_t i = 0; i < AUTHZ_LISTING_MAX + 3; i++) {
        ask_policy(conn(i, PRIVATE), HTTP_POLICY_CALLER, "a");
        refused += conns[i].status == 503 ? 1 : 0;
    }
    assert_int_equal(refused, 3);
    fake_runtime_run(engine);
    struct http_exchange *x = conn(20, PRIVATE);
    fake_runtime_set_pids(engine, ID_A, &x->peer.pid, 1);
    assert_int_equal(ask(x, "a"), ALLOWED); /* room again */
}

static void test_client_gone_during_listing(void **state) {
    (void)state;
    for (int steps = 0; steps < 2; steps++) {
        struct http_exchange *x = conn(0, PRIVATE);
        ask_policy(x, HTTP_POLICY_CALLER, "a");
        for (int i = 0; i < steps; i++) {
            assert_true(fake_runtime_step(engine));
        }
        x->gone = true;
        fake_runtime_run(engine);
        assert_int_equal(x->answers, 0);
    }
}

/* --- Life --- */

static void test_free_with_questions_open(void **state) {
    (void)state;
    ask_policy(conn_in(0, ID_A), HTTP_POLICY_CALLER, "a");
    ask_policy(conn_in(1, ID_A), HTTP_POLICY_CALLER, "a");
    ask_policy(conn(2, PRIVATE), HTTP_POLICY_CALLER, "a");
    authz_free(authz);
    authz = NULL;
    fake_runtime_run(engine); /* the completions find nobody */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(conns[i].answers, 0);
    }
}

static void test_many_containers(void **state) {
    char id[RUNTIME_ID_LEN + 1];
    (void)state;
    for (unsigned i = 0; i < AUTHZ_FACTS_MAX + 10; i++) {
        snprintf(id, sizeof(id), "%08x%.56s", i, ID_A);
        assert_int_equal(ask(conn_in(0, id), "a/"), 404);
    }
    assert_int_equal(ask(conn_in(1, ID_A), "a"), ALLOWED);
}

static enum edge_code one_round(void *data) {
    struct http_exchange *x;
    (void)data;
    authz_on_event(authz, RUNTIME_EVENT_CONNECTED, NULL);
    x = conn_in(0, ID_A);
    ask_policy(x, HTTP_POLICY_CALLER, "a");
    fake_runtime_run(engine);
    int by_cgroup = x->status;
    unsigned answers = x->answers;
    hang_up(x);
    x = conn(1, PRIVATE);
    fake_runtime_set_pids(engine, ID_A, &x->peer.pid, 1);
    ask_policy(x, HTTP_POLICY_CALLER, "a");
    fake_runtime_run(engine);
    answers += x->answers;
    int by_list = x->status;
    hang_up(x);
    authz_on_event(authz, RUNTIME_EVENT_CONNECTED, NULL);
    assert_int_equal(answers, 2);
    assert_true(by_cgroup == ALLOWED || by_cgroup == 503);
    assert_true(by_list == ALLOWED || by_list == 503);
    return by_cgroup == ALLOWED && by_list == ALLOWED ? EDGE_OK : EDGE_NOMEM;
}

/* Whoever may share a limit of connections. */
static void test_groups(void **state) {
    (void)state;
    const struct http_peer nobody = {.pid = 0, .pidfd = -1};
    struct http_exchange *deep =
        conn(2, "0::/system.slice/docker-" ID_A ".scope/docker-" ID_B ".scope\n");
    struct http_exchange *host = conn(4, HOST);
    uint64_t a = authz_group(authz, &conn_in(0, ID_A)->peer);
    uint64_t b = authz_group(authz, &conn_in(1, ID_B)->peer);
    assert_true(a != 0 && b != 0 && a != b);
    assert_true(authz_group(authz, &deep->peer) == a);
    assert_true(authz_group(authz, &conn_in(3, ID_A)->peer) == a);
    uint64_t user = authz_group(authz, &host->peer);
    host->peer.uid++;
    assert_true(user != 0 && authz_group(authz, &host->peer) != user);
    struct http_exchange *gone = conn_in(5, ID_A), *other = conn_in(6, ID_B);
    exits(gone);
    exits(other);
    uint64_t exited = authz_group(authz, &gone->peer);
    assert_true(exited != 0 && exited != a && exited != user);
    assert_true(authz_group(authz, &other->peer) == exited);
    assert_true(authz_group(authz, &conn(7, PRIVATE)->peer) == 0);
    assert_true(authz_group(authz, &nobody) == 0);
}

/* Without memory nobody is let in, and nobody waits for ever. */
static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_own_name_only),
        TEST(test_groups),
        TEST(test_dollar_signs),
        TEST(test_names_that_cannot_be),
        TEST(test_edge_agent),
        TEST(test_strangers),
        TEST(test_unknown_process_number),
        TEST(test_socket_of_a_module),
        TEST(test_name_that_looks_like_an_id),
        TEST(test_exited_peer),
        TEST(test_recycled_number_without_pidfd),
        TEST(test_recycled_during_listing),
        TEST(test_warm_connection_asks_nobody),
        TEST(test_simultaneous_questions_share),
        TEST(test_rename_voids),
        TEST(test_event_overtakes_answer),
        TEST(test_overtaken_answer_is_no_fact),
        TEST(test_engine_lost_and_back),
        TEST(test_engine_failures),
        TEST(test_listing),
        TEST(test_listing_of_stopped_or_other_name),
        TEST(test_listing_failures),
        TEST(test_container_the_engine_does_not_know),
        TEST(test_unknown_becomes_known),
        TEST(test_refusals_are_remembered_a_while),
        TEST(test_listings_are_limited),
        TEST(test_client_gone_during_listing),
        TEST(test_free_with_questions_open),
        TEST(test_many_containers),
        TEST(test_out_of_memory),
        TEST(test_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
