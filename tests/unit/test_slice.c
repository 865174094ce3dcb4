/* SPDX-License-Identifier: MIT */
#include "base/slice.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_compare(void **state) {
    (void)state;
    struct slice empty = slice_make(NULL, 0);
    assert_true(slice_eq(empty, slice_str("")));
    assert_true(slice_eq(empty, slice_str(NULL)));
    assert_true(slice_eq(slice_make("a\0b", 3), slice_make("a\0b", 3)));
    assert_false(slice_eq(slice_make("a\0b", 3), slice_make("a\0c", 3)));
    assert_false(slice_eq(slice_str("ab"), slice_str("abc")));
    assert_true(slice_eq_str(SLICE_LIT("abc"), "abc"));
    assert_false(slice_eq_str(SLICE_LIT("abc"), "ABC"));
    assert_true(slice_eq_nocase(SLICE_LIT("aBc-1"), "AbC-1"));
    assert_false(slice_eq_nocase(SLICE_LIT("abc"), "abd"));
    assert_false(slice_eq_nocase(SLICE_LIT("abc"), "ab"));
    /* '[' and '{' differ in the case bit only, but are no letters. */
    assert_false(slice_eq_nocase(SLICE_LIT("["), "{"));
    assert_false(slice_eq_nocase(SLICE_LIT("@"), "`"));
    assert_int_equal(slice_lower('Z'), 'z');
}

static void test_ends(void **state) {
    (void)state;
    struct slice s = SLICE_LIT("module.log");
    struct slice empty = slice_make(NULL, 0);
    assert_true(slice_starts_with(s, "module"));
    assert_true(slice_starts_with(s, ""));
    assert_false(slice_starts_with(s, "module.log.1"));
    assert_false(slice_starts_with(s, "nodule"));
    assert_true(slice_ends_with(s, ".log"));
    assert_true(slice_ends_with(s, ""));
    assert_false(slice_ends_with(s, ".lag"));
    assert_false(slice_ends_with(s, "a module.log"));
    assert_true(slice_starts_with(empty, ""));
    assert_true(slice_ends_with(empty, ""));
    assert_false(slice_ends_with(empty, "a"));
}

static void test_trim_find_cut(void **state) {
    (void)state;
    assert_true(slice_eq_str(slice_trim(SLICE_LIT(" \t a b\t ")), "a b"));
    assert_int_equal(slice_trim(SLICE_LIT(" \t ")).len, 0);
    assert_int_equal(slice_trim(slice_make(NULL, 0)).len, 0);
    assert_true(slice_eq_str(slice_trim(SLICE_LIT("\na")), "\na"));
    assert_int_equal(slice_find(SLICE_LIT("abcb"), 'b'), 1);
    assert_int_equal(slice_find(SLICE_LIT("abc"), 'x'), -1);
    assert_int_equal(slice_find(slice_make(NULL, 0), 'x'), -1);

    struct slice head = SLICE_LIT("untouched");
    struct slice rest = SLICE_LIT("k=v=w");
    assert_true(slice_cut(rest, '=', &head, &rest));
    assert_true(slice_eq_str(head, "k"));
    assert_true(slice_eq_str(rest, "v=w"));
    assert_true(slice_cut(rest, '=', &head, &rest));
    assert_true(slice_eq_str(rest, "w"));
    assert_false(slice_cut(rest, '=', &head, &rest));
    assert_true(slice_eq_str(head, "v"));
    assert_true(slice_eq_str(rest, "w"));
    assert_true(slice_cut(SLICE_LIT("="), '=', &head, &rest));
    assert_int_equal(head.len, 0);
    assert_int_equal(rest.len, 0);
}

static void test_numbers(void **state) {
    (void)state;
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1a", "0x1", "--1", "1.0"};
    uint64_t u = 77;
    int64_t i = 77;
    for (size_t n = 0; n < EDGE_ARRAY_LEN(bad); n++) {
        assert_false(slice_parse_u64(slice_str(bad[n]), UINT64_MAX, &u));
        assert_false(slice_parse_i64(slice_str(bad[n]), &i));
    }
    assert_false(slice_parse_u64(SLICE_LIT("-1"), UINT64_MAX, &u));
    assert_false(slice_parse_u64(SLICE_LIT("18446744073709551616"), UINT64_MAX, &u));
    assert_false(slice_parse_u64(SLICE_LIT("99999999999999999999"), UINT64_MAX, &u));
    assert_false(slice_parse_u64(SLICE_LIT("11"), 10, &u));
    assert_false(slice_parse_i64(SLICE_LIT("9223372036854775808"), &i));
    assert_false(slice_parse_i64(SLICE_LIT("-9223372036854775809"), &i));
    assert_int_equal(u, 77);
    assert_int_equal(i, 77);

    assert_true(slice_parse_u64(SLICE_LIT("18446744073709551615"), UINT64_MAX, &u));
    assert_true(u == UINT64_MAX);
    assert_true(slice_parse_u64(SLICE_LIT("0010"), 10, &u));
    assert_int_equal(u, 10);
    assert_true(slice_parse_i64(SLICE_LIT("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(slice_parse_i64(SLICE_LIT("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_true(slice_parse_i64(SLICE_LIT("-0"), &i));
    assert_int_equal(i, 0);
}

static void test_addresses(void **state) {
    static const struct {
        const char *text;
        size_t len; /* 0: none */
    } rows[] = {
        {"10.0.0.1", 4},
        {"255.255.255.255", 4},
        {"::1", 16},
        {"2001:db8::1", 16},
        {"::ffff:1.2.3.4", 16},
        {"1.2.3", 0},
        {"1.2.3.256", 0},
        {"01.2.3.4", 0},
        {"1.2.3.4 ", 0},
        {"0x7f.1", 0},
        {"fe80::1%eth0", 0},
        {"[::1]", 0},
        {"::g", 0},
        {"", 0},
        {"host", 0},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        uint8_t ip[SLICE_IP_MAX];
        size_t len = 0;
        assert_int_equal(slice_parse_ip(slice_str(rows[i].text), ip, &len), rows[i].len > 0);
        assert_int_equal(len, rows[i].len);
    }
    uint8_t ip[SLICE_IP_MAX];
    size_t len;
    assert_false(slice_parse_ip(slice_make("1.2.3.4\0", 8), ip, &len));
    assert_true(slice_parse_ip(SLICE_LIT("1.2.3.4"), ip, &len));
    assert_memory_equal(ip, "\1\2\3\4", 4);
}

static void test_utf8(void **state) {
    (void)state;
    static const char *const good[] = {
        "a",
        "\x7F",
        "\xC2\x80",
        "\xDF\xBF",
        "\xE0\xA0\x80",
        "\xED\x9F\xBF",
        "\xEE\x80\x80",
        "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80",
        "\xF4\x8F\xBF\xBF",
    };
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC2",
        "\xC2\x41",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xE2\x82",
        "\xE2\x82\x41",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xFF",
        "\xF0\x9F\x94",
        "\xF0\x9F\x94\x41",
        "\xC2\xC2",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        assert_int_equal(slice_utf8_char(slice_str(good[i])), strlen(good[i]));
        assert_true(slice_is_utf8_text(slice_str(good[i])));
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(slice_utf8_char(slice_str(bad[i])), 0);
        assert_false(slice_is_utf8_text(slice_str(bad[i])));
    }
    assert_int_equal(slice_utf8_char(slice_make(NULL, 0)), 0);
    assert_true(slice_is_utf8_text(slice_make(NULL, 0)));
    assert_true(slice_is_utf8_text(SLICE_LIT("a\xC3\xA4z")));
    assert_false(slice_is_utf8_text(slice_make("a\0b", 3)));
    assert_true(slice_is_plain_text(slice_make(NULL, 0)));
    assert_true(slice_is_plain_text(SLICE_LIT("a \xC3\xA4z~")));
    assert_false(slice_is_plain_text(slice_make("a\0b", 3)));
    assert_false(slice_is_plain_text(SLICE_LIT("a\tb")));
    assert_false(slice_is_plain_text(SLICE_LIT("a\x7f")));
    assert_false(slice_is_plain_text(SLICE_LIT("a\xC3")));
}

static void test_copies(void **state) {
    (void)state;
    char *copy = slice_dup(slice_make("abcdef", 3));
    assert_string_equal(copy, "abc");
    free(copy);
    copy = slice_dup(slice_make(NULL, 0));
    assert_string_equal(copy, "");
    free(copy);
    assert_null(slice_dup(slice_make("a\0b", 3)));
    alloc_fail_arm(1);
    assert_null(slice_dup(SLICE_LIT("abc")));
    assert_true(alloc_fail_disarm());

    char array[4] = "old";
    assert_false(slice_to_array(SLICE_LIT("abcd"), array, sizeof(array)));
    assert_false(slice_to_array(slice_make("a\0b", 3), array, sizeof(array)));
    assert_false(slice_to_array(slice_make(NULL, 0), array, 0));
    assert_string_equal(array, "old");
    assert_true(slice_to_array(SLICE_LIT("abc"), array, sizeof(array)));
    assert_string_equal(array, "abc");
    assert_true(slice_to_array(slice_make(NULL, 0), array, sizeof(array)));
    assert_string_equal(array, "");
}

static void test_printf_argument(void **state) {
    (void)state;
    char long_text[300];
    memset(long_text, 'x', sizeof(long_text));
    struct slice s = slice_make(long_text, sizeof(long_text));
    struct edge_error err = {0};
    edge_set(&err, EDGE_IO, "%.*s", SLICE_ARG(s));
    assert_int_equal(strlen(err.text), 128);
    struct slice none = slice_make(NULL, 0);
    edge_set(&err, EDGE_IO, "[%.*s]", SLICE_ARG(none));
    assert_string_equal(err.text, "[]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),       cmocka_unit_test(test_ends),
        cmocka_unit_test(test_trim_find_cut), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_copies),        cmocka_unit_test(test_printf_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
