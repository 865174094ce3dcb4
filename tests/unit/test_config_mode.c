/* SPDX-License-Identifier: MIT */
/* Forms of the provisioning section: which are complete, and which contradict themselves. */
#include "test_config_expect.h"

#include <string.h>

#define DPS_HEAD                                                                                   \
    "provisioning:\n  source: dps\n  global_endpoint: https://d.example\n  scope_id: s\n"

static void test_tpm(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS_HEAD "  attestation:\n    method: tpm\n");
    assert_int_equal(cfg->provisioning.source, CONFIG_SOURCE_DPS);
    assert_int_equal(cfg->provisioning.credential, CONFIG_CREDENTIAL_TPM);
    assert_null(cfg->provisioning.registration_id);
    config_free(cfg);
    cfg = expect_fine(DPS_HEAD "  attestation: {method: tpm, registration_id: dev-1}\n");
    assert_string_equal(cfg->provisioning.registration_id, "dev-1");
    config_free(cfg);
}

static void test_legacy_tpm(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS_HEAD "  registration_id: dev-1\n");
    assert_int_equal(cfg->provisioning.source, CONFIG_SOURCE_DPS);
    assert_int_equal(cfg->provisioning.credential, CONFIG_CREDENTIAL_TPM);
    assert_string_equal(cfg->provisioning.registration_id, "dev-1");
    config_free(cfg);
    config_free(expect_fine(DPS_HEAD "  registration_id: dev-1\n  attestation: ~\n"));
    expect_error(DPS_HEAD, 1, 1, "provisioning.attestation", "attestation: {method: tpm}");
}

static void test_registration_id_twice(void **state) {
    (void)state;
    expect_error(DPS_HEAD "  registration_id: a\n  attestation:\n    method: tpm\n"
                          "    registration_id: b\n",
                 8, 22, "provisioning.attestation.registration_id",
                 "given twice, as provisioning.registration_id (line 5) and as "
                 "provisioning.attestation.registration_id (line 8)");
    expect_error(DPS_HEAD "  registration_id: a\n  attestation: {method: tpm}\n", 5, 20,
                 "provisioning.registration_id", "belongs below provisioning.attestation (line 6)");
}

/* The document is fine and has this form. */
static void expect_mode(const char *text, const char *mode) {
    struct edge_config *cfg = expect_fine(text);
    assert_string_equal(config_provisioning_mode(&cfg->provisioning), mode);
    config_free(cfg);
}

static void test_symmetric_key(void **state) {
    (void)state;
    expect_mode(DPS_HEAD "  attestation: {method: symmetric_key, registration_id: a, "
                         "symmetric_key: a2V5}\n",
                "dps.symmetric_key");
    expect_mode(DPS_HEAD "  attestation: {method: symmetric_key, registration_id: a}\n",
                "dps.symmetric_key");
    expect_error(DPS_HEAD "  attestation: {method: symmetric_key, symmetric_key: a2V5}\n", 5, 3,
                 "provisioning.attestation.registration_id", "missing");
    expect_error(DPS_HEAD "  registration_id: a\n  attestation: {method: symmetric_key, "
                          "registration_id: a, symmetric_key: a2V5}\n",
                 6, 57, "provisioning.attestation.registration_id", "given twice");
}

static void test_dps_x509(void **state) {
    (void)state;
    expect_mode(DPS_HEAD "  attestation: {method: x509, identity_cert: 'file:///c', "
                         "identity_pk: 'file:///k'}\n",
                "dps.x509");
    expect_mode(DPS_HEAD "  attestation: {method: x509, identity_cert: 'file:///c', "
                         "identity_pk: 'file:///k', registration_id: a}\n",
                "dps.x509");
    expect_error(DPS_HEAD "  attestation: {method: x509, identity_cert: 'file:///c'}\n", 5, 3,
                 "provisioning.attestation.identity_pk", "missing");
    expect_error(DPS_HEAD "  attestation: {method: x509, identity_pk: 'file:///c'}\n", 5, 3,
                 "provisioning.attestation.identity_cert", "missing");
    expect_error(DPS_HEAD "  attestation: {method: x509, identity_cert: c.pem, "
                          "identity_pk: 'file:///k'}\n",
                 5, 46, "provisioning.attestation.identity_cert", "must be a file URI");
    expect_error(DPS_HEAD "  attestation: {method: x509, identity_cert: 'file:///c', "
                          "identity_pk: 'https://h/k'}\n",
                 5, 72, "provisioning.attestation.identity_pk", "only file URIs");
}

#define STRING "HostName=h.example;DeviceId=d;SharedAccessKey=a2V5"

static void test_manual_string(void **state) {
    (void)state;
    const char *mode = "manual.device_connection_string";
    expect_mode("provisioning:\n  source: manual\n  device_connection_string: " STRING "\n", mode);
    expect_mode("provisioning:\n  device_connection_string: " STRING "\n", mode);
    expect_mode("provisioning:\n  source: manual\n  authentication:\n"
                "    method: device_connection_string\n    device_connection_string: " STRING "\n",
                mode);
    expect_error("provisioning:\n  source: manual\n", 2, 3, "provisioning",
                 "needs one of device_connection_string and authentication");
    expect_error("provisioning:\n  source: manual\n  authentication: {}\n", 3, 3,
                 "provisioning.authentication.method", "missing");
    expect_error("provisioning:\n  source: manual\n  authentication:\n"
                 "    method: device_connection_string\n",
                 3, 3, "provisioning.authentication.device_connection_string", "missing");
    expect_error_among("provisioning:\n  source: manual\n  device_connection_string: x\n"
                       "  authentication: {method: x509}\n",
                       3, 29, "provisioning.device_connection_string",
                       "only one of provisioning.device_connection_string (line 3) and "
                       "provisioning.authentication (line 4)");
    expect_error("provisioning:\n  source: manual\n  authentication: {method: X509}\n", 3, 28,
                 "provisioning.authentication.method", "write it in small letters");
}

#define AUTH_HEAD "provisioning:\n  source: manual\n  authentication:\n    method: "
#define X509_HEAD AUTH_HEAD "x509\n"
#define TPM_HEAD  AUTH_HEAD "tpm\n"
#define HUB       "    iothub_hostname: h.example\n"
#define DEVICE    "    device_id: d\n"
#define CERT      "    identity_cert: file:///c\n"
#define KEY       "    identity_pk: file:///k\n"

static void test_manual_x509(void **state) {
    (void)state;
    expect_mode(X509_HEAD HUB DEVICE CERT KEY, "manual.x509");
    expect_error(X509_HEAD DEVICE CERT KEY, 3, 3, "provisioning.authentication.iothub_hostname",
                 "missing");
    expect_error(X509_HEAD HUB CERT KEY, 3, 3, "provisioning.authentication.device_id", "missing");
    expect_error(X509_HEAD HUB DEVICE KEY, 3, 3, "provisioning.authentication.identity_cert",
                 "missing");
    expect_error(X509_HEAD HUB DEVICE CERT, 3, 3, "provisioning.authentication.identity_pk",
                 "missing");
    expect_error(X509_HEAD HUB DEVICE "    identity_cert: /c\n" KEY, 7, 20,
                 "provisioning.authentication.identity_cert", "must be a file URI");
}

static void test_manual_tpm(void **state) {
    (void)state;
    expect_mode(TPM_HEAD HUB DEVICE, "manual.device_connection_string");
    expect_error(TPM_HEAD HUB, 3, 3, "provisioning.authentication.device_id", "missing");
    expect_error(TPM_HEAD DEVICE, 3, 3, "provisioning.authentication.iothub_hostname", "missing");
    expect_warning(TPM_HEAD HUB DEVICE CERT, 7, 5, "provisioning.authentication.identity_cert",
                   "no meaning");
}

static void test_external(void **state) {
    (void)state;
    expect_mode("provisioning: {source: external, endpoint: 'http://localhost:9999'}\n",
                "external");
    expect_mode("provisioning: {source: external, endpoint: 'unix:///run/x'}\n", "external");
    expect_error("provisioning: {source: external}\n", 1, 1, "provisioning.endpoint", "missing");
    expect_error("provisioning: {source: external, endpoint: 'https://h'}\n", 1, 44,
                 "provisioning.endpoint", "https is not possible");
}

static void test_no_source(void **state) {
    (void)state;
    expect_error("", 0, 0, "provisioning", "Add provisioning with source: dps");
    expect_error("hostname: h\n", 0, 0, "provisioning", "cannot know its hub");
    expect_error("provisioning: {}\n", 1, 1, "provisioning.source", "which means 'manual'");
    expect_error("provisioning: {scope_id: s, attestation: {method: tpm}}\n", 1, 1,
                 "provisioning.source", "add source: dps");
    expect_error("provisioning:\n", 1, 14, "provisioning", "has no value");
    expect_error("provisioning: dps\n", 1, 15, "provisioning", "expected a mapping");
    expect_error("provisioning: {source: }\n", 1, 24, "provisioning.source", "has no value");
    expect_error("provisioning: {source: DPS}\n", 1, 24, "provisioning.source",
                 "'manual', 'dps', 'external'; write it in small letters");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tpm),
        cmocka_unit_test(test_legacy_tpm),
        cmocka_unit_test(test_registration_id_twice),
        cmocka_unit_test(test_symmetric_key),
        cmocka_unit_test(test_dps_x509),
        cmocka_unit_test(test_manual_string),
        cmocka_unit_test(test_manual_x509),
        cmocka_unit_test(test_manual_tpm),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_no_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
