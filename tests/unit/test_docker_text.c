/* SPDX-License-Identifier: MIT */
#include "runtime/docker_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_clean(void **state) {
    static const struct {
        struct slice text;
        const char *clean;
    } rows[] = {
        {SLICE_LIT("plain"), "plain"},
        {SLICE_LIT("a\x1b[31m\r\n"), "a [31m"},
        {SLICE_LIT("a\0b"), "a b"},
        {SLICE_LIT("a\xc2\x9b"
                   "3m\xc2\xa7"),
         "a  3m\xc2\xa7"},
        {SLICE_LIT("\xff\xc3"), "??"},
        {SLICE_LIT("\xc3\xa4rger"), "\xc3\xa4rger"},
        {SLICE_LIT("1234567\xc3\xa4"), "1234567\xc3\xa4"},
        {SLICE_LIT("12345678\xc3\xa4"), "12345678"}, /* not half a character */
        {SLICE_LIT("1234567890"), "123456789"},
        {SLICE_LIT(" \t"), ""},
        {{0}, ""},
    };
    char text[10];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        docker_text_clean(rows[i].text, text, sizeof(text));
        assert_string_equal(text, rows[i].clean);
    }
    docker_text_clean(SLICE_LIT("x"), text, 1);
    assert_string_equal(text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clean)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
