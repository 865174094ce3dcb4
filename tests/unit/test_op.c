/* SPDX-License-Identifier: MIT */
/*
 * Handles of operations.
 */
#include "loop/op.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void on_cancel(void *data) {
    ++*(int *)data;
}

static struct op_table *new_table(uint32_t max_cnt) {
    struct op_table *t = NULL;
    assert_int_equal(op_table_new(max_cnt, &t, NULL), EDGE_OK);
    return t;
}

static void test_life(void **state) {
    (void)state;
    struct op_table *t = new_table(4);
    struct op op = OP_NONE;
    int calls = 0;
    assert_false(op_is_set(op));
    assert_int_equal(op_add(t, on_cancel, &calls, &op, NULL), EDGE_OK);
    assert_true(op_is_set(op));
    assert_int_equal(op_cnt(t), 1);
    assert_ptr_equal(op_get(t, op), &calls);
    op_remove(t, op);
    assert_int_equal(op_cnt(t), 0);
    assert_null(op_get(t, op));
    op_remove(t, op);
    op_cancel(t, op);
    assert_int_equal(calls, 0);
    assert_int_equal(op_cnt(t), 0);
    op_table_free(t);
}

static void test_no_operation(void **state) {
    (void)state;
    struct op_table *t = new_table(2);
    assert_null(op_get(t, OP_NONE));
    assert_null(op_get(t, (struct op){7, 1}));
    assert_null(op_get(t, (struct op){1, 1}));
    op_cancel(t, (struct op){UINT32_MAX, UINT32_MAX});
    op_remove(t, OP_NONE);
    op_table_free(t);
    op_table_free(NULL);
    assert_int_equal(op_table_new(0, &t, NULL), EDGE_INTERNAL);
}

static void test_cancel_once(void **state) {
    (void)state;
    struct op_table *t = new_table(2);
    struct op op;
    struct op mute;
    int calls = 0;
    assert_int_equal(op_add(t, on_cancel, &calls, &op, NULL), EDGE_OK);
    assert_int_equal(op_add(t, NULL, &calls, &mute, NULL), EDGE_OK);
    op_cancel(t, op);
    op_cancel(t, op);
    op_cancel(t, mute);
    assert_int_equal(calls, 1);
    assert_ptr_equal(op_get(t, op), &calls); /* lives until its completion has run */
    op_remove(t, op);
    op_remove(t, mute);
    op_table_free(t);
}

static void test_stale_handle_misses_successor(void **state) {
    (void)state;
    struct op_table *t = new_table(1);
    struct op old;
    struct op young;
    int calls = 0;
    assert_int_equal(op_add(t, on_cancel, &calls, &old, NULL), EDGE_OK);
    op_remove(t, old);
    assert_int_equal(op_add(t, on_cancel, &calls, &young, NULL), EDGE_OK);
    assert_int_equal(old.index, young.index);
    assert_int_not_equal(old.generation, young.generation);
    assert_null(op_get(t, old));
    op_cancel(t, old);
    op_remove(t, old);
    assert_int_equal(calls, 0);
    assert_int_equal(op_cnt(t), 1);
    op_remove(t, young);
    op_table_free(t);
}

static void test_full(void **state) {
    (void)state;
    enum {
        CNT = 100
    };
    struct op_table *t = new_table(CNT);
    struct op ops[CNT];
    struct op extra = OP_NONE;
    struct edge_error err;
    int marks[CNT];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < CNT; i++) {
            assert_int_equal(op_add(t, NULL, &marks[i], &ops[i], NULL), EDGE_OK);
        }
        assert_int_equal(op_add(t, NULL, NULL, &extra, &err), EDGE_BUSY);
        assert_false(op_is_set(extra));
        for (size_t i = 0; i < CNT; i++) {
            assert_ptr_equal(op_get(t, ops[i]), &marks[i]);
        }
        for (size_t i = 0; i < CNT; i++) {
            op_remove(t, ops[(i * 37) % CNT]);
        }
        assert_int_equal(op_cnt(t), 0);
    }
    op_table_free(t);
}

static void test_generation_wraps(void **state) {
    (void)state;
    struct op_table *t = new_table(1);
    struct op op;
    int x = 0;
    assert_int_equal(op_add(t, NULL, &x, &op, NULL), EDGE_OK);
    op_remove(t, op);
    op_table_set_generation(t, 0, UINT32_MAX);
    assert_int_equal(op_add(t, NULL, &x, &op, NULL), EDGE_OK);
    assert_int_equal(op.generation, UINT32_MAX);
    op_remove(t, op);
    assert_int_equal(op_add(t, NULL, &x, &op, NULL), EDGE_OK);
    assert_int_equal(op.generation, 1); /* 0 means none */
    op_remove(t, op);
    op_table_free(t);
}

static enum edge_code build_table(void *data) {
    (void)data;
    struct op_table *t = NULL;
    enum edge_code code = op_table_new(8, &t, NULL);
    op_table_free(t);
    return code;
}

static void test_torture(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_torture(build_table, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),        cmocka_unit_test(test_no_operation),
        cmocka_unit_test(test_cancel_once), cmocka_unit_test(test_stale_handle_misses_successor),
        cmocka_unit_test(test_full),        cmocka_unit_test(test_generation_wraps),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
