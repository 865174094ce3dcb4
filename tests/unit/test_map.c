/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>

static int freed_cnt;
static int random_mode; /* what the next getrandom does */

ssize_t __real_getrandom(void *to, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags) {
    if (random_mode == 0) {
        random_mode = 1;
        errno = EINTR;
        return -1;
    }
    return __real_getrandom(to, len, flags);
}

static void count_free(void *value) {
    freed_cnt++;
    free(value);
}

static struct slice key_of(char text[16], int i) {
    snprintf(text, 16, "key-%d", i);
    return slice_str(text);
}

static struct map *map_of(int cnt) {
    struct map *m = NULL;
    assert_int_equal(map_new(10000, count_free, &m, NULL), EDGE_OK);
    for (int i = 0; i < cnt; i++) {
        char text[16];
        int *value = malloc(sizeof(*value));
        assert_non_null(value);
        *value = i;
        assert_int_equal(map_put(m, key_of(text, i), value, NULL), EDGE_OK);
    }
    freed_cnt = 0;
    return m;
}

static void test_put_get(void **state) {
    (void)state;
    struct map *m = map_of(5000);
    char text[16];
    assert_int_equal(map_cnt(m), 5000);
    for (int i = 0; i < 5000; i++) {
        const int *value = map_get(m, key_of(text, i));
        assert_non_null(value);
        assert_int_equal(*value, i);
    }
    assert_null(map_get(m, key_of(text, 5000)));
    assert_null(map_get(m, SLICE_LIT("")));
    map_free(m);
    assert_int_equal(freed_cnt, 5000);
    map_free(NULL);
}

/* Keys are bytes: NUL counts, length counts, all lengths around the hash's block work. */
static void test_keys_are_bytes(void **state) {
    (void)state;
    struct map *m = NULL;
    int values[40];
    static const char zeros[40];
    assert_int_equal(map_new(100, NULL, &m, NULL), EDGE_OK);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(values); i++) {
        assert_int_equal(map_put(m, slice_make(zeros, i), &values[i], NULL), EDGE_OK);
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(values); i++) {
        assert_ptr_equal(map_get(m, slice_make(zeros, i)), &values[i]);
    }
    assert_ptr_equal(map_get(m, slice_make(NULL, 0)), &values[0]);
    map_free(m);
}

static void test_replace(void **state) {
    (void)state;
    struct map *m = map_of(1);
    int *other = malloc(sizeof(*other));
    assert_non_null(other);
    assert_int_equal(map_put(m, SLICE_LIT("key-0"), other, NULL), EDGE_OK);
    assert_int_equal(freed_cnt, 1);
    assert_int_equal(map_put(m, SLICE_LIT("key-0"), other, NULL), EDGE_OK);
    assert_int_equal(freed_cnt, 1);
    assert_ptr_equal(map_get(m, SLICE_LIT("key-0")), other);
    assert_int_equal(map_cnt(m), 1);
    assert_int_equal(map_put(m, SLICE_LIT("key-0"), NULL, NULL), EDGE_OK);
    assert_int_equal(freed_cnt, 2);
    map_free(m);
    assert_int_equal(freed_cnt, 2);
}

static void test_remove(void **state) {
    (void)state;
    struct map *m = map_of(100);
    char text[16];
    assert_true(map_remove(m, key_of(text, 7)));
    assert_false(map_remove(m, key_of(text, 7)));
    assert_int_equal(freed_cnt, 1);
    assert_int_equal(freed_cnt, 1);
    assert_int_equal(map_cnt(m), 99);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(map_get(m, key_of(text, i)) != NULL, i != 7);
    }
    map_clear(m);
    assert_int_equal(map_cnt(m), 0);
    assert_int_equal(freed_cnt, 100);
    assert_int_equal(map_put(m, SLICE_LIT("again"), NULL, NULL), EDGE_OK);
    map_free(m);
}

static void test_full(void **state) {
    (void)state;
    struct edge_error err = {0};
    struct map *m = NULL;
    int value;
    assert_int_equal(map_new(2, NULL, &m, NULL), EDGE_OK);
    assert_int_equal(map_put(m, SLICE_LIT("a"), &value, NULL), EDGE_OK);
    assert_int_equal(map_put(m, SLICE_LIT("b"), &value, NULL), EDGE_OK);
    assert_int_equal(map_put(m, SLICE_LIT("c"), &value, &err), EDGE_RANGE);
    assert_string_equal(err.text, "map is full (2 entries)");
    assert_null(map_get(m, SLICE_LIT("c")));
    assert_int_equal(map_put(m, SLICE_LIT("a"), NULL, NULL), EDGE_OK);
    assert_true(map_remove(m, SLICE_LIT("b")));
    assert_int_equal(map_put(m, SLICE_LIT("c"), &value, NULL), EDGE_OK);
    map_free(m);
}

static bool keep_even(void *data, struct slice key, void *value) {
    int *visited = data;
    assert_true(slice_starts_with(key, "key-"));
    (*visited)++;
    return *(const int *)value % 2 == 0;
}

static void test_each(void **state) {
    (void)state;
    struct map *m = map_of(1001);
    int visited = 0;
    map_each(m, keep_even, &visited);
    assert_int_equal(visited, 1001);
    assert_int_equal(map_cnt(m), 501);
    assert_int_equal(freed_cnt, 500);
    visited = 0;
    map_each(m, keep_even, &visited);
    assert_int_equal(visited, 501);
    map_free(m);
}

static enum edge_code grow(void *data) {
    (void)data;
    struct edge_error err = {0};
    struct map *m = NULL;
    int value = 0;
    enum edge_code code = map_new(100, NULL, &m, &err);
    size_t cnt = 0;
    for (int i = 0; i < 40 && code == EDGE_OK; i++) {
        char text[16];
        code = map_put(m, key_of(text, i), &value, &err);
        cnt += code == EDGE_OK ? 1 : 0;
        assert_int_equal(map_cnt(m), cnt);
    }
    assert_int_equal(code, err.code);
    assert_true(code == EDGE_OK || code == EDGE_NOMEM);
    map_free(m);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    /* The map, its slots, 40 entries, two times more slots. */
    assert_int_equal(alloc_fail_torture(grow, NULL), 44);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get),       cmocka_unit_test(test_keys_are_bytes),
        cmocka_unit_test(test_replace),       cmocka_unit_test(test_remove),
        cmocka_unit_test(test_full),          cmocka_unit_test(test_each),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
