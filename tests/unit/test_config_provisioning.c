/* SPDX-License-Identifier: MIT */
/* The provisioning section as a structure: what each form fills in, and the rules of its values. */
#include "config/config_take.h"

#include "test_config_expect.h"

#include <string.h>

#define DPS_HEAD                                                                                   \
    "provisioning:\n  source: dps\n  global_endpoint: https://d.example\n  scope_id: s\n"
#define AUTH_HEAD "provisioning:\n  source: manual\n  authentication:\n    method: "
#define HUB       "    iothub_hostname: h.example\n"
#define DEVICE    "    device_id: d\n"

static struct edge_config *warned(const char *text, size_t cnt) {
    struct outcome o = outcome_of(text);
    assert_int_equal(o.code, EDGE_OK);
    assert_int_equal(o.report.cnt, cnt);
    config_report_clear(&o.report);
    return o.cfg;
}

static void test_mode_names(void **state) {
    (void)state;
    static const struct {
        enum config_source source;
        enum config_credential credential;
        const char *name;
    } modes[] = {
        {CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_KEY, "manual.device_connection_string"},
        {CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_X509, "manual.x509"},
        {CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_TPM, "dps.tpm"},
        {CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_KEY, "dps.symmetric_key"},
        {CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_X509, "dps.x509"},
        {CONFIG_SOURCE_EXTERNAL, CONFIG_CREDENTIAL_EXTERNAL, "external"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(modes); i++) {
        struct config_provisioning p = {.source = modes[i].source,
                                        .credential = modes[i].credential};
        assert_string_equal(config_provisioning_mode(&p), modes[i].name);
    }
}

static void test_connection_string(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine("provisioning:\n  dynamic_reprovisioning: true\n  device_connection_string:\n"
                    "    HostName=h.example;DeviceId=d;SharedAccessKey=a2V5cw==\n");
    const struct config_provisioning *p = &cfg->provisioning;
    assert_int_equal(p->source, CONFIG_SOURCE_MANUAL);
    assert_int_equal(p->credential, CONFIG_CREDENTIAL_KEY);
    assert_string_equal(p->hub_hostname, "h.example");
    assert_string_equal(p->device_id, "d");
    assert_true(secret_equal_bytes(&p->key, "keys", 4));
    assert_int_equal(p->key_line, 4);
    assert_true(p->dynamic_reprovisioning);
    assert_true(p->always_reprovision_on_startup);
    assert_null(p->scope_id);
    config_free(cfg);
}

static void test_connection_string_without_key(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine(AUTH_HEAD "device_connection_string\n"
                              "    device_connection_string: HostName=h.example;DeviceId=d\n");
    assert_int_equal(cfg->provisioning.credential, CONFIG_CREDENTIAL_KEY);
    assert_string_equal(cfg->provisioning.device_id, "d");
    assert_int_equal(cfg->provisioning.key.len, 0);
    assert_int_equal(cfg->provisioning.key_line, 0);
    config_free(cfg);
}

static void test_connection_string_rules(void **state) {
    (void)state;
    const char *key = "provisioning.device_connection_string";
    expect_error("provisioning: {device_connection_string: HostName=h}\n", 1, 42, key,
                 "no DeviceId");
    expect_error("provisioning: {device_connection_string: ''}\n", 1, 42, key, "is empty");
    expect_hidden("provisioning: {device_connection_string: 'HostName=h;DeviceId=/;"
                  "SharedAccessKey=S3cr3t00'}\n",
                  "S3cr3t");
    expect_warning("provisioning: {device_connection_string: 'HostName=h;DeviceId=d'}\n", 1, 42,
                   key, "HostName of the connection string has no domain");
    expect_warning("provisioning: {device_connection_string: 'HostName=h.x;DeviceId=a#b'}\n", 1, 42,
                   key, "DeviceId of the connection string has other characters");
}

static void test_manual_x509(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine(AUTH_HEAD "x509\n" HUB DEVICE "    identity_cert: file:///c%20d\n"
                              "    identity_pk: file://localhost/k\n");
    const struct config_provisioning *p = &cfg->provisioning;
    assert_int_equal(p->source, CONFIG_SOURCE_MANUAL);
    assert_int_equal(p->credential, CONFIG_CREDENTIAL_X509);
    assert_string_equal(p->hub_hostname, "h.example");
    assert_string_equal(p->device_id, "d");
    assert_string_equal(p->identity_cert, "/c d");
    assert_string_equal(p->identity_pk, "/k");
    config_free(cfg);
}

static void test_manual_tpm(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(AUTH_HEAD "tpm\n" HUB DEVICE);
    assert_int_equal(cfg->provisioning.source, CONFIG_SOURCE_MANUAL);
    assert_int_equal(cfg->provisioning.credential, CONFIG_CREDENTIAL_KEY);
    assert_int_equal(cfg->provisioning.key.len, 0);
    config_free(cfg);
    expect_error(AUTH_HEAD "tpm\n    iothub_hostname: '<ADD HUB HOST NAME HERE>'\n" DEVICE, 5, 22,
                 "provisioning.authentication.iothub_hostname", "placeholder");
    expect_error(AUTH_HEAD "tpm\n" HUB "    device_id: a/b\n", 6, 16,
                 "provisioning.authentication.device_id", "no device id has");
    config_free(warned(AUTH_HEAD "tpm\n    iothub_hostname: h\n    device_id: a#b\n", 2));
}

static void test_symmetric_key(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine(DPS_HEAD "  always_reprovision_on_startup: false\n  attestation:\n"
                             "    method: symmetric_key\n    registration_id: d\n"
                             "    symmetric_key: a2V5cw\n");
    const struct config_provisioning *p = &cfg->provisioning;
    assert_int_equal(p->source, CONFIG_SOURCE_DPS);
    assert_int_equal(p->credential, CONFIG_CREDENTIAL_KEY);
    assert_string_equal(p->registration_id, "d");
    assert_true(secret_equal_bytes(&p->key, "keys", 4));
    assert_int_equal(p->key_line, 9);
    assert_false(p->always_reprovision_on_startup);
    config_free(cfg);
    cfg = expect_fine(DPS_HEAD "  attestation: {method: symmetric_key, registration_id: d, "
                               "symmetric_key: }\n");
    assert_int_equal(cfg->provisioning.key.len, 0);
    assert_int_equal(cfg->provisioning.key_line, 0);
    config_free(cfg);
#define KEY_HEAD                                                                                   \
    DPS_HEAD "  attestation: {method: symmetric_key, registration_id: d, symmetric_key: "
    const char *key = "provisioning.attestation.symmetric_key";
    expect_error(KEY_HEAD "''}\n", 5, 75, key,
                 "is empty; give the key of the device in base64, or leave it out");
    expect_error(KEY_HEAD "'*'}\n", 5, 75, key, "is not base64");
    expect_error(KEY_HEAD "<ADD DEVICE KEY HERE>}\n", 5, 75, key, "placeholder");
    expect_hidden(KEY_HEAD "'S3cr3t*'}\n", "S3cr3t");
}

static void test_dps_x509(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine(DPS_HEAD "  attestation: {method: x509, identity_cert: 'file:///c', "
                             "identity_pk: 'file:///k'}\n");
    assert_int_equal(cfg->provisioning.source, CONFIG_SOURCE_DPS);
    assert_int_equal(cfg->provisioning.credential, CONFIG_CREDENTIAL_X509);
    assert_null(cfg->provisioning.registration_id);
    assert_string_equal(cfg->provisioning.identity_cert, "/c");
    assert_string_equal(cfg->provisioning.identity_pk, "/k");
    config_free(cfg);
}

static void test_registration_id(void **state) {
    (void)state;
    const char *key = "provisioning.attestation.registration_id";
    expect_error(DPS_HEAD "  attestation: {method: tpm, registration_id: ''}\n", 5, 47, key,
                 "is empty; fill it in, or leave the key out to use the default that the TPM");
    expect_error(DPS_HEAD "  attestation: {method: x509, registration_id: '<ID>', identity_cert: "
                          "'file:///c', identity_pk: 'file:///k'}\n",
                 5, 48, key, "to use the common name of the certificate");
    expect_error(DPS_HEAD "  attestation: {method: symmetric_key, registration_id: ''}\n", 5, 57,
                 key, "is empty; give the name of the device at the DPS");
    expect_error(DPS_HEAD "  attestation: {method: tpm, registration_id: a/b}\n", 5, 47, key,
                 "other characters");
    expect_warning(DPS_HEAD "  attestation: {method: tpm, registration_id: Dev}\n", 5, 47, key,
                   "small letters");
    expect_error(DPS_HEAD "  registration_id: ''\n", 5, 20, "provisioning.registration_id",
                 "is empty");
}

static void test_external(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine("provisioning: {source: external, endpoint: 'HTTP://localhost:9999/'}\n");
    assert_int_equal(cfg->provisioning.source, CONFIG_SOURCE_EXTERNAL);
    assert_int_equal(cfg->provisioning.credential, CONFIG_CREDENTIAL_EXTERNAL);
    assert_string_equal(cfg->provisioning.endpoint, "http://localhost:9999");
    config_free(cfg);
    expect_warning("provisioning: {source: external, endpoint: 'http://h.example'}\n", 1, 44,
                   "provisioning.endpoint", "crosses the network in the clear");
}

static void test_startup_spread(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS);
    assert_int_equal(cfg->provisioning.startup_spread_s, 900);
    config_free(cfg);
    cfg = expect_fine("provisioning: {source: external, endpoint: 'unix:///p', "
                      "startup_spread: 0}\n");
    assert_int_equal(cfg->provisioning.startup_spread_s, 0);
    config_free(cfg);
    expect_error("provisioning: {source: external, endpoint: 'unix:///p', startup_spread: "
                 "86401}\n",
                 1, 73, "provisioning.startup_spread", "must be from 0 to 86400 seconds");
}

static void test_only_dps_can_do_without_the_start(void **state) {
    (void)state;
    struct edge_config *cfg = warned("provisioning: {source: external, endpoint: 'unix:///p', "
                                     "always_reprovision_on_startup: false}\n",
                                     1);
    assert_true(cfg->provisioning.always_reprovision_on_startup);
    config_free(cfg);
}

/* While the form is not certain all values are looked at, and filled in twice without a leak. */
static void test_uncertain_form(void **state) {
    (void)state;
    const char *text = "provisioning:\n"
                       "  device_connection_string: HostName=h;DeviceId=d;SharedAccessKey=a2V5\n"
                       "  authentication:\n"
                       "    device_connection_string: HostName=i;DeviceId=e;SharedAccessKey=a2V5\n"
                       "    iothub_hostname: '{hub}'\n    device_id: f\n"
                       "    identity_cert: c\n";
    expect_error_among(text, 2, 29, "provisioning.device_connection_string", "only one of");
    expect_error_among(text, 5, 22, "provisioning.authentication.iothub_hostname", "placeholder");
    expect_error_among(text, 7, 20, "provisioning.authentication.identity_cert", "file URI");
}

static void test_clear(void **state) {
    (void)state;
    struct config_provisioning p = {.key_line = 3};
    assert_int_equal(secret_copy(&p.key, "x", 1, NULL), EDGE_OK);
    config_provisioning_clear(&p);
    assert_null(p.key.data);
    config_provisioning_clear(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode_names),
        cmocka_unit_test(test_connection_string),
        cmocka_unit_test(test_connection_string_without_key),
        cmocka_unit_test(test_connection_string_rules),
        cmocka_unit_test(test_manual_x509),
        cmocka_unit_test(test_manual_tpm),
        cmocka_unit_test(test_symmetric_key),
        cmocka_unit_test(test_dps_x509),
        cmocka_unit_test(test_registration_id),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_startup_spread),
        cmocka_unit_test(test_only_dps_can_do_without_the_start),
        cmocka_unit_test(test_uncertain_form),
        cmocka_unit_test(test_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
