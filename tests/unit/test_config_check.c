/* SPDX-License-Identifier: MIT */
/* Rules across keys. */
#include "test_config_expect.h"

static void test_certificates(void **state) {
    (void)state;
    config_free(expect_fine(DPS "certificates: {trusted_ca_certs: /t}\n"));
    config_free(expect_fine(
        DPS "certificates: {device_ca_cert: /c, device_ca_pk: /k, trusted_ca_certs: /t}\n"));
    config_free(expect_fine(DPS "certificates: {device_ca_cert: /c, trusted_ca_certs: /t}\n"));
    expect_warning(DPS "certificates: {device_ca_cert: /c}\n", 2, 32, "certificates.device_ca_cert",
                   "only together with trusted_ca_certs");
    expect_error(DPS
                 "certificates: {device_ca_cert: /c, trusted_ca_certs: /t, device_ca_key: /k}\n",
                 2, 1, "certificates.device_ca_pk", "line 2 looks like it");
    expect_error(DPS "certificates: {device_ca_pk: /c, trusted_ca_certs: /t}\n", 2, 30,
                 "certificates.device_ca_pk", "without certificates.device_ca_cert");
    expect_error(DPS "certificates: {auto_generated_ca_lifetime_days: 0}\n", 2, 49,
                 "certificates.auto_generated_ca_lifetime_days", "expired when they are made");
    expect_warning(DPS "certificates: {device_ca_cert: /c, device_ca_pk: /k}\n", 2, 32,
                   "certificates.device_ca_cert", "only together with trusted_ca_certs");
}

static void test_pcrs(void **state) {
    (void)state;
    config_free(expect_fine(DPS "tpm: {pcrs: [0, 7]}\n"));
    expect_warning(DPS "tpm: {pcrs: '0,16'}\n", 2, 13, "tpm.pcrs", "can be reset");
    expect_warning(DPS "tpm: {pcrs: 23}\n", 2, 13, "tpm.pcrs", "can be reset");
    expect_error("provisioning: {source: manual, device_connection_string: "
                 "HostName=h.example;DeviceId=d}\nhsm: {backend: soft}\ntpm: {pcrs: [7]}\n",
                 3, 13, "tpm.pcrs", "binds nothing with hsm.backend 'soft' (line 2)");
}

static void test_tls_version(void **state) {
    (void)state;
    expect_warning(DPS "listen: {min_tls_version: Tlsv12}\n", 2, 27, "listen.min_tls_version",
                   "no https listeners");
    expect_error(DPS "listen: {min_tls_version: tls13}\n", 2, 27, "listen.min_tls_version",
                 "must be one of");
}

static void test_soft_backend_cannot_attest(void **state) {
    (void)state;
    expect_error("provisioning:\n  source: dps\n  global_endpoint: https://d.example\n"
                 "  scope_id: s\n  attestation:\n    method: tpm\nhsm:\n  backend: soft\n",
                 8, 12, "hsm.backend",
                 "'soft' (line 8) cannot prove the device with a TPM, which "
                 "provisioning.attestation.method (line 6) asks for");
    expect_error("provisioning:\n  source: dps\n  global_endpoint: https://d.example\n"
                 "  scope_id: s\n  registration_id: r\nhsm: {backend: soft}\n",
                 6, 16, "hsm.backend", "provisioning.registration_id (line 5)");
    expect_error("provisioning:\n  source: manual\n  authentication:\n    method: tpm\n"
                 "    iothub_hostname: h.example\n    device_id: d\nhsm: {backend: soft}\n",
                 7, 16, "hsm.backend",
                 "keeps no key in a TPM, which provisioning.authentication.method (line 4) asks "
                 "for; use backend 'tpm', or a connection string without SharedAccessKey");
    config_free(expect_fine("provisioning: {source: manual, device_connection_string: "
                            "HostName=h.example;DeviceId=d}\nhsm: {backend: soft}\n"));
}

static void test_key_is_not_left_out_by_a_slip(void **state) {
    (void)state;
    const char *key = "provisioning.attestation.symmetric_key";
#define KEY_HEAD                                                                                   \
    "provisioning:\n  source: dps\n  global_endpoint: https://d.example\n  scope_id: s\n"          \
    "  attestation:\n    method: symmetric_key\n    registration_id: d\n"
    config_free(expect_fine(KEY_HEAD));
    expect_error(KEY_HEAD "    symmetricKey: a2V5\n", 5, 3, key, "missing, but line 8 looks like");
    expect_error(KEY_HEAD "    Symmetric_Key: a2V5\n", 5, 3, key, "line 8 looks like it");
    expect_error(KEY_HEAD "  symmetric_key: a2V5\n", 5, 3, key, "line 8 looks like it");
    expect_warning(KEY_HEAD "    colour: blue\n", 8, 5, "provisioning.attestation.colour",
                   "unknown key");
}

static void test_tcti(void **state) {
    (void)state;
    config_free(expect_fine(DPS "tpm: {tcti: 'device:/dev/tpm0'}\n"));
    config_free(expect_fine(DPS "tpm: {tcti: 'swtpm:path=/x', allow_emulator: true}\n"));
    expect_error(DPS "tpm: {tcti: 'swtpm:path=/x'}\n", 2, 13, "tpm.tcti",
                 "set tpm.allow_emulator: true");
    expect_error(DPS "tpm: {tcti: tabrmd, allow_emulator: false}\n", 2, 13, "tpm.tcti",
                 "not a device node");
    expect_error(DPS "tpm: {tcti: ''}\n", 2, 13, "tpm.tcti", "must be NAME:CONFIG");
}

static void test_sockets_are_distinct(void **state) {
    (void)state;
    expect_error(DPS "listen:\n  management_uri: fd://a\n  workload_uri: fd://a\n", 4, 17,
                 "listen.workload_uri", "same socket as listen.management_uri");
    expect_error_among(DPS "connect: {workload_uri: 'unix:///run/iotedge/mgmt.sock'}\n", 2, 25,
                       "connect.workload_uri", "same socket as connect.management_uri");
}

static void test_sockets_meet(void **state) {
    (void)state;
    config_free(expect_fine(DPS "listen: {workload_uri: 'unix:///run/iotedge/workload.sock'}\n"));
    config_free(expect_fine(DPS "listen: {workload_uri: fd://x}\n"));
    expect_warning(DPS "listen: {workload_uri: 'unix:///run/w.sock'}\n", 0, 0,
                   "connect.workload_uri", "another socket than listen.workload_uri");
    expect_warning(DPS "connect: {management_uri: 'unix:///run/m.sock'}\n", 2, 27,
                   "connect.management_uri", "another socket than listen.management_uri");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_pcrs),
        cmocka_unit_test(test_tls_version),
        cmocka_unit_test(test_soft_backend_cannot_attest),
        cmocka_unit_test(test_key_is_not_left_out_by_a_slip),
        cmocka_unit_test(test_tcti),
        cmocka_unit_test(test_sockets_are_distinct),
        cmocka_unit_test(test_sockets_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
