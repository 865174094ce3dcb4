/* SPDX-License-Identifier: MIT */
/* Taking single values: default, rule, second opinion, copy, and what a parser said. */
#include "config/config_take.h"

#include "config/config_yaml.h"

#include "support/alloc_fail.h"
#include "test_config_expect.h"

#include <stdlib.h>
#include <string.h>

static struct config_report report;

static struct config_doc document(const char *text) {
    struct config_doc doc = {.report = &report};
    report = (struct config_report){0};
    assert_int_equal(config_yaml_parse(slice_str(text), &doc.tree, &report, NULL), EDGE_OK);
    return doc;
}

static void done(struct config_doc *doc) {
    config_tree_free(doc->tree);
    config_report_clear(&report);
}

static const char *no_x(struct slice value) {
    return slice_find(value, 'x') >= 0 ? "has an x" : NULL;
}

static const char *no_y(struct slice value) {
    return slice_find(value, 'y') >= 0 ? "has a y" : NULL;
}

static void test_value(void **state) {
    (void)state;
    struct config_doc doc = document("hostname: a\n");
    struct slice value;
    assert_true(config_take_value(&doc, "hostname", &value));
    assert_true(slice_eq_str(value, "a"));
    assert_true(config_take_value(&doc, "homedir", &value));
    assert_true(slice_eq_str(value, "/var/lib/iotedge"));
    assert_false(config_take_value(&doc, "provisioning.scope_id", &value));
    done(&doc);
}

static void test_text(void **state) {
    (void)state;
    struct config_doc doc = document("hostname: ay\nhomedir: ax\n");
    char *text = NULL;
    config_take_text(&doc, "hostname", no_x, no_y, &text);
    assert_string_equal(text, "ay");
    assert_int_equal(report.warning_cnt, 1);
    assert_string_equal(report.items[0].text, "has a y");
    config_take_text(&doc, "hostname", no_x, NULL, &text);
    assert_int_equal(report.cnt, 1);
    config_take_text(&doc, "homedir", no_x, no_y, &text);
    assert_string_equal(text, "ay");
    assert_int_equal(report.error_cnt, 1);
    assert_string_equal(report.items[1].key, "homedir");
    assert_string_equal(report.items[1].text, "has an x");
    config_take_text(&doc, "provisioning.scope_id", no_x, no_y, &text);
    assert_int_equal(report.cnt, 2);
    free(text);
    done(&doc);
}

static void test_copy(void **state) {
    (void)state;
    struct config_doc doc = document("{}\n");
    char *text = NULL;
    config_take_copy(&doc, SLICE_LIT("a"), &text);
    config_take_copy(&doc, SLICE_LIT("b"), &text);
    assert_string_equal(text, "b");
    assert_false(report.nomem);
    alloc_fail_arm(1);
    config_take_copy(&doc, SLICE_LIT("c"), &text);
    assert_true(alloc_fail_disarm());
    assert_null(text);
    assert_true(report.nomem);
    done(&doc);
}

static void test_result(void **state) {
    (void)state;
    struct config_doc doc = document("hostname: a\n");
    struct edge_error err = {.code = EDGE_CONFIG, .text = "is wrong"};
    config_take_result(&doc, "hostname", EDGE_OK, &err);
    assert_int_equal(report.cnt, 0);
    config_take_result(&doc, "hostname", EDGE_CONFIG, &err);
    assert_int_equal(report.error_cnt, 1);
    assert_string_equal(report.items[0].text, "is wrong");
    assert_false(report.nomem);
    config_take_result(&doc, "hostname", EDGE_NOMEM, &err);
    assert_true(report.nomem);
    assert_int_equal(report.cnt, 1);
    done(&doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
