/* SPDX-License-Identifier: MIT */
/* Parts of the document as JSON. */
#include "config/config_json.h"
#include "config/config_yaml.h"

#include "support/alloc_fail.h"
#include "test_config_expect.h"

#include <stdio.h>
#include <string.h>

struct got {
    struct config_report report;
    struct buf text;
};

static struct got convert(const char *yaml, size_t max) {
    struct got g = {.report = {0}};
    struct config_doc doc = {.report = &g.report};
    buf_init_sensitive(&g.text, max);
    assert_int_equal(config_yaml_parse(slice_str(yaml), &doc.tree, &g.report, NULL), EDGE_OK);
    config_json_object(&doc, "x", config_doc_find(&doc, "x"), &g.text);
    config_tree_free(doc.tree);
    return g;
}

static void expect_json(const char *yaml, const char *json) {
    struct got g = convert(yaml, 4096);
    assert_int_equal(g.report.cnt, 0);
    assert_string_equal(buf_cstr(&g.text), json);
    buf_clear(&g.text);
}

static void expect_refused(const char *yaml, size_t max, unsigned column, const char *part) {
    struct got g = convert(yaml, max);
    assert_int_equal(g.report.error_cnt, 1);
    assert_string_equal(g.report.items[0].key, "x");
    assert_int_equal(g.report.items[0].column, column);
    assert_non_null(strstr(g.report.items[0].text, part));
    assert_int_equal(g.text.len, 0);
    buf_clear(&g.text);
    config_report_clear(&g.report);
}

static void test_mappings(void **state) {
    (void)state;
    expect_json("y: 1", "{}");
    expect_json("x: ~", "{}");
    expect_json("x: {}", "{}");
    expect_json("x: {b: [1, -2, true, ~, {c: ''}], A: \"t\\n\\\"\\u00e9\", no: 'yes'}",
                "{\"b\":[1,-2,true,null,{\"c\":\"\"}],\"A\":\"t\\n\\\"\xc3\xa9\",\"no\":\"yes\"}");
    expect_json("x: {a: 9223372036854775807, b: -0.5, c: 1.5e3}",
                "{\"a\":9223372036854775807,\"b\":-0.5,\"c\":1500}");
    expect_json("y: &y {k: v}\nx: {a: *y, b: *y}", "{\"a\":{\"k\":\"v\"},\"b\":{\"k\":\"v\"}}");
}

static void test_text(void **state) {
    (void)state;
    expect_json("x: ''", "{}");
    expect_json("x: ' { \"a\" : [ 1 ] } '", "{\"a\":[1]}");
    expect_refused("x: 'no'", 4096, 4, "no JSON object");
    expect_refused("x: '[1]'", 4096, 4, "no JSON object;");
    expect_refused("x: '{\"a\":1,}'", 4096, 4, "reading JSON at byte 7 of 8: malformed");
}

static void test_what_json_cannot_say(void **state) {
    (void)state;
    expect_refused("x: {a: .inf}", 4096, 8, "number that JSON cannot say");
    expect_refused("x: {a: [.5]}", 4096, 9, "number that JSON cannot say");
    expect_refused("x: {a: \"\\0\"}", 4096, 8, "NUL byte");
    expect_refused("x: {\"\\0\": a}", 4096, 11, "NUL byte");
    expect_refused("x: {a: bcdefgh}", 8, 4, "too large");
}

static void test_many_values_as_text(void **state) {
    (void)state;
    static char text[3 * CONFIG_JSON_NODES_MAX];
    size_t len = (size_t)snprintf(text, sizeof(text), "x: '{\"a\":[");
    for (unsigned i = 0; i < CONFIG_JSON_NODES_MAX; i++) {
        memcpy(text + len, "1,", 2);
        len += 2;
    }
    (void)snprintf(text + len - 1, sizeof(text) - len, "]}'");
    expect_refused(text, 1 << 20, 4, "too large");
}

static enum edge_code convert_once(void *data) {
    struct got g = {.report = {0}};
    struct config_doc doc = {.report = &g.report};
    (void)data;
    buf_init_sensitive(&g.text, 4096);
    enum edge_code code = config_yaml_parse(slice_str("x: {a: [1, 0.5]}\ny: '{\"a\": 1}'"),
                                            &doc.tree, &g.report, NULL);
    if (code == EDGE_OK) {
        config_json_object(&doc, "x", config_doc_find(&doc, "x"), &g.text);
        config_json_object(&doc, "y", config_doc_find(&doc, "y"), &g.text);
        code = g.report.nomem ? EDGE_NOMEM : EDGE_OK;
        assert_int_equal(g.report.error_cnt, 0);
    }
    config_tree_free(doc.tree);
    config_report_clear(&g.report);
    buf_clear(&g.text);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(convert_once, NULL) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_what_json_cannot_say),
        cmocka_unit_test(test_many_values_as_text),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
