/* SPDX-License-Identifier: MIT */
/*
 * Answer headers that are kept.
 */
#include "loop/http_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void take(struct http_fields *f, const char *line) {
    http_fields_take(f, slice_str(line));
}

static void test_values(void **state) {
    (void)state;
    struct http_fields f = {0};
    take(&f, "HTTP/1.1 200 OK");
    take(&f, "Retry-After:7");
    take(&f, "CONTENT-TYPE: \t application/json; charset=utf-8 \t");
    take(&f, "date: Sun, 06 Nov 1994 08:49:37 GMT");
    take(&f, "X-Date: no");
    take(&f, "");
    take(&f, ":");
    assert_true(slice_eq_str(http_field_slice(&f.retry_after), "7"));
    assert_true(slice_eq_str(http_field_slice(&f.content_type), "application/json; charset=utf-8"));
    assert_true(slice_eq_str(http_field_slice(&f.date), "Sun, 06 Nov 1994 08:49:37 GMT"));
    take(&f, "Retry-After: 8");
    assert_true(slice_eq_str(http_field_slice(&f.retry_after), "8"));
    take(&f, "Retry-After:");
    assert_int_equal(http_field_slice(&f.retry_after).len, 0);
    http_fields_reset(&f);
    assert_int_equal(http_field_slice(&f.date).len, 0);
    assert_int_equal(http_field_slice(&f.content_type).len, 0);
}

static void test_length_limit(void **state) {
    (void)state;
    struct http_fields f = {0};
    char line[6 + HTTP_FIELDS_VALUE_MAX + 2];
    memcpy(line, "Date: ", 6);
    memset(line + 6, 'x', HTTP_FIELDS_VALUE_MAX + 1);
    http_fields_take(&f, slice_make(line, 6 + HTTP_FIELDS_VALUE_MAX));
    assert_int_equal(f.date.len, HTTP_FIELDS_VALUE_MAX);
    http_fields_take(&f, slice_make(line, 6 + HTTP_FIELDS_VALUE_MAX + 1));
    assert_int_equal(f.date.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_length_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
