/* SPDX-License-Identifier: MIT */
#include "runtime/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static unsigned calls;

static enum edge_code count_inspect(struct runtime *rt, const char *name,
                                    runtime_containers_fn *done, void *data, struct op *ret_op,
                                    struct edge_error *err) {
    (void)rt, (void)name, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_top(struct runtime *rt, const char *name, runtime_pids_fn *done,
                                void *data, struct op *ret_op, struct edge_error *err) {
    (void)rt, (void)name, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_remove(struct runtime *rt, const char *name, runtime_done_fn *done,
                                   void *data, struct op *ret_op, struct edge_error *err) {
    (void)rt, (void)name, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static void test_names(void **state) {
    static const char *const good[] = {"a", "edgeAgent", "a.b_c-d", "0", "a..", "A-"};
    static const char *const bad[] = {"",    ".",   "..",       "-a",         "_a",
                                      "/a",  "a/b", "a b",      "a?x",        "a%2",
                                      "a#b", "a\n", "\xc3\xa4", "$edgeAgent", "a:b"};
    char text[RUNTIME_NAME_MAX + 2];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        assert_true(runtime_is_name(slice_str(good[i])));
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_false(runtime_is_name(slice_str(bad[i])));
    }
    assert_false(runtime_is_name(slice_make("a\0b", 3)));
    assert_false(runtime_is_name((struct slice){0}));
    memset(text, 'x', sizeof(text));
    assert_true(runtime_is_name(slice_make(text, RUNTIME_NAME_MAX)));
    assert_false(runtime_is_name(slice_make(text, RUNTIME_NAME_MAX + 1)));
}

/* No implementation ever sees a name that would change the meaning of a path. */
static void test_bad_names_do_not_pass(void **state) {
    static const struct runtime_ops ops = {
        .inspect = count_inspect, .top = count_top, .remove = count_remove};
    struct runtime rt = {.ops = &ops};
    (void)state;
    assert_int_equal(runtime_inspect(&rt, "../info", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_top(&rt, "a/json?x=", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_remove(&rt, "a?x=", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(calls, 0);
    assert_int_equal(runtime_inspect(&rt, "a", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_top(&rt, "a", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_remove(&rt, "a", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(calls, 3);
    runtime_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_names_do_not_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
