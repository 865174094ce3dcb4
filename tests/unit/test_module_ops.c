/* SPDX-License-Identifier: MIT */
/*
 * Changes of modules: their steps, their turns, what happens when the engine or the daemon goes
 * away between two steps.
 */
#include "runtime/module_ops.h"

#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define BODY                                                                                       \
    "{\"Image\":\"a:1\",\"Labels\":{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\"}}"

static struct {
    struct fake_runtime *fake;
    struct module_ops *ops;
    unsigned done, closed;
    enum edge_code codes[MODULE_OPS_MAX];
    struct edge_error err;
} env;

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    fake_loop_init();
    env.fake = fake_runtime_new(fake_loop());
    assert_int_equal(module_ops_new(fake_loop(), fake_runtime_get(env.fake), &env.ops, NULL),
                     EDGE_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    module_ops_free(env.ops);
    fake_runtime_free(env.fake);
    fake_loop_clear();
    return 0;
}

static void on_done(void *data, enum edge_code code, const struct edge_error *err) {
    assert_ptr_equal(data, &env);
    assert_true((code == EDGE_OK) == (err == NULL));
    env.codes[env.done++] = code;
    if (err != NULL) {
        env.err = *err;
    }
}

static void on_closed(void *data) {
    assert_ptr_equal(data, &env);
    env.closed++;
}

static enum edge_code run(enum module_change what, const char *name, bool pull, bool start) {
    const struct module_order order = {
        .change = what,
        .name = name,
        .image = "a:1",
        .pull = pull,
        .auth_json = SLICE_LIT("{\"username\":\"u\"}"),
        .create_body = SLICE_LIT(BODY),
        .start = start,
    };
    return module_ops_run(env.ops, &order, on_done, &env, &env.err);
}

static void must_run(enum module_change what, const char *name, bool pull, bool start) {
    assert_int_equal(run(what, name, pull, start), EDGE_OK);
}

static void check(const char *journal, enum edge_code code) {
    fake_runtime_run(env.fake);
    assert_string_equal(fake_runtime_journal(env.fake), journal);
    assert_int_equal(env.done, 1);
    assert_int_equal(env.codes[0], code);
    fake_runtime_journal_clear(env.fake);
    env.done = 0;
}

static void test_single_steps(void **state) {
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    must_run(MODULE_START, "m", false, false);
    assert_int_equal(env.done, 0);
    check("start m", EDGE_OK);
    must_run(MODULE_STOP, "m", false, false);
    check("stop m", EDGE_OK);
    assert_int_equal(fake_runtime_last_timeout_s(env.fake), RUNTIME_STOP_DEFAULT);
    must_run(MODULE_RESTART, "m", false, false);
    check("restart m", EDGE_OK);
    must_run(MODULE_REMOVE, "m", false, false);
    check("remove m", EDGE_OK);
    must_run(MODULE_REMOVE, "m", false, false);
    check("remove m!", EDGE_NOT_FOUND);
    must_run(MODULE_START, "m", false, false);
    check("start m!", EDGE_NOT_FOUND);
    must_run(MODULE_PULL, "m", false, false);
    check("pull a:1", EDGE_OK);
    assert_string_equal(fake_runtime_last_auth(env.fake), "{\"username\":\"u\"}");
}

static void test_create(void **state) {
    (void)state;
    must_run(MODULE_CREATE, "m", true, false);
    check("pull a:1; create m", EDGE_OK);
    assert_string_equal(fake_runtime_last_body(env.fake), BODY);
    must_run(MODULE_CREATE, "m", false, false);
    check("create m!", EDGE_CONFLICT);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_PULL, EDGE_NOT_FOUND);
    must_run(MODULE_CREATE, "n", true, false);
    check("pull a:1!", EDGE_NOT_FOUND);
}

static void test_update(void **state) {
    (void)state;
    must_run(MODULE_UPDATE, "m", true, true);
    check("", EDGE_NOT_FOUND); /* nothing is fetched or made for one that is not there */
    fake_runtime_add(env.fake, "1", "m", true);
    must_run(MODULE_UPDATE, "m", true, true);
    check("pull a:1; remove m; create m; start m", EDGE_OK);
    must_run(MODULE_UPDATE, "m", false, false);
    check("remove m; create m", EDGE_OK);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_PULL, EDGE_DENIED);
    must_run(MODULE_UPDATE, "m", true, true);
    check("pull a:1!", EDGE_DENIED);
    fake_runtime_miss_image(env.fake, "a:1");
    must_run(MODULE_UPDATE, "m", false, true);
    check("", EDGE_NOT_FOUND); /* the old one stays */
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_PULL, EDGE_OK);
    must_run(MODULE_PULL, "m", false, false);
    check("pull a:1", EDGE_OK);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_START, EDGE_INVALID);
    must_run(MODULE_UPDATE, "m", false, true);
    check("remove m; create m; start m!", EDGE_INVALID);
}

static void test_turns(void **state) {
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    fake_runtime_add(env.fake, "2", "other", true);
    must_run(MODULE_STOP, "m", false, false);
    must_run(MODULE_UPDATE, "m", true, false);
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_REMOVE, "m", false, false);
    must_run(MODULE_START, "other", false, false);
    must_run(MODULE_START, "m", false, false);
    assert_int_equal(fake_runtime_open(env.fake), 3); /* stop, look, other */
    fake_runtime_run(env.fake);
    assert_string_equal(fake_runtime_journal(env.fake),
                        "stop m; start other; start m; pull a:1; remove m; remove m!; start m!");
    assert_int_equal(env.done, 6);
    env.done = 0;
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
    assert_int_equal(fake_runtime_open(env.fake), MODULE_OPS_MAX / MODULE_OPS_OF_ONE);
    fake_runtime_fail(env.fake, EDGE_NET);
    fake_runtime_run(env.fake);
    assert_int_equal(env.done, MODULE_OPS_MAX);
    env.done = 0;
    must_run(MODULE_START, "m", false, false);
    fake_runtime_run(env.fake);
}

/* Whoever waited still gets his turn when the one before cannot even begin. */
static void test_refused(void **state) {
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_STOP, "m", false, false);
    must_run(MODULE_START, "m", false, false);
    fake_runtime_refuse(env.fake, EDGE_BUSY);
    assert_int_equal(run(MODULE_START, "n", false, false), EDGE_BUSY);
    assert_int_equal(run(MODULE_START, "../n", false, false), EDGE_INVALID);
    fake_runtime_run(env.fake);
    assert_int_equal(env.done, 3);
    assert_int_equal(env.codes[1], EDGE_BUSY);
    assert_int_equal(env.codes[2], EDGE_BUSY);
    fake_runtime_refuse(env.fake, EDGE_OK);
    must_run(MODULE_START, "m", false, false);
    fake_runtime_run(env.fake);
    assert_int_equal(env.codes[3], EDGE_OK);
}

/* The engine is away for a while after the removal: who asked may be gone with the container. */
static void test_engine_away(void **state) {
    static const enum fake_runtime_call kinds[] = {FAKE_RUNTIME_REMOVE, FAKE_RUNTIME_CREATE,
                                                   FAKE_RUNTIME_START};
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        fake_runtime_fail_call(env.fake, kinds[i], i == 1 ? EDGE_PROTO : EDGE_NET);
        must_run(MODULE_UPDATE, "m", false, true);
        fake_runtime_run(env.fake);
        for (unsigned j = 0; j < 5; j++) {
            fake_loop_advance(MODULE_OPS_RETRY_MS);
            fake_runtime_run(env.fake);
        }
        assert_int_equal(env.done, 0);
        fake_runtime_fail_call(env.fake, kinds[i], EDGE_OK);
        fake_runtime_journal_clear(env.fake);
        fake_loop_advance(MODULE_OPS_RETRY_MS);
        check(i == 0   ? "remove m; create m; start m"
              : i == 1 ? "create m; start m"
                       : "start m",
              EDGE_OK);
    }
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_CREATE, EDGE_NET);
    must_run(MODULE_UPDATE, "m", false, true);
    fake_runtime_run(env.fake);
    for (unsigned i = 0; i < MODULE_OPS_RETRIES; i++) {
        assert_int_equal(env.done, 0);
        fake_loop_advance(MODULE_OPS_RETRY_MS);
        fake_runtime_run(env.fake);
    }
    assert_int_equal(env.done, 1);
    assert_int_equal(env.codes[0], EDGE_NET);
    env.done = 0;
}

/* What was done although its answer was lost is not an error when it is tried again. */
static void test_lost_answers(void **state) {
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_REMOVE, EDGE_TIMEOUT);
    must_run(MODULE_UPDATE, "m", false, false);
    fake_runtime_run(env.fake);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_REMOVE, EDGE_OK);
    fake_runtime_remove(env.fake, "1");
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_CREATE, EDGE_NET);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    fake_runtime_run(env.fake);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_CREATE, EDGE_OK);
    fake_runtime_add(env.fake, "2", "m", true);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    check("remove m!; remove m!; create m!; create m!", EDGE_OK);
}

/* Somebody else removes it at the same time. */
static void test_removal_under_way(void **state) {
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_REMOVE, EDGE_CONFLICT);
    must_run(MODULE_REMOVE, "m", false, false);
    check("remove m!", EDGE_CONFLICT);
    must_run(MODULE_UPDATE, "m", false, false);
    fake_runtime_run(env.fake);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_REMOVE, EDGE_OK);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    check("remove m!; remove m; create m", EDGE_OK);
}

static void test_close_idle(void **state) {
    (void)state;
    module_ops_close(env.ops, on_closed, &env);
    assert_int_equal(env.closed, 1);
    assert_int_equal(run(MODULE_START, "m", false, false), EDGE_CANCELED);
}

/* What can be left is left, what is half done is finished. */
static void test_close(void **state) {
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    fake_runtime_add(env.fake, "2", "n", true);
    must_run(MODULE_UPDATE, "m", false, true);
    assert_true(fake_runtime_step(env.fake)); /* it is there */
    assert_true(fake_runtime_step(env.fake)); /* so is its image */
    must_run(MODULE_START, "m", false, false);
    must_run(MODULE_PULL, "k", true, false);
    must_run(MODULE_STOP, "n", false, false);
    must_run(MODULE_CREATE, "k", false, false);
    module_ops_close(env.ops, on_closed, &env);
    assert_int_equal(env.done, 1); /* the one that waited */
    assert_int_equal(env.closed, 0);
    fake_runtime_run(env.fake);
    assert_string_equal(fake_runtime_journal(env.fake),
                        "remove m; pull a:1!; stop n!; create k; create m; start m");
    assert_int_equal(env.done, 5);
    assert_int_equal(env.closed, 1);
}

static void test_close_takes_too_long(void **state) {
    (void)state;
    fake_runtime_add(env.fake, "1", "m", true);
    fake_runtime_add(env.fake, "2", "n", true);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_REMOVE, EDGE_NET);
    must_run(MODULE_UPDATE, "m", false, true);
    must_run(MODULE_CREATE, "k", false, false);
    assert_true(fake_runtime_step(env.fake));
    fake_runtime_run(env.fake);
    must_run(MODULE_CREATE, "l", false, false);
    env.done = 0;
    module_ops_close(env.ops, on_closed, &env);
    fake_loop_advance(MODULE_OPS_CLOSE_MS - 1);
    assert_int_equal(env.closed, 0);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    fake_runtime_run(env.fake);
    assert_int_equal(env.done, 2);
    assert_int_equal(env.codes[0], EDGE_CANCELED);
    assert_int_equal(env.codes[1], EDGE_CANCELED);
    assert_int_equal(env.closed, 1);
}

static enum edge_code one_round(void *data) {
    struct module_ops *before = env.ops;
    (void)data;
    env.done = 0;
    enum edge_code code =
        module_ops_new(fake_loop(), fake_runtime_get(env.fake), &env.ops, &env.err);
    if (code == EDGE_OK) {
        code = run(MODULE_UPDATE, "m", false, true);
        module_ops_free(env.ops);
    }
    env.ops = before;
    return code;
}

/* Refused by the runtime in the end, so that each round leaves nothing. */
static enum edge_code torture(void *data) {
    enum edge_code code = one_round(data);
    return code == EDGE_BUSY ? EDGE_OK : code;
}

static void test_memory_is_short(void **state) {
    (void)state;
    fake_runtime_refuse(env.fake, EDGE_BUSY);
    assert_true(alloc_fail_torture(torture, NULL) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_single_steps),    T(test_create),       T(test_update),
        T(test_turns),           T(test_limit),        T(test_refused),
        T(test_engine_away),     T(test_lost_answers), T(test_removal_under_way),
        T(test_close_idle),      T(test_close),        T(test_close_takes_too_long),
        T(test_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
