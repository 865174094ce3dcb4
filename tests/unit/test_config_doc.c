/* SPDX-License-Identifier: MIT */
/* Access by dotted path, and where findings are placed. */
#include "config/config_doc.h"
#include "config/config_yaml.h"

#include "test_config_expect.h"

static struct config_doc doc_of(const char *text, struct config_report *report) {
    struct config_doc doc = {.report = report};
    enum edge_code code = config_yaml_parse(slice_str(text), &doc.tree, report, NULL);
    assert_int_equal(code, EDGE_OK);
    return doc;
}

static void test_find(void **state) {
    (void)state;
    struct config_report report = {0};
    struct config_doc doc = doc_of("a: {b: {c: 1}}\nd: x\n", &report);
    assert_ptr_equal(config_doc_find(&doc, ""), doc.tree->root);
    assert_int_equal(config_doc_find(&doc, "a.b.c")->number, 1);
    assert_int_equal(config_doc_find(&doc, "a.b")->kind, CONFIG_MAP);
    assert_null(config_doc_find(&doc, "a.b.d"));
    assert_null(config_doc_find(&doc, "d.e"));
    assert_null(config_doc_find(&doc, "x.y.z"));
    config_tree_free(doc.tree);
}

static void test_values_and_defaults(void **state) {
    (void)state;
    struct config_report report = {0};
    struct config_doc doc =
        doc_of("hostname: h\nhomedir: 5\nhsm: {derived_key_ttl: 7, backend: x}\n"
               "tpm: {allow_emulator: true, tcti: ~, pcrs: [1, x, 3, 99]}\n",
               &report);
    assert_true(slice_eq_str(config_doc_text(&doc, "hostname"), "h"));
    assert_true(slice_eq_str(config_doc_text(&doc, "homedir"), "/var/lib/iotedge"));
    assert_true(slice_eq_str(config_doc_text(&doc, "hsm.backend"), "tpm"));
    assert_true(slice_eq_str(config_doc_text(&doc, "tpm.tcti"), "device:/dev/tpmrm0"));
    assert_null(config_doc_text(&doc, "tpm.owner_auth_file").ptr);
    assert_int_equal(config_doc_uint(&doc, "hsm.derived_key_ttl"), 7);
    assert_int_equal(config_doc_uint(&doc, "certificates.auto_generated_ca_lifetime_days"), 90);
    assert_true(config_doc_bool(&doc, "tpm.allow_emulator"));
    assert_true(config_doc_bool(&doc, "allow_elevated_docker_permissions"));
    assert_false(config_doc_bool(&doc, "provisioning.dynamic_reprovisioning"));
    assert_int_equal(config_doc_numbers(&doc, "tpm.pcrs"), 1 << 1 | 1 << 3);
    assert_null(config_doc_get(&doc, "homedir"));
    assert_null(config_doc_get(&doc, "tpm.tcti"));
    assert_non_null(config_doc_get(&doc, "hostname"));
    config_tree_free(doc.tree);
}

static void test_place_of_findings(void **state) {
    (void)state;
    struct config_report report = {0};
    struct config_doc doc = doc_of("tpm:\n  tcti: x\n", &report);
    config_doc_problem(&doc, CONFIG_ERROR, "tpm.tcti", "n%d", 1);
    config_doc_problem(&doc, CONFIG_WARNING, "tpm.owner_auth_file", "n%d", 2);
    config_doc_problem(&doc, CONFIG_ERROR, "a.b.c", "n%d", 3);
    assert_int_equal(report.items[0].line, 2);
    assert_int_equal(report.items[0].column, 9);
    assert_string_equal(report.items[0].text, "n1");
    assert_int_equal(report.items[1].line, 1);
    assert_int_equal(report.items[1].column, 1);
    assert_string_equal(report.items[1].key, "tpm.owner_auth_file");
    assert_int_equal(report.items[2].line, 0);
    assert_string_equal(report.items[2].key, "a.b.c");
    config_report_clear(&report);
    config_tree_free(doc.tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_values_and_defaults),
        cmocka_unit_test(test_place_of_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
