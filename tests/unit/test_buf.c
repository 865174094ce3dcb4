/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

static void check_content(const struct buf *b, const char *want) {
    assert_true(slice_eq_str(buf_slice(b), want));
}

static void test_append(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_null(b.data);
    assert_int_equal(buf_slice(&b).len, 0);
    assert_int_equal(buf_append(&b, NULL, 0, NULL), EDGE_OK);
    assert_int_equal(buf_append(&b, "ab", 2, NULL), EDGE_OK);
    assert_int_equal(buf_append_str(&b, "cd", NULL), EDGE_OK);
    assert_int_equal(buf_append_slice(&b, SLICE_LIT("ef"), NULL), EDGE_OK);
    assert_int_equal(buf_append_byte(&b, 'g', NULL), EDGE_OK);
    assert_int_equal(buf_printf(&b, NULL, "-%d-%s", 42, "x"), EDGE_OK);
    check_content(&b, "abcdefg-42-x");
    assert_string_equal(buf_cstr(&b), "abcdefg-42-x");
    assert_int_equal(b.len, 12);
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_non_null(b.data);
    assert_string_equal(buf_cstr(&b), "");
    buf_clear(&b);
    assert_null(b.data);
    assert_int_equal(buf_append_str(&b, "again", NULL), EDGE_OK);
    check_content(&b, "again");
    buf_clear(&b);
    buf_clear(&b);
    buf_clear(NULL);
}

static void test_maximum(void **state) {
    (void)state;
    struct edge_error err = {0};
    struct buf b;
    uint8_t *to = NULL;
    buf_init(&b, 5);
    assert_int_equal(buf_append_str(&b, "abc", NULL), EDGE_OK);
    assert_int_equal(buf_append_str(&b, "def", &err), EDGE_RANGE);
    assert_string_equal(err.text, "more than 5 bytes");
    assert_int_equal(buf_printf(&b, NULL, "%d", 123), EDGE_RANGE);
    assert_int_equal(buf_reserve(&b, SIZE_MAX, &to, NULL), EDGE_RANGE);
    assert_null(to);
    check_content(&b, "abc");
    assert_int_equal(buf_printf(&b, NULL, "%d", 12), EDGE_OK);
    check_content(&b, "abc12");
    /* The terminator does not count against the maximum. */
    assert_string_equal(buf_cstr(&b), "abc12");
    assert_int_equal(buf_append_byte(&b, 'x', NULL), EDGE_RANGE);
    assert_int_equal(buf_append(&b, "", 0, NULL), EDGE_OK);
    buf_clear(&b);

    buf_init(&b, 0);
    assert_int_equal(buf_append_byte(&b, 'x', NULL), EDGE_RANGE);
    assert_string_equal(buf_cstr(&b), "");
    buf_clear(&b);

    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append_str(&b, "abc", NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&b), "abc");
    buf_clear(&b);
}

static void test_growth_keeps_content(void **state) {
    (void)state;
    for (int sensitive = 0; sensitive < 2; sensitive++) {
        struct buf b;
        if (sensitive) {
            buf_init_sensitive(&b, 100000);
        } else {
            buf_init(&b, 100000);
        }
        for (uint32_t i = 0; i < 20000; i++) {
            assert_int_equal(buf_append(&b, &i, sizeof(i), NULL), EDGE_OK);
        }
        for (uint32_t i = 0; i < 20000; i++) {
            uint32_t got;
            memcpy(&got, b.data + i * sizeof(got), sizeof(got));
            assert_int_equal(got, i);
        }
        assert_true(b.cap <= 100001);
        buf_clear(&b);
    }
}

static void test_reserve(void **state) {
    (void)state;
    struct buf b;
    uint8_t *to = NULL;
    buf_init(&b, 100);
    assert_int_equal(buf_reserve(&b, 0, &to, NULL), EDGE_OK);
    assert_non_null(to);
    assert_int_equal(buf_reserve(&b, 100, &to, NULL), EDGE_OK);
    memset(to, 'z', 100);
    buf_added(&b, 40);
    assert_int_equal(b.len, 40);
    buf_added(&b, 0);
    assert_int_equal(buf_reserve(&b, 61, &to, NULL), EDGE_RANGE);
    buf_clear(&b);
}

static void test_consume_and_truncate(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_consume(&b, 0);
    assert_int_equal(buf_append_str(&b, "abcdef", NULL), EDGE_OK);
    buf_consume(&b, 2);
    check_content(&b, "cdef");
    buf_truncate(&b, 10);
    check_content(&b, "cdef");
    buf_truncate(&b, 3);
    check_content(&b, "cde");
    buf_consume(&b, 3);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
}

static void check_zero(const uint8_t *data, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        assert_int_equal(data[i], 0);
    }
}

/* What can be seen from outside: bytes beyond the content of a sensitive buffer are gone. */
static void test_sensitive_is_wiped(void **state) {
    (void)state;
    struct buf b;
    buf_init_sensitive(&b, 1000);
    assert_int_equal(buf_append_str(&b, "0123456789", NULL), EDGE_OK);
    buf_consume(&b, 4);
    check_content(&b, "456789");
    check_zero(b.data, 6, 10);
    buf_truncate(&b, 2);
    check_zero(b.data, 2, 10);
    buf_reset(&b);
    check_zero(b.data, 0, 10);
    buf_clear(&b);
    assert_true(b.sensitive);
    assert_int_equal(b.max, 1000);
}

static struct buf *watched;
static size_t wiped_cnt;

void __real_free(void *ptr);
void __wrap_free(void *ptr);

void __wrap_free(void *ptr) {
    if (ptr != NULL && watched != NULL && ptr == watched->data) {
        check_zero(ptr, 0, watched->cap);
        wiped_cnt++;
    }
    __real_free(ptr);
}

/* Memory that a sensitive buffer gives back is zero at that moment. */
static void test_sensitive_is_wiped_before_free(void **state) {
    (void)state;
    struct buf b;
    buf_init_sensitive(&b, 4096);
    watched = &b;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf_append_byte(&b, 's', NULL), EDGE_OK);
    }
    assert_int_equal(wiped_cnt, 4);
    buf_clear(&b);
    watched = NULL;
    assert_int_equal(wiped_cnt, 5);
}

static void test_unformattable(void **state) {
    (void)state;
    struct buf b;
    struct edge_error err = {0};
    buf_init(&b, 100);
    /* A wide character that the C locale cannot write. */
    assert_int_equal(buf_printf(&b, &err, "%lc", (wint_t)0x20AC), EDGE_INTERNAL);
    assert_int_equal(err.code, EDGE_INTERNAL);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
}

static enum edge_code fill(void *data) {
    struct edge_error err = {0};
    struct buf b;
    if (data != NULL) {
        buf_init_sensitive(&b, 300);
    } else {
        buf_init(&b, 300);
    }
    enum edge_code code = buf_append_str(&b, "0123456789", &err);
    for (size_t i = 1; i < 6 && code == EDGE_OK; i++) {
        code = buf_printf(&b, &err, "%050zu", i);
        if (code != EDGE_OK) {
            /* As it was. */
            assert_int_equal(b.len, 10 + 50 * (i - 1));
            assert_memory_equal(b.data, "0123456789", 10);
        }
    }
    assert_true(code == EDGE_OK || (code == EDGE_NOMEM && err.code == EDGE_NOMEM));
    if (code == EDGE_OK && buf_cstr(&b) == NULL) {
        code = EDGE_NOMEM;
    }
    buf_clear(&b);
    return code;
}

static enum edge_code terminate(void *data) {
    (void)data;
    struct buf b;
    buf_init(&b, 64);
    enum edge_code code = buf_printf(&b, NULL, "%063d", 1);
    if (code == EDGE_OK) {
        code = buf_append_byte(&b, 'x', NULL);
    }
    if (code == EDGE_OK) {
        code = buf_cstr(&b) != NULL ? EDGE_OK : EDGE_NOMEM;
    }
    buf_clear(&b);
    return code;
}

/* The content fits, its terminator needs more memory. */
static enum edge_code print_exactly(void *data) {
    (void)data;
    struct buf b;
    buf_init(&b, 1000);
    enum edge_code code = buf_printf(&b, NULL, "%064d", 1);
    assert_int_equal(b.len, code == EDGE_OK ? 64 : 0);
    buf_clear(&b);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    int sensitive = 1;
    assert_int_equal(alloc_fail_torture(fill, NULL), 4);
    assert_int_equal(alloc_fail_torture(fill, &sensitive), 4);
    assert_int_equal(alloc_fail_torture(terminate, NULL), 2);
    assert_int_equal(alloc_fail_torture(print_exactly, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_growth_keeps_content),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_consume_and_truncate),
        cmocka_unit_test(test_sensitive_is_wiped),
        cmocka_unit_test(test_sensitive_is_wiped_before_free),
        cmocka_unit_test(test_unformattable),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
