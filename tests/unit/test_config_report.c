/* SPDX-License-Identifier: MIT */
/* Order, limits and the harmlessness of findings. */
#include "config/config_report.h"

#include "test_config_expect.h"

#include <string.h>

static void test_format(void **state) {
    (void)state;
    char out[512];
    struct config_problem p = {.line = 3, .column = 7, .key = "a.b", .text = "is wrong"};
    config_problem_format("/etc/x.yaml", &p, out, sizeof(out));
    assert_string_equal(out, "/etc/x.yaml:3:7: a.b: is wrong");
    p.line = 0;
    config_problem_format("x.yaml", &p, out, sizeof(out));
    assert_string_equal(out, "x.yaml: a.b: is wrong");
    p.key[0] = '\0';
    config_problem_format("x.yaml", &p, out, sizeof(out));
    assert_string_equal(out, "x.yaml: is wrong");
    config_problem_format("x.yaml", &p, out, 5);
    assert_string_equal(out, "x.ya");
}

static void test_order(void **state) {
    (void)state;
    struct config_report r = {0};
    config_report_add(&r, CONFIG_ERROR, 9, 1, "z", "late");
    config_report_add(&r, CONFIG_WARNING, 2, 5, "b", "second");
    config_report_add(&r, CONFIG_ERROR, 2, 3, "c", "first");
    config_report_add(&r, CONFIG_ERROR, 2, 5, "a", "x");
    config_report_add(&r, CONFIG_ERROR, 2, 5, "a", "w");
    config_report_add(&r, CONFIG_ERROR, 0, 0, "", "whole");
    config_report_sort(&r);
    static const char *const order[] = {"whole", "first", "w", "x", "second", "late"};
    assert_int_equal(r.cnt, 6);
    assert_int_equal(r.error_cnt, 5);
    assert_int_equal(r.warning_cnt, 1);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(r.items[i].text, order[i]);
    }
    config_report_clear(&r);
    assert_null(r.items);
    config_report_clear(&r);
    config_report_clear(NULL);
}

static void test_sort_of_nothing(void **state) {
    (void)state;
    struct config_report r = {0};
    config_report_sort(&r);
    assert_int_equal(r.cnt, 0);
}

static void test_cap_keeps_counting(void **state) {
    (void)state;
    struct config_report r = {0};
    for (unsigned i = 1; i <= CONFIG_PROBLEMS_MAX + 20; i++) {
        config_report_add(&r, CONFIG_ERROR, i, 1, "k", "number %u", i);
    }
    assert_int_equal(r.cnt, CONFIG_PROBLEMS_MAX);
    assert_int_equal(r.error_cnt, CONFIG_PROBLEMS_MAX + 20);
    assert_int_equal(r.items[CONFIG_PROBLEMS_MAX - 1].line, CONFIG_PROBLEMS_MAX);
    assert_string_equal(r.items[8].text, "number 9");
    config_report_clear(&r);
}

static void test_text_is_made_printable(void **state) {
    (void)state;
    struct config_report r = {0};
    config_report_add(&r, CONFIG_ERROR, 1, 1, "k\ny",
                      "a\x1B[31mb\x7F \xC3\xA4 \xFF \xE2\x82 \xF0\x9F\x99\x82");
    assert_string_equal(r.items[0].key, "k?y");
    assert_string_equal(r.items[0].text, "a?[31mb? \xC3\xA4 ? ?? \xF0\x9F\x99\x82");
    config_report_clear(&r);
}

static void test_long_text_is_cut_between_characters(void **state) {
    (void)state;
    struct config_report r = {0};
    char text[600];
    memset(text, 'a', sizeof(text));
    memcpy(text + 238, "\xC3\xA4", 2);
    text[599] = '\0';
    config_report_add(&r, CONFIG_ERROR, 1, 1, text, "%s", text);
    assert_int_equal(strlen(r.items[0].key), sizeof(r.items[0].key) - 1);
    assert_int_equal(strlen(r.items[0].text), 239);
    assert_int_equal(r.items[0].text[238], '?');
    config_report_clear(&r);
}

static void test_quote(void **state) {
    (void)state;
    char out[CONFIG_QUOTE_MAX];
    assert_string_equal(config_report_quote(SLICE_LIT("tpm2-x_y.z"), out), "'tpm2-x_y.z'");
    assert_string_equal(config_report_quote(SLICE_LIT(""), out), "this value");
    assert_string_equal(config_report_quote(SLICE_LIT("a b"), out), "this value");
    assert_string_equal(config_report_quote(SLICE_LIT("c2VjcmV0=="), out), "this value");
    assert_string_equal(config_report_quote(slice_make("a\0b", 3), out), "this value");
    assert_string_equal(config_report_quote(SLICE_LIT("abcdefghijklmnopqrstuvwxyz012345"), out),
                        "'abcdefghijklmnopqrstuvwxyz012345'");
    assert_string_equal(config_report_quote(SLICE_LIT("abcdefghijklmnopqrstuvwxyz0123456"), out),
                        "this value");
}

static const char *path_of(const char *parent, struct slice name) {
    static char out[128];
    config_report_path(out, sizeof(out), parent, name);
    return out;
}

static void test_path(void **state) {
    (void)state;
    assert_string_equal(path_of("", SLICE_LIT("a")), "a");
    assert_string_equal(path_of("a.b", SLICE_LIT("c_D-1")), "a.b.c_D-1");
    assert_string_equal(path_of("a", SLICE_LIT("")), "a.");
    assert_string_equal(path_of("", slice_make(NULL, 0)), "");
    assert_string_equal(path_of("a", SLICE_LIT("HostName=h;SharedAccessKey=k")), "a.HostName...");
    assert_string_equal(path_of("a", SLICE_LIT("x y")), "a.x...");
    assert_string_equal(path_of("a", slice_make("x\0y", 3)), "a.x...");
    assert_string_equal(path_of("", SLICE_LIT("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=")),
                        "QUJDREVG...");
    assert_string_equal(path_of("", SLICE_LIT("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY")),
                        "QUJDREVG...");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_sort_of_nothing),
        cmocka_unit_test(test_cap_keeps_counting),
        cmocka_unit_test(test_text_is_made_printable),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
