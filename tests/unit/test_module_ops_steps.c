/* SPDX-License-Identifier: MIT */
/*
 * What a change consists of, and what happens when the engine goes away between two steps.
 */
#include "runtime/module_ops.h"

#include "module_ops_world.h"
#include "support/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void test_create(void **state) {
    (void)state;
    must_run(MODULE_CREATE, "m", true, false);
    check("pull a:1; create m", EDGE_OK);
    assert_string_equal(fake_runtime_last_body(world.fake), BODY);
    must_run(MODULE_CREATE, "m", false, false);
    check("create m!", EDGE_CONFLICT);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_PULL, EDGE_NOT_FOUND);
    must_run(MODULE_CREATE, "n", true, false);
    check("pull a:1!", EDGE_NOT_FOUND);
}

static void test_update(void **state) {
    (void)state;
    must_run(MODULE_UPDATE, "m", true, true);
    check("", EDGE_NOT_FOUND); /* nothing is fetched or made for one that is not there */
    fake_runtime_add(world.fake, "1", "m", true);
    must_run(MODULE_UPDATE, "m", true, true);
    check("pull a:1; " REPLACED "; start m", EDGE_OK);
    must_run(MODULE_UPDATE, "m", false, false);
    check(REPLACED, EDGE_OK);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_PULL, EDGE_DENIED);
    must_run(MODULE_UPDATE, "m", true, true);
    check("pull a:1!", EDGE_DENIED);
    fake_runtime_miss_image(world.fake, "a:1");
    must_run(MODULE_UPDATE, "m", false, true);
    check("", EDGE_NOT_FOUND); /* the old one stays */
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_PULL, EDGE_OK);
    must_run(MODULE_PULL, "m", false, false);
    check("pull a:1", EDGE_OK);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_START, EDGE_INVALID);
    must_run(MODULE_UPDATE, "m", false, true);
    check(REPLACED "; start m!", EDGE_INVALID);
}

/* The engine is away for a while: who asked may be gone with the container. */
static void test_engine_away(void **state) {
    static const struct {
        enum fake_runtime_call kind;
        enum edge_code code;
        const char *rest; /* of the journal */
    } rows[] = {
        {FAKE_RUNTIME_CREATE, EDGE_PROTO, REPLACED "; start m"},
        {FAKE_RUNTIME_REMOVE, EDGE_NET, "remove m; rename " NEXT "; start m"},
        {FAKE_RUNTIME_RENAME, EDGE_BUSY, "rename " NEXT "; start m"},
        {FAKE_RUNTIME_START, EDGE_TIMEOUT, "start m"},
    };
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        fake_runtime_fail_call(world.fake, rows[i].kind, rows[i].code);
        must_run(MODULE_UPDATE, "m", false, true);
        fake_runtime_run(world.fake);
        for (unsigned j = 0; j < 5; j++) {
            fake_loop_advance(MODULE_OPS_RETRY_MS);
            fake_runtime_run(world.fake);
        }
        assert_int_equal(world.done, 0);
        fake_runtime_fail_call(world.fake, rows[i].kind, EDGE_OK);
        fake_runtime_journal_clear(world.fake);
        fake_loop_advance(MODULE_OPS_RETRY_MS);
        check(rows[i].rest, EDGE_OK);
    }
}

static void wait_in_vain(void) {
    fake_runtime_run(world.fake);
    for (unsigned i = 0; i < MODULE_OPS_RETRIES; i++) {
        assert_int_equal(world.done, 0);
        fake_loop_advance(MODULE_OPS_RETRY_MS);
        fake_runtime_run(world.fake);
    }
    assert_int_equal(world.done, 1);
    assert_int_equal(world.codes[0], EDGE_NET);
    world.done = 0;
}

/* It stays away. What it had done of a removal is not known, so both names are looked at. */
static void test_engine_stays_away(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_NET);
    must_run(MODULE_UPDATE, "m", false, true);
    wait_in_vain();
    assert_non_null(strstr(fake_runtime_journal(world.fake), "remove m!; remove " NEXT "!"));
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_OK);
    fake_runtime_journal_clear(world.fake);
    fake_runtime_remove(world.fake, "1"); /* so it had been done */
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake), "rename " NEXT);
}

/* What was done although its answer was lost is not an error when it is tried again. A container
 * whose making was not answered is made anew: who knows whose it is. */
static void test_lost_answers(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_CREATE, EDGE_NET);
    must_run(MODULE_UPDATE, "m", false, false);
    fake_runtime_run(world.fake);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_CREATE, EDGE_OK);
    fake_runtime_add(world.fake, "2", NEXT, true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_CONFLICT);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    fake_runtime_run(world.fake);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_OK);
    fake_runtime_remove(world.fake, "1");
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_RENAME, EDGE_NET);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    fake_runtime_run(world.fake);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_RENAME, EDGE_OK);
    fake_runtime_remove(world.fake, NEXT);
    fake_runtime_add(world.fake, "4", "m", true);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    check("create " NEXT "!; create " NEXT "!; remove " NEXT "!; remove " NEXT "; create " NEXT
          "; remove m!; rename " NEXT "!; rename " NEXT "!",
          EDGE_OK);
}

/* An engine that has always one of that name already, whatever is removed. */
static void test_next_name_is_taken(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", NEXT, false);
    must_run(MODULE_UPDATE, "m", false, false);
    fake_runtime_run(world.fake);
    assert_int_equal(world.done, 1);
    assert_int_equal(world.codes[0], EDGE_CONFLICT);
}

/* Somebody else removes it at the same time. */
static void test_removal_under_way(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_CONFLICT);
    must_run(MODULE_REMOVE, "m", false, false);
    check("remove " NEXT "!", EDGE_CONFLICT);
    must_run(MODULE_UPDATE, "m", false, false);
    fake_runtime_run(world.fake);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_REMOVE, EDGE_OK);
    fake_loop_advance(MODULE_OPS_RETRY_MS);
    check("create " NEXT "; remove m!; remove m; rename " NEXT, EDGE_OK);
}

/* What cannot be made, or taken away, costs nothing. */
static void test_update_fails(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_CREATE, EDGE_INVALID);
    must_run(MODULE_UPDATE, "m", false, true);
    check("create " NEXT "!; remove " NEXT "!", EDGE_INVALID);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_CREATE, EDGE_OK);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_RENAME, EDGE_REMOTE);
    must_run(MODULE_UPDATE, "m", false, true);
    check("create " NEXT "; remove m; rename " NEXT "!; rename " NEXT "!", EDGE_REMOTE);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_RENAME, EDGE_OK);
    must_run(MODULE_REMOVE, "m", false, true);
    check("rename " NEXT "; remove " NEXT "!; remove m", EDGE_OK);
}

static char told[512];

static enum edge_code before_create(void *data, const char *name, struct edge_error *err) {
    (void)snprintf(told + strlen(told), sizeof(told) - strlen(told), "+%s ", name);
    return *(enum edge_code *)data == EDGE_OK ? EDGE_OK
                                              : edge_set(err, *(enum edge_code *)data, "no room");
}

static void after_remove(void *data, const char *name) {
    (void)data;
    (void)snprintf(told + strlen(told), sizeof(told) - strlen(told), "-%s ", name);
}

static void on_image(void *data, enum module_image what, const char *image) {
    static const char marks[] = {[MODULE_IMAGE_WANTED] = '?',
                                 [MODULE_IMAGE_PULLING] = '.',
                                 [MODULE_IMAGE_PULLED] = '=',
                                 [MODULE_IMAGE_FAILED] = '!'};
    (void)data;
    (void)snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%c ", image, marks[what]);
}

static void check_told(const char *what) {
    assert_string_equal(told, what);
    told[0] = '\0';
}

/* Details may be longer than can be read, by what the image says; what is not ours is not there. */
static void test_only_the_presence_counts(void **state) {
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    fake_runtime_add(world.fake, "2", "x", false);
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_INSPECT_MODULE, EDGE_RANGE);
    must_run(MODULE_UPDATE, "m", false, true);
    check(REPLACED "; start m", EDGE_OK);
    must_run(MODULE_UPDATE, "x", false, true);
    check("", EDGE_NOT_FOUND);
    assert_int_equal(world.err.native, 404);
}

static void test_tells_of_images(void **state) {
    const struct module_ops_hooks hooks = {.on_image = on_image};
    (void)state;
    fake_runtime_add(world.fake, "1", "m", true);
    module_ops_set_hooks(world.ops, &hooks);
    must_run(MODULE_PULL, "m", false, false);
    check("pull a:1", EDGE_OK);
    check_told("a:1. a:1? a:1= ");
    must_run(MODULE_UPDATE, "m", false, false);
    check(REPLACED, EDGE_OK);
    check_told("a:1? ");
    must_run(MODULE_STOP, "m", false, false);
    check("stop m", EDGE_OK);
    check_told("");
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_PULL, EDGE_DENIED);
    must_run(MODULE_CREATE, "n", true, false);
    check("pull a:1!", EDGE_DENIED);
    check_told("a:1. a:1? a:1! ");
    fake_runtime_refuse(world.fake, EDGE_BUSY);
    assert_int_equal(run(MODULE_PULL, "m", false, false), EDGE_BUSY);
    check_told("");
}

static void test_hooks(void **state) {
    enum edge_code code = EDGE_OK;
    const struct module_ops_hooks hooks = {before_create, after_remove, NULL, &code};
    (void)state;
    module_ops_set_hooks(world.ops, &hooks);
    must_run(MODULE_CREATE, "m", true, false);
    check("pull a:1; create m", EDGE_OK);
    check_told("+m ");
    must_run(MODULE_UPDATE, "m", false, false);
    check(REPLACED, EDGE_OK);
    check_told("+m ");
    must_run(MODULE_CREATE, "m", false, false);
    check("create m!", EDGE_CONFLICT);
    check_told("+m ");
    must_run(MODULE_REMOVE, "m", false, false);
    check("remove " NEXT "!; remove m", EDGE_OK);
    check_told("-m ");
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_CREATE, EDGE_INVALID);
    must_run(MODULE_CREATE, "m", false, false);
    check("create m!", EDGE_INVALID);
    check_told("+m -m ");
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_INSPECT, EDGE_NET);
    must_run(MODULE_CREATE, "m", false, false);
    check("create m!", EDGE_INVALID);
    check_told("+m "); /* who knows */
    fake_runtime_fail_call(world.fake, FAKE_RUNTIME_INSPECT, EDGE_OK);
    code = EDGE_IO;
    fake_runtime_add(world.fake, "9", "m", true);
    assert_int_equal(run(MODULE_CREATE, "m", false, false), EDGE_IO);
    must_run(MODULE_UPDATE, "m", false, false);
    check("remove " NEXT "!", EDGE_IO); /* the old one stays */
    check_told("+m +m ");
    code = EDGE_OK;
    fake_runtime_remove(world.fake, "9");
    fake_runtime_add(world.fake, "3", NEXT, true);
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    check_told("+m "); /* what was there before may be gone with the daemon that made it */
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_create),
        T(test_update),
        T(test_engine_away),
        T(test_engine_stays_away),
        T(test_lost_answers),
        T(test_next_name_is_taken),
        T(test_removal_under_way),
        T(test_update_fails),
        T(test_only_the_presence_counts),
        T(test_hooks),
        T(test_tells_of_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
