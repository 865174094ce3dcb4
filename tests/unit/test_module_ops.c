/* SPDX-License-Identifier: MIT */
/*
 * Orders and their turns, limits and ends.
 */
#include "runtime/module_ops.h"

#include "module_ops_world.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_single_steps(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    must_run(MODULE_START, "m", false, false);
    assert_int_equal(world.done, 0);
    check("start m", EDGE_OK);
    must_run(MODULE_STOP, "m", false, false);
    check("stop m", EDGE_OK);
    assert_int_equal(fake_runtime_last_timeout_s(world.fake), RUNTIME_STOP_DEFAULT);
    must_run(MODULE_RESTART, "m", false, false);
    check("restart m", EDGE_OK);
    must_run(MODULE_REMOVE, "m", false, false);
    check("remove " NEXT "!; remove m", EDGE_OK);
    must_run(MODULE_REMOVE, "m", false, false);
    check("remove " NEXT "!; remove m!", EDGE_NOT_FOUND);
    must_run(MODULE_START, "m", false, false);
    check("start m!", EDGE_NOT_FOUND);
    must_run(MODULE_PULL, "m", false, false);
    check("pull a:1", EDGE_OK);
    assert_string_equal(fake_runtime_last_auth(world.fake), "{\"username\":\"u\"}");
}

static void test_turns(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", "other", true);
    must_run(MODULE_STOP, "m", false, false);
    must_run(MODULE_UPDATE, "m", true, false);
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_REMOVE, "m", false, false);
    must_run(MODULE_START, "other", false, false);
    must_run(MODULE_START, "m", false, false);
    assert_int_equal(fake_runtime_open(world.fake), 4); /* stop, look, a faster stop, other */
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake),
                        "stop m; stop m; start other; start m; pull a:1; remove " NEXT
                        "!; remove m; start m!");
    assert_int_equal(world.done, 6);
    world.done = 0;
}

/* A module that asks for much does not get in between those who wait. */
static void test_limit(void **state) {
    char name[] = "m0";
    (void)state;
    for (unsigned i = 0; i < MODULE_OPS_MAX / MODULE_OPS_OF_ONE; i++) {
        name[1] = (char)('0' + i);
        for (unsigned j = 0; j < MODULE_OPS_OF_ONE; j++) {
            must_run(MODULE_START, name, false, false);
        }
        assert_int_equal(run(MODULE_START, name, false, false), EDGE_BUSY);
    }
    assert_int_equal(run(MODULE_START, "n", false, false), EDGE_BUSY);
    assert_int_equal(fake_runtime_open(world.fake), MODULE_OPS_MAX / MODULE_OPS_OF_ONE);
    fake_runtime_fail(world.fake, EDGE_NET);
    fake_runtime_run(world.fake);
    assert_int_equal(world.done, MODULE_OPS_MAX);
    world.done = 0;
    must_run(MODULE_START, "m", false, false);
    fake_runtime_run(world.fake);
}

/* Whoever waited still gets his turn when the one before cannot even begin. */
static void test_refused(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_STOP, "m", false, false);
    must_run(MODULE_START, "m", false, false);
    fake_runtime_refuse(world.fake, EDGE_BUSY);
    assert_int_equal(run(MODULE_START, "n", false, false), EDGE_BUSY);
    assert_int_equal(run(MODULE_START, "../n", false, false), EDGE_INVALID);
    fake_runtime_run(world.fake);
    assert_int_equal(world.done, 3);
    assert_int_equal(world.codes[1], EDGE_BUSY);
    assert_int_equal(world.codes[2], EDGE_BUSY);
    fake_runtime_refuse(world.fake, EDGE_OK);
    must_run(MODULE_START, "m", false, false);
    fake_runtime_run(world.fake);
    assert_int_equal(world.codes[3], EDGE_OK);
}

/* A module with all the time in the world to stop keeps nobody from killing it. */
static void test_hurry(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    must_run(MODULE_STOP, "m", false, false);
    assert_int_equal(fake_runtime_last_timeout_s(world.fake), RUNTIME_STOP_DEFAULT);
    must_run(MODULE_STOP, "m", false, false);
    assert_int_equal(fake_runtime_open(world.fake), 1);
    must_run(MODULE_REMOVE, "m", false, false);
    assert_int_equal(fake_runtime_open(world.fake), 2);
    assert_int_equal(fake_runtime_last_timeout_s(world.fake), 0);
    must_run(MODULE_REMOVE, "m", false, false);
    assert_int_equal(fake_runtime_open(world.fake), 2);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake),
                        "stop m; stop m; stop m; remove " NEXT "!; remove m; remove " NEXT
                        "!; remove m!");
    world.done = 0;
    fake_runtime_journal_clear(world.fake);
    fake_runtime_add(world.fake, "1", "m", true);
    must_run(MODULE_RESTART, "m", false, false);
    must_run(MODULE_REMOVE, "m", false, false);
    module_ops_close(world.ops, world_closed, &world);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake), "restart m!; stop m!");
    assert_int_equal(world.done, 2);
    assert_int_equal(world.closed, 1);
}

static void test_close_idle(void **state) {
    (void)state;
    module_ops_close(world.ops, world_closed, &world);
    assert_int_equal(world.closed, 1);
    assert_int_equal(run(MODULE_START, "m", false, false), EDGE_CANCELED);
}

/* What can be left is left, what is half done is finished. */
static void test_close(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", "n", true);
    must_run(MODULE_UPDATE, "m", false, true);
    assert_true(fake_runtime_step(world.fake)); /* it is there */
    assert_true(fake_runtime_step(world.fake)); /* so is its image */
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_PULL, "k", true, false);
    must_run(MODULE_STOP, "n", false, false);
    must_run(MODULE_CREATE, "k", false, false);
    module_ops_close(world.ops, world_closed, &world);
    assert_int_equal(world.done, 1); /* the one that waited */
    assert_int_equal(world.closed, 0);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake),
                        "pull a:1!; stop n!; create k; " REPLACED "; start m");
    assert_int_equal(world.done, 5);
    assert_int_equal(world.closed, 1);
}

static void test_close_takes_too_long(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", "n", true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_NET);
    must_run(MODULE_UPDATE, "m", false, true);
    must_run(MODULE_CREATE, "k", false, false);
    assert_true(fake_runtime_step(world.fake));
    fake_runtime_run(world.fake);
    must_run(MODULE_CREATE, "l", false, false);
    world.done = 0;
    module_ops_close(world.ops, world_closed, &world);
    fake_loop_advance(MODULE_OPS_CLOSE_MS - 1);
    assert_int_equal(world.closed, 0);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    fake_runtime_run(world.fake);
    assert_int_equal(world.done, 2);
    assert_int_equal(world.codes[0], EDGE_CANCELED);
    assert_int_equal(world.codes[1], EDGE_CANCELED);
    assert_int_equal(world.closed, 1);
}

static void test_stop_time(void **state) {
    (void)state;
    const struct module_order order = {.change = MODULE_STOP, .name = "m", .stop_s = 60};
    fake_runtime_add(world.fake, "1", "m", true);
    assert_int_equal(module_ops_run(world.ops, &order, world_done, &world, NULL), EDGE_OK);
    check("stop m", EDGE_OK);
    assert_int_equal(fake_runtime_last_timeout_s(world.fake), 60);
}

static void test_is_busy(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    must_run(MODULE_UPDATE, "m", true, true);
    assert_false(module_ops_is_busy(world.ops, "m")); /* the image is fetched first */
    assert_true(module_ops_is_making(world.ops));
    assert_true(fake_runtime_step(world.fake));
    assert_true(fake_runtime_step(world.fake));
    assert_true(module_ops_is_busy(world.ops, "m"));
    assert_false(module_ops_is_busy(world.ops, "n"));
    fake_runtime_run(world.fake);
    assert_false(module_ops_is_busy(world.ops, "m"));
    assert_false(module_ops_is_making(world.ops));
}

static void test_hold(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", "n", true);
    must_run(MODULE_RESTART, "m", false, false);
    must_run(MODULE_UPDATE, "n", true, true); /* looks */
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_REMOVE, "m", false, false);
    must_run(MODULE_CREATE, "k", true, false);
    module_ops_hold(world.ops, true);
    assert_int_equal(world.done, 2); /* those that waited */
    assert_int_equal(run(MODULE_CREATE, "l", false, false), EDGE_RETRY);
    assert_int_equal(run(MODULE_START, "m", false, false), EDGE_RETRY);
    must_run(MODULE_STOP, "n", false, false);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake),
                        "restart m; stop m; pull a:1!; stop n; remove " NEXT "!; remove m");
    assert_int_equal(world.done, 7);
    world.done = 0;
    module_ops_hold(world.ops, false);
    fake_runtime_journal_clear(world.fake);
    must_run(MODULE_CREATE, "m", true, false);
    check("pull a:1; create m", EDGE_OK);
}

static void test_hold_by_two(void **state) {
    (void)state;
    module_ops_hold(world.ops, true);
    module_ops_hold(world.ops, true);
    module_ops_hold(world.ops, false);
    assert_int_equal(run(MODULE_CREATE, "m", false, false), EDGE_RETRY);
    module_ops_hold(world.ops, false);
    must_run(MODULE_CREATE, "m", false, false);
    check("create m", EDGE_OK);
}

static enum edge_code one_round(void *data) {
    struct module_ops *before = world.ops;
    (void)data;
    world.done = 0;
    enum edge_code code =
        module_ops_new(fake_loop(), fake_runtime_get(world.fake), &world.ops, &world.err);
    if (code == EDGE_OK) {
        code = run(MODULE_UPDATE, "m", false, true);
        module_ops_free(world.ops);
    }
    world.ops = before;
    return code;
}

/* Refused by the runtime in the end, so that each round leaves nothing. */
static enum edge_code torture(void *data) {
    enum edge_code code = one_round(data);
    return code == EDGE_BUSY ? EDGE_OK : code;
}

static void test_memory_is_short(void **state) {
    (void)state;
    fake_runtime_refuse(world.fake, EDGE_BUSY);
    assert_true(alloc_fail_torture(torture, NULL) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_single_steps), T(test_turns),      T(test_limit), T(test_refused),
        T(test_hurry),        T(test_close_idle), T(test_close), T(test_close_takes_too_long),
        T(test_stop_time),    T(test_is_busy),    T(test_hold),  T(test_memory_is_short),
        T(test_hold_by_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
