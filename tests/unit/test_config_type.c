/* SPDX-License-Identifier: MIT */
/* Types are strict, and the messages say how to mend. */
#include "test_config_expect.h"

#include <stdio.h>
#include <string.h>

static void test_strings(void **state) {
    (void)state;
    expect_error(DPS "hostname: 5\n", 2, 11, "hostname",
                 "expected a string, found a number; put it in quotes");
    expect_error(DPS "hostname: 1.5\n", 2, 11, "hostname", "found a number; put it in quotes");
    expect_error(DPS "hostname: true\n", 2, 11, "hostname",
                 "found true or false; put it in quotes");
    expect_error(DPS "hostname: [a]\n", 2, 11, "hostname", "expected a string, found a list");
    expect_error(DPS "hostname: {a: b}\n", 2, 11, "hostname", "expected a string, found a mapping");
    expect_error(DPS "hostname: \"a\\0b\"\n", 2, 11, "hostname", "NUL");
    config_free(expect_fine(DPS "hostname: '5'\n"));
    config_free(expect_fine(DPS "hostname: yes\n"));
}

static void test_booleans(void **state) {
    (void)state;
    const char *key = "allow_elevated_docker_permissions";
    config_free(expect_fine(DPS "allow_elevated_docker_permissions: false\n"));
    expect_error(DPS "allow_elevated_docker_permissions: yes\n", 2, 36, key,
                 "the only words for it are true and false");
    expect_error(DPS "allow_elevated_docker_permissions: False\n", 2, 36, key, "in small letters");
    expect_error(DPS "allow_elevated_docker_permissions: \"true\"\n", 2, 36, key,
                 "leave out the quotes");
    expect_error(DPS "allow_elevated_docker_permissions: maybe\n", 2, 36, key,
                 "expected true or false, found a string");
    expect_error(DPS "allow_elevated_docker_permissions: 1\n", 2, 36, key, "found a number");
}

static void test_numbers(void **state) {
    (void)state;
    const char *days = "certificates.auto_generated_ca_lifetime_days";
    const char *retries = "watchdog.max_retries";
    config_free(expect_fine(DPS "certificates: {auto_generated_ca_lifetime_days: 1}\n"));
    config_free(expect_fine(DPS "certificates: {auto_generated_ca_lifetime_days: 65535}\n"));
    expect_error(DPS "certificates: {auto_generated_ca_lifetime_days: 65536}\n", 2, 49, days,
                 "must be from 0 to 65535 days");
    expect_error(DPS "certificates: {auto_generated_ca_lifetime_days: -1}\n", 2, 49, days,
                 "must be from 0");
    expect_error(DPS "certificates: {auto_generated_ca_lifetime_days: 1.5}\n", 2, 49, days,
                 "expected a whole number, found a number");
    config_free(expect_fine(DPS "watchdog: {max_retries: 4294967295}\n"));
    expect_error(DPS "watchdog: {max_retries: 4294967296}\n", 2, 25, retries,
                 "must be from 0 to 4294967295");
    expect_error(DPS "watchdog: {max_retries: '3'}\n", 2, 25, retries, "leave out the quotes");
    expect_error(DPS "watchdog: {max_retries: infinite}\n", 2, 25, retries,
                 "expected a whole number, found a string");
}

static void test_lists_of_numbers(void **state) {
    static const char *const fine[] = {"[]", "[0, 22]", "'0,2, 7'", "5", "~", ""};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(fine); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), DPS "tpm: {pcrs: %s}\n", fine[i]);
        config_free(expect_fine(text));
    }
    expect_error(DPS "tpm: {pcrs: [0, 24]}\n", 2, 17, "tpm.pcrs[1]", "must be from 0 to 23");
    expect_error(DPS "tpm: {pcrs: [a]}\n", 2, 14, "tpm.pcrs[0]", "expected a whole number");
    expect_error(DPS "tpm: {pcrs: 24}\n", 2, 13, "tpm.pcrs", "must be from 0 to 23");
    expect_error(DPS "tpm: {pcrs: '0,24'}\n", 2, 13, "tpm.pcrs", "as in [0, 2] or '0,2'");
    expect_error(DPS "tpm: {pcrs: ''}\n", 2, 13, "tpm.pcrs", "expected numbers");
    expect_error(DPS "tpm: {pcrs: '0,'}\n", 2, 13, "tpm.pcrs", "expected numbers");
    expect_error(DPS "tpm: {pcrs: {}}\n", 2, 13, "tpm.pcrs", "expected a whole number");
    expect_error(DPS "tpm: {pcrs: true}\n", 2, 13, "tpm.pcrs", "expected a whole number");
}

static void test_nulls(void **state) {
    (void)state;
    static const char *const fine[] = {"certificates:\n",
                                       "watchdog: {max_retries: ~}\n",
                                       "agent: {env: }\n",
                                       "hsm:\ntpm:\ncloud:\n",
                                       "agent: {config: {auth: ~, createOptions: null}}\n",
                                       "allow_elevated_docker_permissions: ~\n",
                                       "listen: {min_tls_version: ~}\n",
                                       "tpm: {owner_auth_file: }\n"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(fine); i++) {
        char text[512] = DPS;
        strncat(text, fine[i], sizeof(text) - strlen(text) - 1);
        config_free(expect_fine(text));
    }
    expect_error(DPS "watchdog:\n", 2, 10, "watchdog", "has no value");
    expect_error(DPS "hostname:\n", 2, 10, "hostname", "has no value");
    expect_error(DPS "homedir: ~\n", 2, 10, "homedir", "has no value");
    expect_error(DPS "connect:\n", 2, 9, "connect", "has no value");
    expect_error(DPS "moby_runtime: {network: }\n", 2, 25, "moby_runtime.network", "has no value");
    expect_error(DPS "agent: {config: {image: ~}}\n", 2, 25, "agent.config.image", "has no value");
}

static void test_choices(void **state) {
    (void)state;
    expect_error(DPS "hsm: {backend: pkcs11}\n", 2, 16, "hsm.backend",
                 "'pkcs11' is none of 'tpm', 'soft'");
    expect_error(DPS "hsm: {backend: TPM}\n", 2, 16, "hsm.backend", "write it in small letters");
    expect_error(DPS "hsm: {backend: 1}\n", 2, 16, "hsm.backend",
                 "expected one of 'tpm', 'soft', found a number");
    expect_error(DPS "agent: {imagePullPolicy: always}\n", 2, 26, "agent.imagePullPolicy",
                 "'on-create', 'never'");
    expect_error(DPS "tpm: {ek_template: default}\n", 2, 20, "tpm.ek_template",
                 "'tcg-l1', 'legacy-unique0'");
}

static void test_collections(void **state) {
    (void)state;
    expect_error(DPS "agent: x\n", 2, 8, "agent", "expected a mapping, found a string");
    expect_error(DPS "agent: {env: [a]}\n", 2, 14, "agent.env", "expected a mapping, found a list");
    expect_error(DPS "image_garbage_collection: false\n", 2, 27, "image_garbage_collection",
                 "found true or false; write image_garbage_collection.enabled");
    expect_error(DPS "moby_runtime: {network: [a]}\n", 2, 25, "moby_runtime.network",
                 "expected a name or a mapping, found a list");
    expect_error(DPS "agent: {config: {createOptions: 5}}\n", 2, 33, "agent.config.createOptions",
                 "expected a mapping, found a number");
    expect_error(DPS "agent: {config: {createOptions: [1]}}\n", 2, 33, "agent.config.createOptions",
                 "expected a mapping, found a list");
    expect_error(DPS "moby_runtime: {network: 5}\n", 2, 25, "moby_runtime.network",
                 "expected a string");
    expect_error(DPS "moby_runtime: {network: {name: n, ipam: {config: {}}}}\n", 2, 50,
                 "moby_runtime.network.ipam.config", "expected a list, found a mapping");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),     cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_lists_of_numbers),
        cmocka_unit_test(test_nulls),       cmocka_unit_test(test_choices),
        cmocka_unit_test(test_collections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
