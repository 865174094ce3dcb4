/* SPDX-License-Identifier: MIT */
/*
 * The end of modules, with an engine of the test's own.
 */
#include "agent/stop_modules.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct {
    struct fake_runtime *engine;
    struct module_ops *ops;
    struct stop_modules *stop;
    unsigned done, closed, orders;
} world;

static void on_done(void *data) {
    assert_ptr_equal(data, &world);
    world.done++;
}

static void on_closed(void *data) {
    (void)data;
    world.closed++;
}

static void on_order(void *data, enum edge_code code, const struct edge_error *err) {
    (void)data;
    (void)code;
    (void)err;
    world.orders++;
}

static int setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof(world));
    fake_loop_init();
    world.engine = fake_runtime_new(fake_loop());
    assert_int_equal(module_ops_new(fake_loop(), fake_runtime_get(world.engine), &world.ops, NULL),
                     EDGE_OK);
    assert_int_equal(
        stop_modules_new(fake_loop(), fake_runtime_get(world.engine), world.ops, &world.stop, NULL),
        EDGE_OK);
    (void)fake_runtime_add(world.engine, "1", "sensor", true);
    (void)fake_runtime_add(world.engine, "2", "edgeAgent", true);
    (void)fake_runtime_add(world.engine, "3", "stranger", false);
    (void)fake_runtime_add(world.engine, "4", "edgeHub", true);
    fake_runtime_add(world.engine, "5", "idle", true)->running = false;
    module_ops_settle(world.ops);
    fake_runtime_run(world.engine);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    module_ops_close(world.ops, on_closed, NULL);
    fake_runtime_run(world.engine);
    fake_loop_advance(60000);
    assert_int_equal(world.closed, 1);
    stop_modules_free(world.stop);
    stop_modules_free(NULL);
    module_ops_free(world.ops);
    fake_runtime_free(world.engine);
    fake_loop_clear();
    return 0;
}

static void finish(const char *journal) {
    fake_runtime_run(world.engine);
    assert_int_equal(world.done, 0);
    fake_loop_advance(0);
    assert_int_equal(world.done, 1);
    assert_string_equal(fake_runtime_journal(world.engine), journal);
}

static void agent_first(void **state) {
    (void)state;
    stop_modules_start(world.stop, on_done, &world);
    assert_int_equal(fake_runtime_open(world.engine), 1);
    assert_true(fake_runtime_step(world.engine));
    assert_int_equal(fake_runtime_last_timeout_s(world.engine), STOP_MODULES_AGENT_S);
    assert_true(fake_runtime_step(world.engine)); /* the list */
    assert_int_equal(fake_runtime_open(world.engine), 2);
    finish("stop edgeAgent; stop edgeHub; stop sensor");
    assert_int_equal(fake_runtime_last_timeout_s(world.engine), STOP_MODULES_REST_S);
    const struct module_order order = {.change = MODULE_START, .name = "idle"};
    assert_int_equal(module_ops_run(world.ops, &order, on_order, NULL, NULL), EDGE_RETRY);
}

static void nothing_there(void **state) {
    (void)state;
    fake_runtime_remove(world.engine, "1");
    fake_runtime_remove(world.engine, "2");
    fake_runtime_remove(world.engine, "4");
    stop_modules_start(world.stop, on_done, &world);
    finish("stop edgeAgent!");
}

/* What is being replaced at that moment is stopped when it is there. */
static void an_update_is_under_way(void **state) {
    (void)state;
    const struct module_order order = {
        .change = MODULE_UPDATE,
        .name = "edgeAgent",
        .image = "a:2",
        .start = true,
        .create_body =
            SLICE_LIT("{\"Labels\":{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\"}}")};
    assert_int_equal(module_ops_run(world.ops, &order, on_order, NULL, NULL), EDGE_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(fake_runtime_step(world.engine));
    }
    stop_modules_start(world.stop, on_done, &world);
    fake_runtime_run(world.engine);
    fake_loop_advance(0);
    assert_int_equal(world.done, 1);
    assert_int_equal(world.orders, 1);
    assert_non_null(strstr(fake_runtime_journal(world.engine), "start edgeAgent; stop edgeAgent"));
}

/* What is between two containers does not run, and will. */
static void one_is_about_to_run(void **state) {
    (void)state;
    const struct module_order update = {
        .change = MODULE_UPDATE,
        .name = "sensor",
        .image = "a:2",
        .start = true,
        .create_body =
            SLICE_LIT("{\"Labels\":{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\"}}")};
    fake_runtime_fail_call(world.engine, FAKE_RUNTIME_RENAME, EDGE_NET);
    assert_int_equal(module_ops_run(world.ops, &update, on_order, NULL, NULL), EDGE_OK);
    fake_runtime_run(world.engine);
    stop_modules_start(world.stop, on_done, &world);
    fake_runtime_run(world.engine);
    fake_runtime_fail_call(world.engine, FAKE_RUNTIME_RENAME, EDGE_OK);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    assert_int_equal(world.done, 0);
    finish("create sensor.edged-next; remove sensor; rename sensor.edged-next!; stop edgeAgent; "
           "stop edgeHub; rename sensor.edged-next; start sensor; stop sensor");
}

static void too_slow(void **state) {
    (void)state;
    stop_modules_start(world.stop, on_done, &world);
    fake_loop_advance((STOP_MODULES_AGENT_S + STOP_MODULES_SLACK_S) * 1000 - 1);
    assert_int_equal(world.done, 0);
    assert_int_equal(fake_runtime_open(world.engine), 1);
    fake_loop_advance(1);
    assert_int_equal(fake_runtime_open(world.engine), 2); /* the list, too */
    fake_loop_advance((STOP_MODULES_REST_S + STOP_MODULES_SLACK_S) * 1000);
    assert_int_equal(world.done, 1);
    fake_runtime_run(world.engine); /* late answers */
    fake_loop_advance(60000);
    assert_int_equal(world.done, 1);
}

static void in_a_hurry(void **state) {
    (void)state;
    for (int steps = 0; steps < 4; steps++) {
        if (steps > 0) {
            assert_int_equal(setup(NULL), 0);
        }
        stop_modules_start(world.stop, on_done, &world);
        for (int i = 0; i < steps; i++) {
            assert_true(fake_runtime_step(world.engine));
        }
        stop_modules_skip(world.stop);
        assert_int_equal(world.done, 0);
        fake_loop_advance(0);
        assert_int_equal(world.done, 1);
        stop_modules_skip(world.stop);
        if (steps < 3) {
            (void)teardown(NULL);
        }
    }
}

static void engine_trouble(void **state) {
    (void)state;
    for (int round = 0; round < 4; round++) {
        if (round > 0) {
            assert_int_equal(setup(NULL), 0);
        }
        if (round == 0) {
            fake_runtime_fail(world.engine, EDGE_NET);
        } else if (round == 1) {
            fake_runtime_refuse(world.engine, EDGE_BUSY);
        } else if (round == 2) {
            fake_runtime_fail_call(world.engine, FAKE_RUNTIME_STOP, EDGE_REMOTE);
        }
        stop_modules_start(world.stop, on_done, &world);
        if (round == 3) {
            assert_true(fake_runtime_step(world.engine));
            fake_runtime_refuse(world.engine, EDGE_BUSY); /* from the list on */
        }
        fake_runtime_run(world.engine);
        fake_loop_advance(0);
        assert_int_equal(world.done, 1);
        fake_runtime_refuse(world.engine, EDGE_OK);
        if (round < 3) {
            (void)teardown(NULL);
        }
    }
}

static enum edge_code make(void *data) {
    struct stop_modules *s = NULL;
    (void)data;
    enum edge_code code =
        stop_modules_new(fake_loop(), fake_runtime_get(world.engine), world.ops, &s, NULL);
    stop_modules_free(s);
    return code;
}

static void memory_is_short(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(make, NULL) > 0);
    stop_modules_start(world.stop, on_done, &world);
    assert_true(fake_runtime_step(world.engine));
    alloc_fail_arm(1); /* the names of those that run */
    assert_true(fake_runtime_step(world.engine));
    (void)alloc_fail_disarm();
    fake_loop_advance(0);
    assert_int_equal(world.done, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(agent_first), T(nothing_there),  T(an_update_is_under_way), T(too_slow),
        T(in_a_hurry),  T(engine_trouble), T(memory_is_short),        T(one_is_about_to_run),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
