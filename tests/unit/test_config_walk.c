/* SPDX-License-Identifier: MIT */
/* Unknown, misplaced and missing keys. */
#include "test_config_expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_unknown_keys(void **state) {
    (void)state;
    expect_warning(DPS "hostnam: x\n", 2, 1, "hostnam", "did you mean 'hostname'?");
    expect_warning(DPS "Homedir: x\n", 2, 1, "Homedir", "did you mean 'homedir'?");
    expect_warning(DPS "agent:\n  config:\n    create_options: {}\n", 4, 5,
                   "agent.config.create_options", "did you mean 'agent.config.createOptions'?");
    expect_warning(DPS "scope_id: x\n", 2, 1, "scope_id", "did you mean 'provisioning.scope_id'?");
    expect_warning(DPS "zzzzzzzz: {a: b, c: [d]}\n", 2, 1, "zzzzzzzz", "unknown key, ignored");
    expect_warning(DPS "<<: {hostname: x}\n", 2, 1, "<<", "merge keys");
    expect_warning(DPS "tpm.tcti: x\n", 2, 1, "tpm.tcti", "dots do not nest");
    expect_warning(DPS "foo.bar: x\n", 2, 1, "foo.bar", "unknown key");
    expect_warning(DPS "5: x\n", 2, 1, "", "not a string");
    expect_warning(DPS "hostname: a\nhostname: b\n", 3, 1, "hostname", "line 2 is ignored");
}

static void test_no_suggestion_when_nothing_is_near(void **state) {
    (void)state;
    struct outcome o = outcome_of(DPS "zzzzzzzz: 1\n");
    assert_string_equal(o.report.items[0].text, "unknown key, ignored");
    outcome_clear(&o);
}

static void test_keys_of_other_forms(void **state) {
    (void)state;
    expect_warning("provisioning:\n  source: dps\n  global_endpoint: https://d.example\n"
                   "  scope_id: s\n  endpoint: 5\n  attestation: {method: tpm}\n",
                   5, 3, "provisioning.endpoint", "has no meaning in this form");
    expect_warning("provisioning:\n  source: dps\n  global_endpoint: https://d.example\n"
                   "  scope_id: s\n  attestation: {method: tpm, symmetric_key: [x]}\n",
                   5, 30, "provisioning.attestation.symmetric_key", "has no meaning");
}

static void test_free_sections_are_left_alone(void **state) {
    (void)state;
    config_free(expect_fine(DPS "agent:\n  env: {AbC: x, a.b: '', c: ~}\n"
                                "  config:\n    createOptions: {HostConfig: {Dns: [5, {}]}}\n"));
    expect_error(DPS "agent: {env: {a: 5}}\n", 2, 18, "agent.env.a", "expected a string");
    expect_error(DPS "agent: {env: {a: {b: c}}}\n", 2, 18, "agent.env.a", "found a mapping");
}

static void test_lists(void **state) {
    (void)state;
    config_free(expect_fine(DPS "moby_runtime:\n  network:\n    name: n\n    ipv6: true\n"
                                "    ipam:\n      config:\n"
                                "      - {gateway: 10.0.0.1, subnet: 10.0.0.0/8}\n"
                                "      - {ip_range: 10.1.0.0/16}\n"));
    expect_error(DPS "moby_runtime: {network: {name: n, ipam: {config: [{}, x]}}}\n", 2, 55,
                 "moby_runtime.network.ipam.config[1]", "expected a mapping");
    expect_error(DPS "moby_runtime: {network: {name: n, ipam: {config: [~]}}}\n", 2, 51,
                 "moby_runtime.network.ipam.config[0]", "has no value");
    expect_error(DPS "moby_runtime: {network: {name: n, ipam: {config: [{subnet: 5}]}}}\n", 2, 60,
                 "moby_runtime.network.ipam.config[0].subnet", "expected a string");
    expect_warning(DPS "moby_runtime: {network: {name: n, ipam: {config: [{sub: x}]}}}\n", 2, 52,
                   "moby_runtime.network.ipam.config[0].sub", "unknown key");
}

static void test_missing_keys(void **state) {
    (void)state;
    expect_error(DPS "moby_runtime: {network: {ipv6: true}}\n", 2, 16, "moby_runtime.network.name",
                 "missing");
    expect_error("provisioning: {source: dps, scope_id: s, attestation: {method: tpm}}\n", 1, 1,
                 "provisioning.global_endpoint", "missing");
    expect_error("provisioning:\n  source: dps\n  global_endpoint: https://d.example\n"
                 "  attestation: {method: tpm}\n",
                 1, 1, "provisioning.scope_id", "missing");
    expect_error("provisioning:\n  source: dps\n  global_endpoint: https://d.example\n"
                 "  scope_id: s\n  attestation: {}\n",
                 5, 3, "provisioning.attestation.method", "missing");
}

static void test_all_problems_at_once(void **state) {
    (void)state;
    struct outcome o = outcome_of("homedir: x\nprovisioning:\n  source: dps\n"
                                  "  global_endpoint: http://d\n  scope_id: 5\n"
                                  "  attestation: {method: TPM}\n"
                                  "hostname:\ncolour: red\nlisten: {workload_uri: x}\n");
    assert_int_equal(o.code, EDGE_CONFIG);
    assert_int_equal(o.report.error_cnt, 6);
    assert_int_equal(o.report.warning_cnt, 1);
    static const char *const order[] = {"homedir",
                                        "provisioning.global_endpoint",
                                        "provisioning.scope_id",
                                        "provisioning.attestation.method",
                                        "hostname",
                                        "colour",
                                        "listen.workload_uri"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(order); i++) {
        assert_string_equal(o.report.items[i].key, order[i]);
    }
    assert_string_equal(o.err.text, "config.yaml is not usable: 6 errors");
    outcome_clear(&o);
}

static void test_thousands_of_unknown_keys(void **state) {
    (void)state;
    char *text = calloc(1, 200000);
    assert_non_null(text);
    size_t len = strlen(DPS);
    memcpy(text, DPS, len);
    for (unsigned i = 0; i < 4900; i++) {
        len += (size_t)snprintf(text + len, 40, "hostnbme%u: x\n", i);
    }
    struct outcome o = outcome_of_slice(slice_make(text, len));
    assert_int_equal(o.code, EDGE_OK);
    assert_int_equal(o.report.cnt, CONFIG_PROBLEMS_MAX);
    assert_int_equal(o.report.warning_cnt, 4900);
    outcome_clear(&o);
    free(text);
}

static void test_secrets_stay_hidden(void **state) {
    (void)state;
    static const char *const documents[] = {
        "provisioning: {source: manual, device_connection_string: [S3cr3t]}\n",
        "provisioning: {source: S3cr3t=, device_connection_string: x}\n",
        "provisioning: {source: manual, authentication: {method: 'HostName=h;Key=S3cr3t'}}\n",
        "provisioning: {source: manual, device_connection_string: {a: S3cr3t}}\n",
        "provisioning: {source: manual, 'HostName=h;SharedAccessKey=S3cr3t': x}\n",
        "provisioning: {source: dps, attestation: {method: symmetric_key, "
        "symmetric_key: S3cr3t, registration_id: 'a b'}}\n",
        "provisioning: {source: dps, attestation: {method: symmetric_key, "
        "symmetric_key: S3cr3t, 'symmetric_key': S3cr3t}}\n",
        "provisioning: {source: dps, global_endpoint: 'https://u:S3cr3t@h'}\n",
        "agent: {config: {auth: {password: [S3cr3t]}}}\n",
        "agent: {config: {auth: {password: S3cr3t, passwordx: S3cr3t}}}\n",
        "agent: {config: {auth: {password: S3cr3t: x}}}\n",
        "S3cr3t\n",
        "moby_runtime: {uri: 'http://u:S3cr3t@h'}\n",
        "provisioning: *S3cr3t\n",
        "provisioning: !S3cr3t [\n",
        "provisioning: @S3cr3t\n",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(documents); i++) {
        expect_hidden(documents[i], "S3cr3t");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_no_suggestion_when_nothing_is_near),
        cmocka_unit_test(test_keys_of_other_forms),
        cmocka_unit_test(test_free_sections_are_left_alone),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_missing_keys),
        cmocka_unit_test(test_all_problems_at_once),
        cmocka_unit_test(test_thousands_of_unknown_keys),
        cmocka_unit_test(test_secrets_stay_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
