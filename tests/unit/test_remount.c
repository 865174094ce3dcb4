/* SPDX-License-Identifier: MIT */
/*
 * Which modules are restarted after a socket had to be made anew: those that run, have mounted it,
 * and were started before; each once, whatever the engine does meanwhile.
 */
#include "remount.h"

#include "base/clock.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORK      "/run/work.sock"
#define MOUNTS(s) "{\"Mounts\":[{\"Source\":\"/data\"},7,{\"Source\":\"" s "\"}]}"

static struct {
    struct fake_runtime *fake;
    struct module_ops *ops;
    struct remount *remount;
    unsigned looks;
} env;

static void look_again(void *data) {
    assert_ptr_equal(data, &env);
    env.looks++;
}

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    fake_loop_init();
    env.fake = fake_runtime_new(fake_loop());
    assert_int_equal(module_ops_new(fake_loop(), fake_runtime_get(env.fake), &env.ops, NULL),
                     EDGE_OK);
    assert_int_equal(remount_new(fake_loop(), fake_runtime_get(env.fake), env.ops, look_again, &env,
                                 &env.remount, NULL),
                     EDGE_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    remount_stop(env.remount);
    fake_runtime_fail(env.fake, EDGE_CANCELED);
    fake_runtime_run(env.fake);
    remount_free(env.remount);
    module_ops_free(env.ops);
    fake_runtime_free(env.fake);
    fake_loop_clear();
    return 0;
}

static struct runtime_container *add(const char *id, const char *name, const char *json) {
    struct runtime_container *c = fake_runtime_add(env.fake, id, name, true);
    fake_runtime_describe(env.fake, id, json);
    return c;
}

static void on_list(void *data, enum edge_code code, const struct runtime_container *list,
                    size_t cnt, const struct edge_error *err) {
    (void)data;
    (void)err;
    if (code == EDGE_OK) {
        remount_run(env.remount, list, cnt);
    }
}

static void run(void) {
    struct op op;
    assert_int_equal(runtime_list(fake_runtime_get(env.fake), on_list, NULL, &op, NULL), EDGE_OK);
    fake_runtime_run(env.fake);
}

static void check(const char *journal) {
    run();
    assert_string_equal(fake_runtime_journal(env.fake), journal);
    fake_runtime_journal_clear(env.fake);
}

static void made(const char *path) {
    assert_int_equal(remount_add(env.remount, path, FAKE_LOOP_WALL_S, NULL), EDGE_OK);
}

static void test_who_has_it_mounted(void **state) {
    (void)state;
    add("1", "with", MOUNTS(WORK));
    add("2", "without", MOUNTS("/run/other.sock"));
    add("3", "none", "{}");
    add("4", "stopped", MOUNTS(WORK))->running = false;
    add("5", "stranger", MOUNTS(WORK))->owned = false;
    check(""); /* nothing was made */
    made(WORK);
    check("restart with");
    check(""); /* once */
    assert_int_equal(env.looks, 0);
}

/* Whoever started after the socket was made has the new one. Times to come say nothing. */
static void test_younger(void **state) {
    char times[3][256];
    static const int offsets[] = {-5, 5, 100};
    (void)state;
    made(WORK);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(offsets); i++) {
        char at[CLOCK_RFC3339_LEN];
        clock_format_rfc3339(FAKE_LOOP_WALL_S + offsets[i], at);
        (void)snprintf(times[i], sizeof(times[i]),
                       "{\"StartedAt\":\"%s\",\"Mounts\":[{\"Source\":\"" WORK "\"}]}", at);
    }
    add("1", "older", times[0]);
    add("2", "younger", times[1]);
    add("3", "future", times[2]);
    fake_loop_advance(10000);
    check("restart older; restart future");
}

/* The same file by another path. */
static void test_other_path(void **state) {
    struct tmpdir *dir = tmpdir_new();
    char json[512], path[256], link[256];
    (void)state;
    (void)snprintf(path, sizeof(path), "%s", tmpdir_join(dir, "w.sock"));
    tmpdir_write(dir, "w.sock", "", 0, 0600);
    (void)snprintf(link, sizeof(link), "%s", tmpdir_join(dir, "link"));
    assert_int_equal(symlink(".", link), 0);
    (void)snprintf(json, sizeof(json), "{\"Mounts\":[{\"Source\":\"%s/w.sock\"}]}", link);
    add("1", "by-link", json);
    (void)snprintf(json, sizeof(json), "{\"Mounts\":[{\"Source\":\"%s/gone/w.sock\"}]}", link);
    add("2", "other", json);
    made(path);
    check("restart by-link");
    tmpdir_free(dir);
}

/* The engine goes away in the middle: the rest comes after it is back, and nobody twice. */
static void test_engine_goes_away(void **state) {
    (void)state;
    add("1", "a", MOUNTS(WORK));
    add("2", "b", MOUNTS(WORK));
    made(WORK);
    struct op op;
    assert_int_equal(runtime_list(fake_runtime_get(env.fake), on_list, NULL, &op, NULL), EDGE_OK);
    assert_true(fake_runtime_step(env.fake)); /* list */
    assert_true(fake_runtime_step(env.fake)); /* inspect a */
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_INSPECT_MODULE, EDGE_NET);
    fake_runtime_run(env.fake);
    assert_string_equal(fake_runtime_journal(env.fake), "restart a");
    fake_runtime_journal_clear(env.fake);
    fake_loop_advance(REMOUNT_AGAIN_MS);
    assert_int_equal(env.looks, 1);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_INSPECT_MODULE, EDGE_OK);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_RESTART, EDGE_TIMEOUT);
    check("restart b!");
    fake_loop_advance(REMOUNT_AGAIN_MS);
    assert_int_equal(env.looks, 2);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_RESTART, EDGE_OK);
    check("restart b");
    fake_loop_advance(REMOUNT_AGAIN_MS);
    assert_int_equal(env.looks, 2);
}

/* What another try does not mend is left to people. */
static void test_failures(void **state) {
    (void)state;
    add("1", "a", MOUNTS(WORK));
    made(WORK);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_RESTART, EDGE_REMOTE);
    check("restart a!");
    made(WORK);
    fake_runtime_refuse(env.fake, EDGE_INTERNAL);
    const struct runtime_container one = {.id = "1", .name = "a", .owned = true, .running = true};
    remount_run(env.remount, &one, 1);
    fake_runtime_refuse(env.fake, EDGE_OK);
    made(WORK);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_INSPECT_MODULE, EDGE_NOT_FOUND);
    check("");
    assert_int_equal(fake_loop_active_timers(), 0);
}

/* More than are looked at at once. */
static void test_many(void **state) {
    (void)state;
    for (unsigned i = 0; i < FAKE_RUNTIME_CONTAINERS_MAX; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "m%u", i);
        add(name, name, MOUNTS(WORK));
    }
    made(WORK);
    struct op op;
    assert_int_equal(runtime_list(fake_runtime_get(env.fake), on_list, NULL, &op, NULL), EDGE_OK);
    assert_true(fake_runtime_step(env.fake));
    assert_int_equal(fake_runtime_open(env.fake), REMOUNT_AT_ONCE);
    while (fake_runtime_step(env.fake)) {
        assert_true(fake_runtime_open(env.fake) <= REMOUNT_AT_ONCE);
    }
    unsigned restarts = 0;
    for (const char *at = fake_runtime_journal(env.fake); (at = strstr(at, "restart")) != NULL;
         at++) {
        restarts++;
    }
    assert_int_equal(restarts, FAKE_RUNTIME_CONTAINERS_MAX);
}

static void test_stop(void **state) {
    (void)state;
    add("1", "a", MOUNTS(WORK));
    made(WORK);
    struct op op;
    assert_int_equal(runtime_list(fake_runtime_get(env.fake), on_list, NULL, &op, NULL), EDGE_OK);
    assert_true(fake_runtime_step(env.fake));
    remount_stop(env.remount);
    fake_runtime_run(env.fake);
    assert_string_equal(fake_runtime_journal(env.fake), "");
    check("");
}

static enum edge_code round_trip(void *data) {
    struct remount *r = NULL;
    (void)data;
    enum edge_code code =
        remount_new(fake_loop(), fake_runtime_get(env.fake), env.ops, look_again, &env, &r, NULL);
    if (code == EDGE_OK) {
        code = remount_add(r, WORK, FAKE_LOOP_WALL_S, NULL);
    }
    if (code == EDGE_OK) {
        const struct runtime_container one = {
            .id = "9", .name = "x", .owned = true, .running = true};
        remount_run(r, &one, 1);
        remount_stop(r);
    }
    remount_free(r);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    fake_runtime_refuse(env.fake, EDGE_NOT_FOUND);
    assert_true(alloc_fail_torture(round_trip, NULL) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_who_has_it_mounted), T(test_younger), T(test_other_path), T(test_engine_goes_away),
        T(test_failures),           T(test_many),    T(test_stop),       T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
