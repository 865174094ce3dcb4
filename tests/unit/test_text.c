/* SPDX-License-Identifier: MIT */
#include "cloud/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_host_port(void **state) {
    (void)state;
    static const char *const good[] = {
        "h", "hub.azure-devices.net", "127.0.0.1:8443", "a-b.c:1", "x:65535", "my_hub.local"};
    static const char *const bad[] = {
        "",      ".",   "a.",  ".a",  "a..b", "-a",   "a-",  "a-.b",  "a:",       "a:0", "a:65536",
        "a:1:2", "a/b", "a b", "a@b", "a\nb", "a:-1", "a?b", "[::1]", "\xc3\xa4", "a%41"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        assert_true(text_is_host_port(slice_str(good[i])));
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_false(text_is_host_port(slice_str(bad[i])));
    }
    assert_false(text_is_host_port(slice_make("a\0b", 3)));
    char text[300];
    memset(text, 'a', sizeof(text));
    assert_true(text_is_host_port(slice_make(text, 63)));
    assert_false(text_is_host_port(slice_make(text, 64)));
    for (size_t i = 60; i < sizeof(text); i += 60) {
        text[i] = '.';
    }
    assert_true(text_is_host_port(slice_make(text, TEXT_HOST_MAX)));
    assert_false(text_is_host_port(slice_make(text, TEXT_HOST_MAX + 1)));
}

static void test_id(void **state) {
    (void)state;
    assert_true(text_is_id(slice_str("$edgeAgent")));
    assert_true(text_is_id(slice_str("a-.+%_#*?!(),:=@$'Z9")));
    assert_true(text_is_id(slice_str("..a")));
    static const char *const bad[] = {"",     ".",   "..",  "a b",  "a/b",     "a\\b",
                                      "a\"b", "a&b", "a<b", "\x7f", "\xc3\xa4"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_false(text_is_id(slice_str(bad[i])));
    }
    assert_false(text_is_id(slice_make("a\0", 2)));
    char text[TEXT_ID_MAX + 1];
    memset(text, 'a', sizeof(text));
    assert_true(text_is_id(slice_make(text, TEXT_ID_MAX)));
    assert_false(text_is_id(slice_make(text, TEXT_ID_MAX + 1)));
}

static void test_token(void **state) {
    (void)state;
    assert_true(
        text_is_token(slice_str("4.dd5e9d546d057f12.8a2a1010-281f-4ac1-a29f-591800934ecc"), 63));
    assert_false(text_is_token(slice_str("abc"), 2));
    assert_false(text_is_token(slice_str(""), 2));
    assert_false(text_is_token(slice_str(".."), 9));
    assert_false(text_is_token(slice_str("a/b"), 9));
    assert_false(text_is_token(slice_str("a?b"), 9));
}

static void assert_clean(const char *text, size_t size, const char *expected) {
    char out[64];
    memset(out, 'X', sizeof(out));
    text_clean(slice_str(text), out, size);
    assert_string_equal(out, expected);
}

static void test_clean(void **state) {
    (void)state;
    assert_clean("plain text", 64, "plain text");
    assert_clean("  a\r\n\t b \x1b[31m c  ", 64, "a b [31m c");
    assert_clean("it's", 64, "it`s");
    assert_clean("\xc3\xa4", 64, "??");
    assert_clean("abcdef", 4, "abc");
    assert_clean("abc def", 5, "abc ");
    assert_clean("abc def", 4, "abc");
    assert_clean("", 64, "");
    assert_clean("abc", 1, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_port),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
