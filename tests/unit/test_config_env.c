/* SPDX-License-Identifier: MIT */
/* The environment layer. */
#include "test_config_expect.h"

#include "support/tmpdir.h"

#include <stdlib.h>
#include <string.h>

static struct outcome load(struct tmpdir *dir, const char *text) {
    struct outcome o = {0};
    tmpdir_write(dir, "config.yaml", text, strlen(text), 0600);
    o.code = config_load(tmpdir_join(dir, "config.yaml"), &o.cfg, &o.report, &o.err);
    return o;
}

static void clean_environment(void) {
    static const char *const names[] = {"IOTEDGE_HOSTNAME",
                                        "iotedge_Hostname",
                                        "IOTEDGE_HOMEDIR",
                                        "IOTEDGE_PROVISIONING",
                                        "IOTEDGE_MOBY_RUNTIME.URI",
                                        "IOTEDGE_LOG",
                                        "IOTEDGE_HOST",
                                        "IOTEDGE_TPM",
                                        "IOTEDGE_ALLOW_ELEVATED_DOCKER_PERMISSIONS"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        assert_int_equal(unsetenv(names[i]), 0);
    }
}

static int setup(void **state) {
    clean_environment();
    return tmpdir_setup(state);
}

static int teardown(void **state) {
    clean_environment();
    return tmpdir_teardown(state);
}

static void set(const char *name, const char *value) {
    assert_int_equal(setenv(name, value, 1), 0);
}

static void test_overrides(void **state) {
    set("IOTEDGE_HOSTNAME", "from-env");
    set("IOTEDGE_HOMEDIR", "/env/home");
    struct outcome o = load(*state, DPS "hostname: 5\n");
    assert_int_equal(o.code, EDGE_OK);
    assert_int_equal(o.report.cnt, 0);
    assert_string_equal(o.cfg->hostname, "from-env");
    assert_string_equal(o.cfg->homedir, "/env/home");
    outcome_clear(&o);
}

static void test_case_of_the_name(void **state) {
    set("iotedge_Hostname", "from-env");
    struct outcome o = load(*state, DPS);
    assert_int_equal(o.code, EDGE_OK);
    assert_string_equal(o.cfg->hostname, "from-env");
    outcome_clear(&o);
}

static void test_values_are_checked(void **state) {
    set("IOTEDGE_HOSTNAME", "");
    set("IOTEDGE_HOMEDIR", "relative");
    struct outcome o = load(*state, DPS);
    assert_int_equal(o.code, EDGE_CONFIG);
    assert_true(outcome_has(&o, CONFIG_ERROR, 0, 0, "hostname", "(from the environment)"));
    assert_true(outcome_has(&o, CONFIG_ERROR, 0, 0, "homedir", "must be an absolute path"));
    outcome_clear(&o);
}

static void test_other_sections_are_warned_of(void **state) {
    set("IOTEDGE_PROVISIONING", "x");
    set("IOTEDGE_MOBY_RUNTIME.URI", "x");
    set("IOTEDGE_TPM", "x");
    set("IOTEDGE_ALLOW_ELEVATED_DOCKER_PERMISSIONS", "false");
    set("IOTEDGE_LOG", "x");
    set("IOTEDGE_HOST", "x");
    struct outcome o = load(*state, DPS);
    assert_int_equal(o.code, EDGE_OK);
    assert_int_equal(o.report.warning_cnt, 4);
    assert_true(
        outcome_has(&o, CONFIG_WARNING, 0, 0, "provisioning", "IOTEDGE_PROVISIONING is ignored"));
    assert_true(outcome_has(&o, CONFIG_WARNING, 0, 0, "moby_runtime", "only IOTEDGE_HOSTNAME"));
    assert_true(outcome_has(&o, CONFIG_WARNING, 0, 0, "tpm", "IOTEDGE_TPM is ignored"));
    assert_true(
        outcome_has(&o, CONFIG_WARNING, 0, 0, "allow_elevated_docker_permissions", "is ignored"));
    outcome_clear(&o);
}

static void test_parse_ignores_the_environment(void **state) {
    (void)state;
    set("IOTEDGE_HOSTNAME", "from-env");
    struct edge_config *cfg = expect_fine(DPS "hostname: from-file\n");
    assert_string_equal(cfg->hostname, "from-file");
    config_free(cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_overrides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_case_of_the_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_sections_are_warned_of, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_ignores_the_environment, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
