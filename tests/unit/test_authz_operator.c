/* SPDX-License-Identifier: MIT */
/*
 * Who on the host is an operator or the owner, and who may use the control interface.
 */
#include "authz_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_operator(void **state) {
    struct http_exchange *x = world_conn(0, HOST);
    char name[64];
    const char *text = "Groups:\t \nNSpid:\t5\n";
    (void)state;
    snprintf(name, sizeof(name), "%d/status", (int)x->peer.pid);
    tmpdir_write(world.dir, name, text, strlen(text), 0444);
    x->peer.uid = 0;
    world_ask_policy(x, HTTP_POLICY_HOST, "");
    assert_int_equal(x->status, ALLOWED);
    assert_string_equal(x->who, "operator");
    assert_int_equal(world_ask(x, "a"), 404); /* and is no module for that */
    x->socket_of = "a";
    world_ask_policy(x, HTTP_POLICY_HOST, "");
    assert_int_equal(x->status, 404);
    x = world_conn_in(1, ID_A);
    x->peer.uid = 0;
    world_ask_policy(x, HTTP_POLICY_HOST, "");
    assert_int_equal(x->status, 404);
}

/* Members of the group may look, but not change what protects the store. */
static void test_owner(void **state) {
    struct http_exchange *x = world_conn(0, HOST);
    char name[64];
    const char *text = "Groups:\t \nNSpid:\t5\n";
    (void)state;
    snprintf(name, sizeof(name), "%d/status", (int)x->peer.pid);
    tmpdir_write(world.dir, name, text, strlen(text), 0444);
    x->peer.uid = geteuid() + 1;
    x->peer.gid = getegid();
    world_ask_policy(x, HTTP_POLICY_HOST, "");
    assert_int_equal(x->status, ALLOWED);
    world_ask_policy(x, HTTP_POLICY_OWNER, "");
    assert_int_equal(x->status, 403);
    assert_string_equal(x->message, "Only root and the daemon's own user may do this");
    x->peer.uid = geteuid();
    world_ask_policy(x, HTTP_POLICY_OWNER, "");
    assert_int_equal(x->status, ALLOWED);
    x->peer.uid = 0;
    world_ask_policy(x, HTTP_POLICY_OWNER, "");
    assert_int_equal(x->status, ALLOWED);
    x->peer.uid = geteuid() + 1;
    x->peer.gid = getegid() + 1;
    world_ask_policy(x, HTTP_POLICY_OWNER, "");
    assert_int_equal(x->status, 404);
}

/* Open to all and asked of nobody, until it is narrowed. */
static void test_control(void **state) {
    const char *id = "cccccccce5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    struct http_exchange *agent = world_conn_in(0, id), *a = world_conn_in(1, ID_A),
                         *host = world_conn(2, HOST);
    struct http_exchange *const all[] = {agent, a, host};
    const char *text = "Groups:\t \nNSpid:\t5\n";
    char name[64];
    (void)state;
    fake_runtime_add(world.engine, id, "edgeAgent", true);
    snprintf(name, sizeof(name), "%d/status", (int)host->peer.pid);
    tmpdir_write(world.dir, name, text, strlen(text), 0444);
    host->peer.uid = 0;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(all); i++) {
        world_ask_policy(all[i], HTTP_POLICY_CONTROL, "edgeAgent");
        assert_int_equal(all[i]->status, ALLOWED);
        assert_string_equal(all[i]->who, "");
    }
    assert_int_equal(fake_runtime_inspects(world.engine), 0);
    authz_narrow_control(world.authz);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(all); i++) {
        world_ask_policy(all[i], HTTP_POLICY_CONTROL, "edgeAgent");
        fake_runtime_run(world.engine);
    }
    assert_int_equal(agent->status, ALLOWED);
    assert_string_equal(agent->who, "edgeAgent");
    assert_int_equal(a->status, 404);
    assert_int_equal(host->status, ALLOWED);
    assert_string_equal(host->who, "operator");
    host->socket_of = "edgeAgent";
    world_ask_policy(host, HTTP_POLICY_CONTROL, "edgeAgent");
    assert_int_equal(host->status, 404);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_operator),
        WORLD_TEST(test_owner),
        WORLD_TEST(test_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
