/* SPDX-License-Identifier: MIT */
/*
 * The decision table of caller authorization for modules.
 */
#include "authz_world.h"

#include "api/authz_memory.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* --- By cgroup --- */

static void test_own_name_only(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_string_equal(x->who, "a");
    assert_int_equal(world_ask(x, "b"), 404);
    assert_string_equal(x->message, "Module not found");
    assert_int_equal(world_ask(world_conn_in(1, ID_A), "b"), 404);
    assert_non_null(strstr(world.last_line, "which is module 'a'"));
    assert_int_equal(world_ask(world_conn_in(2, ID_A), "A"), 404);
    assert_int_equal(world_ask(world_conn_in(3, ID_B), "b"), ALLOWED);
    assert_int_equal(fake_runtime_tops(world.engine), 0);
}

static void test_dollar_signs(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    assert_int_equal(world_ask(x, "$a"), ALLOWED);
    assert_int_equal(world_ask(x, "$$a"), ALLOWED);
    assert_int_equal(world_ask(x, "a$"), 404);
    assert_int_equal(world_ask(x, "$"), 404);
    assert_int_equal(world_ask(x, ""), 404);
}

static void test_names_that_cannot_be(void **state) {
    struct http_exchange *x = world_conn(0, PRIVATE);
    char longer[RUNTIME_NAME_MAX + 2];
    (void)state;
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(world_ask(x, longer), 404);
    assert_int_equal(world_ask(x, "a/../b"), 404);
    assert_int_equal(world_ask(x, "../b"), 404);
    x->status = PENDING;
    authz_authorize(world.authz, x, HTTP_POLICY_CALLER, slice_make("a\0b", 3));
    assert_int_equal(x->status, 404);
    assert_int_equal(fake_runtime_inspects(world.engine), 0);
}

static void test_edge_agent(void **state) {
    const char *id = "cccccccce5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    struct http_exchange *agent = world_conn_in(0, id), *a = world_conn_in(1, ID_A);
    (void)state;
    fake_runtime_add(world.engine, id, "edgeAgent", true);
    world_ask_policy(agent, HTTP_POLICY_EDGE_AGENT, "edgeAgent");
    world_ask_policy(a, HTTP_POLICY_EDGE_AGENT, "a"); /* whatever the server hands over */
    fake_runtime_run(world.engine);
    assert_int_equal(agent->status, ALLOWED);
    assert_int_equal(a->status, 404);
    assert_int_equal(world_ask(agent, "$edgeAgent"), ALLOWED);
    assert_int_equal(world_ask(agent, "a"), 404);
}

static void test_strangers(void **state) {
    (void)state;
    assert_int_equal(world_ask(world_conn(0, HOST), "a"), 404);
    assert_non_null(strstr(world.last_line, "no container"));
    assert_int_equal(fake_runtime_inspects(world.engine), 0);
    assert_int_equal(world_ask(world_conn_in(1, ID_ALIEN), "alien"), 404);
    assert_non_null(strstr(world.last_line, "none of our modules"));
    assert_int_equal(fake_runtime_tops(world.engine), 0);
}

static void test_unknown_process_number(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    x->peer.pid = 0;
    assert_int_equal(world_ask(x, "a"), 404);
    assert_non_null(strstr(world.last_line, "another pid namespace"));
}

static void test_socket_of_a_module(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    x->socket_of = "a";
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_int_equal(world_ask(x, "b"), 404);
    x = world_conn_in(1, ID_A);
    x->socket_of = "b";
    assert_int_equal(world_ask(x, "a"), 404); /* itself, but through another's socket */
    assert_int_equal(world_ask(x, "b"), 404); /* the right socket, but not itself */
}

/* The Engine resolves names too; a container that carries another's id as its name is not that
 * other. */
static void test_name_that_looks_like_an_id(void **state) {
    const char *id = "dddddddde5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    (void)state;
    fake_runtime_remove(world.engine, ID_B);
    fake_runtime_add(world.engine, id, ID_B, true);
    assert_int_equal(world_ask(world_conn_in(0, ID_B), ID_B), 404);
}

/* --- Process identity --- */

static void test_exited_peer(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    world_exits(x);
    assert_int_equal(world_ask(x, "a"), 404);
    assert_non_null(strstr(world.last_line, "has exited"));
    assert_int_equal(fake_runtime_inspects(world.engine), 0);
}

static void test_recycled_number_without_pidfd(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    world_without_pidfd(x);
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    world_hang_up(x);
    x->gone = false;
    world_set_start_time(x->peer.pid, x->peer.start_time + 1);
    assert_int_equal(world_ask(x, "a"), 404);
    x->peer.start_time = 0;
    assert_int_equal(world_ask(x, "a"), 404);
}

/* The stranger's process dies while the list is made and its number goes to a process of the
 * module. */
static void test_recycled_during_listing(void **state) {
    struct http_exchange *x = world_conn(0, PRIVATE);
    (void)state;
    fake_runtime_set_pids(world.engine, ID_A, &x->peer.pid, 1);
    world_ask_policy(x, HTTP_POLICY_CALLER, "a");
    assert_true(fake_runtime_step(world.engine));
    world_exits(x);
    fake_runtime_run(world.engine);
    assert_int_equal(x->status, 404);
    assert_non_null(strstr(world.last_line, "has exited"));

    x = world_conn(1, PRIVATE);
    world_without_pidfd(x);
    fake_runtime_set_pids(world.engine, ID_A, &x->peer.pid, 1);
    world_ask_policy(x, HTTP_POLICY_CALLER, "a");
    world_set_start_time(x->peer.pid, 1);
    fake_runtime_run(world.engine);
    assert_int_equal(x->status, 404);
}

/* --- Memory --- */

static void test_warm_connection_asks_nobody(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(world.engine), 1);
    world_exits(x); /* a helper that connected for others may go */
    world_set_cgroup(x->peer.pid, HOST);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world_ask(x, "a"), ALLOWED);
        assert_int_equal(world_ask(x, "b"), 404);
    }
    assert_int_equal(fake_runtime_inspects(world.engine), 1);
    assert_int_equal(world_ask(world_conn_in(1, ID_A), "a"), ALLOWED); /* the fact is shared */
    assert_int_equal(fake_runtime_inspects(world.engine), 1);
}

static void test_simultaneous_questions_share(void **state) {
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        world_ask_policy(world_conn_in(i, i < 4 ? ID_A : ID_B), HTTP_POLICY_CALLER,
                         i == 3 ? "b" : "a");
    }
    assert_int_equal(fake_runtime_open(world.engine), 2);
    world.conns[1].gone = true; /* the client hangs up */
    fake_runtime_run(world.engine);
    assert_int_equal(world.conns[0].status, ALLOWED);
    assert_int_equal(world.conns[1].answers, 0);
    assert_int_equal(world.conns[2].status, ALLOWED);
    assert_int_equal(world.conns[3].status, 404);
    assert_int_equal(world.conns[4].status, 404);
    assert_int_equal(world.conns[5].status, 404);
}

static void rename_container(const char *id, const char *name) {
    fake_runtime_remove(world.engine, id);
    fake_runtime_add(world.engine, id, name, true);
}

static void test_rename_voids(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    rename_container(ID_A, "c");
    authz_on_event(world.authz, RUNTIME_EVENT_STOPPED, ID_A);
    assert_int_equal(world_ask(x, "a"), 404);
    assert_int_equal(world_ask(x, "c"), ALLOWED);
    assert_int_equal(world_ask(world_conn_in(1, ID_A), "a"), 404);
}

/* An answer that an event has overtaken must not be remembered, neither as a fact nor with the
 * connection. */
static void test_event_overtakes_answer(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A), *later = world_conn_in(1, ID_A);
    (void)state;
    world_ask_policy(x, HTTP_POLICY_CALLER, "a");
    authz_on_event(world.authz, RUNTIME_EVENT_STOPPED, ID_A);
    world_ask_policy(later, HTTP_POLICY_CALLER, "a"); /* must not join the question from before */
    assert_int_equal(fake_runtime_open(world.engine), 2);
    assert_true(fake_runtime_step(world.engine));
    assert_int_equal(x->status, ALLOWED);
    rename_container(ID_A, "c");
    fake_runtime_run(world.engine);
    assert_int_equal(later->status, 404);
    assert_int_equal(world_ask(x, "a"), 404);
}

static void test_overtaken_answer_is_no_fact(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    world_ask_policy(x, HTTP_POLICY_CALLER, "a");
    authz_on_event(world.authz, RUNTIME_EVENT_STOPPED, ID_A);
    fake_runtime_run(world.engine);
    assert_int_equal(x->status, ALLOWED); /* it was true when it was asked */
    rename_container(ID_A, "c");          /* which is what the event was about */
    assert_int_equal(world_ask(world_conn_in(1, ID_A), "a"), 404);
    assert_int_equal(world_ask(x, "a"), 404);
}

static void test_engine_lost_and_back(void **state) {
    struct http_exchange *x = world_conn_in(0, ID_A);
    (void)state;
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    authz_on_event(world.authz, RUNTIME_EVENT_LOST, NULL);
    fake_runtime_fail(world.engine, EDGE_NET);
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_int_equal(world_ask(world_conn_in(1, ID_A), "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(world.engine), 1);
    /* Facts grow stale, but are better than nothing while nobody can be asked. */
    fake_loop_advance(AUTHZ_LOST_FRESH_MS);
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(world.engine), 2);
    assert_int_equal(world_ask(world_conn_in(2, ID_A), "a"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(world.engine), 2);
    /* What is not known at all cannot be told. */
    struct http_exchange *other = world_conn_in(3, ID_B);
    assert_int_equal(world_ask(other, "b"), 503);
    /* The Engine answers again, though its events do not come: a rename is noticed. */
    fake_runtime_fail(world.engine, EDGE_OK);
    rename_container(ID_A, "c");
    fake_loop_advance(AUTHZ_LOST_FRESH_MS);
    assert_int_equal(world_ask(x, "a"), 404);
    assert_int_equal(world_ask(other, "b"), ALLOWED);
    /* All is asked afresh after a reconnect. */
    unsigned before = fake_runtime_inspects(world.engine);
    authz_on_event(world.authz, RUNTIME_EVENT_CONNECTED, NULL);
    assert_int_equal(world_ask(other, "b"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(world.engine), before + 1);
    fake_loop_advance(10 * AUTHZ_LOST_FRESH_MS);
    assert_int_equal(world_ask(other, "b"), ALLOWED);
    assert_int_equal(world_ask(world_conn_in(4, ID_B), "b"), ALLOWED);
    assert_int_equal(fake_runtime_inspects(world.engine), before + 1);
}

static void test_engine_failures(void **state) {
    static const enum edge_code codes[] = {EDGE_NET,  EDGE_TIMEOUT, EDGE_REMOTE,  EDGE_PROTO,
                                           EDGE_BUSY, EDGE_DENIED,  EDGE_CANCELED};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        fake_runtime_fail(world.engine, codes[i]);
        assert_int_equal(world_ask(world_conn_in(i, ID_A), "a"), 503);
        assert_int_equal(world_ask(world_conn(i, PRIVATE), "a"), 503);
    }
    fake_runtime_fail(world.engine, EDGE_OK);
    fake_runtime_refuse(world.engine, EDGE_BUSY);
    assert_int_equal(world_ask(world_conn_in(10, ID_A), "a"), 503);
    assert_int_equal(world_ask(world_conn(11, PRIVATE), "a"), 503);
    fake_runtime_refuse(world.engine, EDGE_OK);
    assert_int_equal(world_ask(world_conn_in(12, ID_A), "a"), ALLOWED);
}

/* --- By process list --- */

static void test_listing(void **state) {
    struct http_exchange *x = world_conn(0, PRIVATE);
    const pid_t pids[] = {1, x->peer.pid, 9};
    (void)state;
    fake_runtime_set_pids(world.engine, ID_A, pids, 3);
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_string_equal(x->who, "a");
    assert_int_equal(fake_runtime_tops(world.engine), 1);
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_int_equal(world_ask(x, "b"), 404); /* by the connection's memory */
    assert_int_equal(fake_runtime_tops(world.engine), 1);
    assert_int_equal(world_ask(world_conn(1, PRIVATE), "a"), 404);
    struct http_exchange *in_alien = world_conn(2, PRIVATE);
    fake_runtime_set_pids(world.engine, ID_ALIEN, &in_alien->peer.pid, 1);
    assert_int_equal(world_ask(in_alien, "alien"), 404); /* it is in it, but that is not ours */
    assert_int_equal(world_ask(world_conn(3, PRIVATE), "nobody"), 404);
}

static void test_listing_of_stopped_or_other_name(void **state) {
    struct http_exchange *x = world_conn(0, PRIVATE);
    (void)state;
    fake_runtime_remove(world.engine, ID_A);
    struct runtime_container *c = fake_runtime_add(world.engine, ID_A, "a", true);
    fake_runtime_set_pids(world.engine, ID_A, &x->peer.pid, 1);
    c->running = false;
    assert_int_equal(world_ask(x, "a"), 404);
    c->running = true;
    /* Found by its id in place of a name: the module named so does not exist. */
    assert_int_equal(world_ask(world_conn(1, PRIVATE), ID_A), 404);
}

static void test_listing_failures(void **state) {
    static const struct {
        enum edge_code code;
        int status;
    } rows[] = {{EDGE_NOT_FOUND, 404}, {EDGE_CONFLICT, 404}, {EDGE_REMOTE, 404}, {EDGE_PROTO, 404},
                {EDGE_RANGE, 404},     {EDGE_NET, 503},      {EDGE_TIMEOUT, 503}};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct http_exchange *x = world_conn(i, PRIVATE);
        fake_runtime_set_pids(world.engine, ID_A, &x->peer.pid, 1);
        fake_runtime_fail_top(world.engine, rows[i].code);
        assert_int_equal(world_ask(x, "a"), rows[i].status);
        fake_runtime_fail_top(world.engine, EDGE_OK);
        assert_int_equal(world_ask(x, "a"), ALLOWED); /* nothing of it is remembered */
    }
}

/* A container of an outer engine: ours is asked for its process list, the id proves nothing. */
static void test_container_the_engine_does_not_know(void **state) {
    const char *outer = "eeeeeeeee5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    struct http_exchange *inside = world_conn_in(0, outer), *stranger = world_conn_in(1, outer);
    (void)state;
    fake_runtime_set_pids(world.engine, ID_A, &inside->peer.pid, 1);
    assert_int_equal(world_ask(inside, "a"), ALLOWED);
    assert_int_equal(world_ask(stranger, "a"), 404);
    assert_int_equal(fake_runtime_inspects(world.engine), 3); /* the outer id once, "a" twice */
    fake_loop_advance(AUTHZ_UNKNOWN_MS);
    assert_int_equal(world_ask(world_conn_in(2, outer), "a"), 404);
    assert_int_equal(fake_runtime_inspects(world.engine), 5);
}

static void test_unknown_becomes_known(void **state) {
    const char *id = "ffffffffe5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    (void)state;
    assert_int_equal(world_ask(world_conn_in(0, id), "new"), 404);
    fake_runtime_add(world.engine, id, "new", true);
    authz_on_event(world.authz, RUNTIME_EVENT_STARTED, id);
    assert_int_equal(world_ask(world_conn_in(1, id), "new"), ALLOWED);
}

static void test_refusals_are_remembered_a_while(void **state) {
    struct http_exchange *x = world_conn(0, PRIVATE);
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(world_ask(x, "a"), 404);
    }
    assert_int_equal(fake_runtime_tops(world.engine), 1);
    assert_int_equal(world_ask(x, "b"), 404); /* another question */
    assert_int_equal(fake_runtime_tops(world.engine), 2);
    fake_loop_advance(AUTHZ_DENIAL_MS);
    fake_runtime_set_pids(world.engine, ID_A, &x->peer.pid, 1);
    assert_int_equal(world_ask(x, "a"), ALLOWED);
    assert_int_equal(fake_runtime_tops(world.engine), 3);
    /* Not for the next process with that number. */
    struct http_exchange *y = world_conn(1, PRIVATE);
    assert_int_equal(world_ask(y, "b"), 404);
    world_set_start_time(y->peer.pid, START_TIME + 1);
    fake_runtime_set_pids(world.engine, ID_B, &y->peer.pid, 1);
    assert_int_equal(world_ask(y, "b"), ALLOWED);
}

static void test_listings_are_limited(void **state) {
    size_t refused = 0;
    (void)state;
    for (size_t i = 0; i < AUTHZ_LISTING_MAX + 3; i++) {
        world_ask_policy(world_conn(i, PRIVATE), HTTP_POLICY_CALLER, "a");
        refused += world.conns[i].status == 503 ? 1 : 0;
    }
    assert_int_equal(refused, 3);
    fake_runtime_run(world.engine);
    struct http_exchange *x = world_conn(20, PRIVATE);
    fake_runtime_set_pids(world.engine, ID_A, &x->peer.pid, 1);
    assert_int_equal(world_ask(x, "a"), ALLOWED); /* room again */
}

static void test_client_gone_during_listing(void **state) {
    (void)state;
    for (int steps = 0; steps < 2; steps++) {
        struct http_exchange *x = world_conn(0, PRIVATE);
        world_ask_policy(x, HTTP_POLICY_CALLER, "a");
        for (int i = 0; i < steps; i++) {
            assert_true(fake_runtime_step(world.engine));
        }
        x->gone = true;
        fake_runtime_run(world.engine);
        assert_int_equal(x->answers, 0);
    }
}

/* --- Life --- */

static void test_free_with_questions_open(void **state) {
    (void)state;
    world_ask_policy(world_conn_in(0, ID_A), HTTP_POLICY_CALLER, "a");
    world_ask_policy(world_conn_in(1, ID_A), HTTP_POLICY_CALLER, "a");
    world_ask_policy(world_conn(2, PRIVATE), HTTP_POLICY_CALLER, "a");
    authz_free(world.authz);
    world.authz = NULL;
    fake_runtime_run(world.engine); /* the completions find nobody */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world.conns[i].answers, 0);
    }
}

static void test_many_containers(void **state) {
    char id[RUNTIME_ID_LEN + 1];
    (void)state;
    for (unsigned i = 0; i < AUTHZ_FACTS_MAX + 10; i++) {
        snprintf(id, sizeof(id), "%08x%.56s", i, ID_A);
        assert_int_equal(world_ask(world_conn_in(0, id), "a/"), 404);
    }
    assert_int_equal(world_ask(world_conn_in(1, ID_A), "a"), ALLOWED);
}

static enum edge_code one_round(void *data) {
    struct http_exchange *x;
    (void)data;
    authz_on_event(world.authz, RUNTIME_EVENT_CONNECTED, NULL);
    x = world_conn_in(0, ID_A);
    world_ask_policy(x, HTTP_POLICY_CALLER, "a");
    fake_runtime_run(world.engine);
    int by_cgroup = x->status;
    unsigned answers = x->answers;
    world_hang_up(x);
    x = world_conn(1, PRIVATE);
    fake_runtime_set_pids(world.engine, ID_A, &x->peer.pid, 1);
    world_ask_policy(x, HTTP_POLICY_CALLER, "a");
    fake_runtime_run(world.engine);
    answers += x->answers;
    int by_list = x->status;
    world_hang_up(x);
    authz_on_event(world.authz, RUNTIME_EVENT_CONNECTED, NULL);
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
        world_conn(2, "0::/system.slice/docker-" ID_A ".scope/docker-" ID_B ".scope\n");
    struct http_exchange *host = world_conn(4, HOST);
    uint64_t a = authz_group(world.authz, &world_conn_in(0, ID_A)->peer);
    uint64_t b = authz_group(world.authz, &world_conn_in(1, ID_B)->peer);
    assert_true(a != 0 && b != 0 && a != b);
    assert_true(authz_group(world.authz, &deep->peer) == a);
    assert_true(authz_group(world.authz, &world_conn_in(3, ID_A)->peer) == a);
    uint64_t user = authz_group(world.authz, &host->peer);
    host->peer.uid++;
    assert_true(user != 0 && authz_group(world.authz, &host->peer) != user);
    struct http_exchange *gone = world_conn_in(5, ID_A), *other = world_conn_in(6, ID_B);
    world_exits(gone);
    world_exits(other);
    uint64_t exited = authz_group(world.authz, &gone->peer);
    assert_true(exited != 0 && exited != a && exited != user);
    assert_true(authz_group(world.authz, &other->peer) == exited);
    assert_true(authz_group(world.authz, &world_conn(7, PRIVATE)->peer) == 0);
    assert_true(authz_group(world.authz, &nobody) == 0);
}

/* Without memory nobody is let in, and nobody waits for ever. */
static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_own_name_only),
        WORLD_TEST(test_groups),
        WORLD_TEST(test_dollar_signs),
        WORLD_TEST(test_names_that_cannot_be),
        WORLD_TEST(test_edge_agent),
        WORLD_TEST(test_strangers),
        WORLD_TEST(test_unknown_process_number),
        WORLD_TEST(test_socket_of_a_module),
        WORLD_TEST(test_name_that_looks_like_an_id),
        WORLD_TEST(test_exited_peer),
        WORLD_TEST(test_recycled_number_without_pidfd),
        WORLD_TEST(test_recycled_during_listing),
        WORLD_TEST(test_warm_connection_asks_nobody),
        WORLD_TEST(test_simultaneous_questions_share),
        WORLD_TEST(test_rename_voids),
        WORLD_TEST(test_event_overtakes_answer),
        WORLD_TEST(test_overtaken_answer_is_no_fact),
        WORLD_TEST(test_engine_lost_and_back),
        WORLD_TEST(test_engine_failures),
        WORLD_TEST(test_listing),
        WORLD_TEST(test_listing_of_stopped_or_other_name),
        WORLD_TEST(test_listing_failures),
        WORLD_TEST(test_container_the_engine_does_not_know),
        WORLD_TEST(test_unknown_becomes_known),
        WORLD_TEST(test_refusals_are_remembered_a_while),
        WORLD_TEST(test_listings_are_limited),
        WORLD_TEST(test_client_gone_during_listing),
        WORLD_TEST(test_free_with_questions_open),
        WORLD_TEST(test_many_containers),
        WORLD_TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
