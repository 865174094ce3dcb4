/* SPDX-License-Identifier: MIT */
/*
 * Leftovers of updates that were cut off.
 */
#include "runtime/module_ops.h"

#include "module_ops_world.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

/* Leftovers of an update that was cut off at each of its steps. */
static void test_settle(void **state) {
    (void)state;
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake), "");
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", NEXT, true);
    fake_runtime_add(world.fake, "3", "n" RUNTIME_NEXT_SUFFIX, true);
    fake_runtime_add(world.fake, "4", "o" RUNTIME_NEXT_SUFFIX, false);
    fake_runtime_add(world.fake, "5", RUNTIME_NEXT_SUFFIX, true);
    module_ops_settle(world.ops);
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake),
                        "remove " NEXT "; rename n" RUNTIME_NEXT_SUFFIX "; remove " NEXT
                        "!; remove n" RUNTIME_NEXT_SUFFIX "!"); /* the second look came too soon */
    fake_runtime_journal_clear(world.fake);
    must_run(MODULE_SETTLE, "m", false, false);
    check("remove " NEXT "!", EDGE_OK);
    must_run(MODULE_SETTLE, "o", false, false);
    check("rename o" RUNTIME_NEXT_SUFFIX "!", EDGE_OK);
}

/* The engine goes while they are looked for, or while one is settled; and when that is tried for
 * many at once. */
static void test_settle_fails(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", NEXT, true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_LIST, EDGE_NET);
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_LIST, EDGE_OK);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_INSPECT, EDGE_NET);
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake), "");
    fake_runtime_refuse(world.fake, EDGE_BUSY);
    module_ops_settle(world.ops);
    fake_runtime_refuse(world.fake, EDGE_OK);
    for (unsigned i = 0; i < MODULE_OPS_OF_ONE; i++) {
        must_run(MODULE_START, "m", false, false);
    }
    module_ops_settle(world.ops);
    module_ops_close(world.ops, world_closed, &world);
    fake_runtime_run(world.fake);
    assert_int_equal(world.closed, 1);
}

/* What could not be settled is looked at again before anything else is changed. */
static void test_settle_fails_once(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", NEXT, true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_TIMEOUT);
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_OK);
    must_run(MODULE_STOP, "m", false, false);
    check("remove " NEXT "!; remove " NEXT "; stop m", EDGE_OK);
}

/* While changes are held back nothing is settled, and afterwards it is not forgotten. */
static void test_settle_while_held(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", NEXT, true);
    module_ops_hold(world.ops, true);
    module_ops_settle(world.ops);
    must_run(MODULE_STOP, "m", false, false);
    check("stop m", EDGE_OK);
    module_ops_hold(world.ops, false);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake), "remove " NEXT);
    fake_runtime_journal_clear(world.fake);
    must_run(MODULE_START, "m", false, false);
    check("start m", EDGE_OK);
}

/* Whoever saw that the module was not there saw it between two steps. */
static void test_orders_wait_for_settle(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", NEXT, true);
    module_ops_settle(world.ops);
    must_run(MODULE_CREATE, "m", false, false);
    assert_int_equal(fake_runtime_open(world.fake), 1);
    check("rename " NEXT "; create m!", EDGE_CONFLICT);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_LIST, EDGE_NET);
    module_ops_settle(world.ops);
    must_run(MODULE_STOP, "m", false, false);
    must_run(MODULE_REMOVE, "m", false, false);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake), "stop m; remove " NEXT "!; remove m");
    assert_int_equal(world.done, 2);
    world.done = 0;
    fake_runtime_journal_clear(world.fake);
    fake_runtime_add(world.fake, "2", NEXT, true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_LIST, EDGE_OK);
    must_run(MODULE_START, "m", false, false); /* looks of its own accord */
    check("rename " NEXT "; start m", EDGE_OK);
    fake_runtime_add(world.fake, "3", NEXT, true);
    must_run(MODULE_REMOVE, NEXT, false, false);
    check("remove " NEXT "; remove m", EDGE_OK);
}

/* An update that has not begun to replace comes after it and must not be taken for a leftover. */
static void test_settle_during_update(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    must_run(MODULE_UPDATE, "m", false, true);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(fake_runtime_step(world.fake));
    }
    assert_string_equal(fake_runtime_journal(world.fake), "create " NEXT);
    module_ops_settle(world.ops);
    check(REPLACED "; start m; remove " NEXT "!", EDGE_OK);
}

/* A second look that cannot be begun leaves nobody waiting. */
static void test_second_look_is_refused(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    module_ops_settle(world.ops);
    module_ops_settle(world.ops);
    must_run(MODULE_STOP, "m", false, false);
    fake_runtime_refuse(world.fake, EDGE_BUSY);
    assert_true(fake_runtime_step(world.fake));
    fake_runtime_refuse(world.fake, EDGE_OK);
    check("", EDGE_BUSY);
    must_run(MODULE_STOP, "m", false, false);
    check("stop m", EDGE_OK);
}

/* What is left after a failure is left for the next look. */
static enum edge_code torture(void *data) {
    (void)data;
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    if (strcmp(fake_runtime_journal(world.fake), "remove " NEXT) != 0) {
        return EDGE_NOMEM;
    }
    fake_runtime_journal_clear(world.fake);
    fake_runtime_add(world.fake, "2", NEXT, true);
    return EDGE_OK;
}

static void test_memory_is_short(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", NEXT, true);
    assert_true(alloc_fail_torture(torture, NULL) >= 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_settle),
        T(test_settle_fails),
        T(test_memory_is_short),
        T(test_settle_while_held),
        T(test_settle_fails_once),
        T(test_orders_wait_for_settle),
        T(test_settle_during_update),
        T(test_second_look_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
