/* SPDX-License-Identifier: MIT */
#include "base/secret.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_life(void **state) {
    (void)state;
    struct secret s = {0};
    assert_int_equal(secret_alloc(&s, 32, NULL), EDGE_OK);
    for (size_t i = 0; i < s.len; i++) {
        assert_int_equal(s.data[i], 0);
    }
    assert_int_equal(secret_alloc(&s, 1, NULL), EDGE_INTERNAL);
    assert_int_equal(secret_copy(&s, "x", 1, NULL), EDGE_INTERNAL);
    assert_int_equal(s.len, 32);
    struct secret moved = secret_take(&s);
    assert_null(s.data);
    assert_int_equal(s.len, 0);
    assert_int_equal(moved.len, 32);
    secret_clear(&moved);
    assert_null(moved.data);
    secret_clear(&moved);
    secret_clear(NULL);
}

static void test_empty(void **state) {
    (void)state;
    struct secret s = {0};
    assert_int_equal(secret_alloc(&s, 0, NULL), EDGE_OK);
    assert_int_equal(secret_copy(&s, NULL, 0, NULL), EDGE_OK);
    assert_null(s.data);
    assert_int_equal(secret_slice(&s).len, 0);
    assert_true(secret_equal_bytes(&s, "", 0));
    secret_clear(&s);
}

static void test_compare(void **state) {
    (void)state;
    struct secret a SECRET_CLEANUP = {0};
    struct secret b SECRET_CLEANUP = {0};
    assert_int_equal(secret_copy(&a, "key\0one", 7, NULL), EDGE_OK);
    assert_int_equal(secret_copy(&b, "key\0two", 7, NULL), EDGE_OK);
    assert_false(secret_equal(&a, &b));
    assert_true(secret_equal(&a, &a));
    assert_true(secret_equal_bytes(&a, "key\0one", 7));
    assert_false(secret_equal_bytes(&a, "key\0one", 6));
    assert_true(slice_eq(secret_slice(&a), slice_make("key\0one", 7)));
}

static void test_wipe(void **state) {
    (void)state;
    char array[] = "secret";
    secret_wipe(array, sizeof(array));
    assert_memory_equal(array, "\0\0\0\0\0\0\0", 7);
    secret_wipe(NULL, 0);
}

static enum edge_code make_two(void *data) {
    (void)data;
    struct edge_error err = {0};
    struct secret a SECRET_CLEANUP = {0};
    struct secret b SECRET_CLEANUP = {0};
    enum edge_code code = secret_alloc(&a, 16, &err);
    if (code == EDGE_OK) {
        code = secret_copy(&b, "0123456789", 10, &err);
    }
    if (code != EDGE_OK) {
        assert_int_equal(err.code, EDGE_NOMEM);
        assert_null(b.data);
    }
    return code;
}

/* Before the secure heap is set up: its blocks come from the ordinary one. */
static void test_out_of_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_torture(make_two, NULL), 2);
}

/* Last, because there is no way back: the heap that the daemon uses. */
static void test_secure_heap(void **state) {
    (void)state;
    bool locked = false;
    bool again = true;
    assert_int_equal(secret_heap_used(), 0);
    assert_int_equal(secret_heap_init(&locked, NULL), EDGE_OK);
    assert_int_equal(secret_heap_init(&again, NULL), EDGE_OK);
    assert_int_equal(locked, again);
    assert_int_equal(secret_heap_init(NULL, NULL), EDGE_OK);

    struct secret s = {0};
    assert_int_equal(secret_alloc(&s, 33, NULL), EDGE_OK);
    assert_int_equal(secret_heap_used(), 64);
    struct secret too_big = {0};
    struct edge_error err = {0};
    assert_int_equal(secret_alloc(&too_big, 2 * SECRET_HEAP_SIZE, &err), EDGE_NOMEM);
    assert_int_equal(err.code, EDGE_NOMEM);
    assert_null(too_big.data);
    secret_clear(&s);
    assert_int_equal(secret_heap_used(), 0);
}

static void test_heap_exhausted(void **state) {
    (void)state;
    struct secret many[80] = {{0}};
    size_t cnt = 0;
    while (cnt < EDGE_ARRAY_LEN(many) && secret_alloc(&many[cnt], 4096, NULL) == EDGE_OK) {
        cnt++;
    }
    assert_int_equal(cnt, SECRET_HEAP_SIZE / 4096);
    for (size_t i = 0; i < cnt; i++) {
        secret_clear(&many[i]);
    }
    assert_int_equal(secret_heap_used(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),           cmocka_unit_test(test_empty),
        cmocka_unit_test(test_compare),        cmocka_unit_test(test_wipe),
        cmocka_unit_test(test_out_of_memory),  cmocka_unit_test(test_secure_heap),
        cmocka_unit_test(test_heap_exhausted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
