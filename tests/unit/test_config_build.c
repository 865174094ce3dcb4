/* SPDX-License-Identifier: MIT */
/* The values that the daemon uses: defaults, copies and the rule of each. */
#include "test_config_expect.h"

#include <string.h>

static void test_defaults(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS);
    assert_string_equal(cfg->file, "config.yaml");
    assert_string_equal(cfg->provisioning.global_endpoint, "https://dps.example");
    assert_string_equal(cfg->provisioning.scope_id, "0ne1");
    assert_false(cfg->provisioning.dynamic_reprovisioning);
    assert_true(cfg->provisioning.always_reprovision_on_startup);
    assert_string_equal(cfg->hostname, "localhost");
    assert_string_equal(cfg->homedir, "/var/lib/iotedge");
    assert_string_equal(cfg->connect_management.path, "/var/run/iotedge/mgmt.sock");
    assert_string_equal(cfg->connect_workload.text, "unix:///var/run/iotedge/workload.sock");
    assert_string_equal(cfg->listen_management.path, "/var/run/iotedge/mgmt.sock");
    assert_string_equal(cfg->listen_workload.path, "/var/run/iotedge/workload.sock");
    assert_string_equal(cfg->engine.path, "/var/run/docker.sock");
    assert_string_equal(cfg->network.name, "azure-iot-edge");
    assert_int_equal(cfg->network.range_cnt, 0);
    assert_false(cfg->has_max_retries);
    assert_int_equal(cfg->on_stop, CONFIG_STOP_AUTO);
    assert_true(cfg->image_gc.enabled);
    assert_int_equal(cfg->image_gc.age_days, 30);
    assert_int_equal(cfg->image_gc.interval_hours, 24);
    assert_true(cfg->allow_elevated && !cfg->narrow_control);
    assert_null(cfg->trusted_ca_certs);
    assert_int_equal(cfg->hsm_backend, CONFIG_HSM_TPM);
    assert_int_equal(cfg->derived_key_ttl_s, 3600);
    assert_string_equal(cfg->tpm_tcti, "device:/dev/tpmrm0");
    assert_false(cfg->tpm_allow_emulator);
    assert_null(cfg->tpm_owner_auth_file);
    assert_null(cfg->tpm_endorsement_auth_file);
    assert_int_equal(cfg->tpm_ek_template, CONFIG_EK_TCG_L1);
    assert_int_equal(cfg->tpm_pcrs, 0);
    assert_null(cfg->device_ca_cert);
    assert_null(cfg->device_ca_pk);
    assert_int_equal(cfg->auto_generated_ca_lifetime_days, 90);
    assert_int_equal(cfg->leaf_key, CONFIG_LEAF_P256);
    assert_null(cfg->cloud_extra_ca_file);
    assert_null(cfg->https_proxy);
    assert_null(cfg->no_proxy);
    config_free(cfg);
}

static void test_everything_given(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine("provisioning:\n"
                    "  source: dps\n"
                    "  global_endpoint: 'https://dps.example:8443/'\n"
                    "  scope_id: 0ne1\n"
                    "  dynamic_reprovisioning: true\n"
                    "  always_reprovision_on_startup: false\n"
                    "  attestation: {method: tpm, registration_id: dev-1}\n"
                    "hostname: Edge.Example\n"
                    "homedir: /srv/edge\n"
                    "connect: {management_uri: 'unix:///r/m', workload_uri: 'unix:///r/w'}\n"
                    "listen: {management_uri: 'fd://iotedge.mgmt.socket', workload_uri: 'fd://1',\n"
                    "  module_control: operators}\n"
                    "allow_elevated_docker_permissions: false\n"
                    "moby_runtime: {uri: 'unix:///run/podman.sock', network: {name: edge}}\n"
                    "certificates: {trusted_ca_certs: 'file:///etc/a%20b.pem', leaf_key: rsa2048,\n"
                    "  device_ca_cert: /c, device_ca_pk: 'file:///k',\n"
                    "  auto_generated_ca_lifetime_days: 7}\n"
                    "watchdog: {max_retries: 0}\n"
                    "modules: {on_stop: leave}\n"
                    "image_garbage_collection: {enabled: false, age_days: 1, interval_hours: 2}\n"
                    "hsm: {backend: tpm, derived_key_ttl: 0}\n"
                    "tpm:\n"
                    "  tcti: 'swtpm:host=127.0.0.1,port=1'\n"
                    "  allow_emulator: true\n"
                    "  pcrs: [7, 0]\n"
                    "  owner_auth_file: /o\n"
                    "  endorsement_auth_file: /e\n"
                    "  ek_template: legacy-unique0\n"
                    "cloud:\n"
                    "  extra_ca_file: /ca\n"
                    "  https_proxy: 'http://u:p@proxy:3128/'\n"
                    "  no_proxy: 'localhost,.example'\n");
    assert_string_equal(cfg->provisioning.global_endpoint, "https://dps.example:8443");
    assert_true(cfg->provisioning.dynamic_reprovisioning);
    assert_false(cfg->provisioning.always_reprovision_on_startup);
    assert_string_equal(cfg->provisioning.registration_id, "dev-1");
    assert_string_equal(cfg->hostname, "Edge.Example");
    assert_string_equal(cfg->homedir, "/srv/edge");
    assert_string_equal(cfg->connect_management.path, "/r/m");
    assert_int_equal(cfg->listen_management.scheme, CONFIG_SCHEME_FD);
    assert_string_equal(cfg->listen_management.name, "iotedge.mgmt.socket");
    assert_int_equal(cfg->listen_workload.fd_index, 1);
    assert_string_equal(cfg->engine.path, "/run/podman.sock");
    assert_string_equal(cfg->network.name, "edge");
    assert_true(cfg->has_max_retries && cfg->max_retries == 0);
    assert_int_equal(cfg->on_stop, CONFIG_STOP_LEAVE);
    assert_false(cfg->image_gc.enabled);
    assert_int_equal(cfg->image_gc.age_days, 1);
    assert_int_equal(cfg->image_gc.interval_hours, 2);
    assert_true(!cfg->allow_elevated && cfg->narrow_control);
    assert_string_equal(cfg->trusted_ca_certs, "/etc/a b.pem");
    assert_string_equal(cfg->device_ca_cert, "/c");
    assert_string_equal(cfg->device_ca_pk, "/k");
    assert_int_equal(cfg->auto_generated_ca_lifetime_days, 7);
    assert_int_equal(cfg->leaf_key, CONFIG_LEAF_RSA2048);
    assert_int_equal(cfg->tpm_pcrs, 1 << 7 | 1);
    assert_int_equal(cfg->derived_key_ttl_s, 0);
    assert_string_equal(cfg->tpm_tcti, "swtpm:host=127.0.0.1,port=1");
    assert_true(cfg->tpm_allow_emulator);
    assert_string_equal(cfg->tpm_owner_auth_file, "/o");
    assert_string_equal(cfg->tpm_endorsement_auth_file, "/e");
    assert_int_equal(cfg->tpm_ek_template, CONFIG_EK_LEGACY_UNIQUE0);
    assert_string_equal(cfg->cloud_extra_ca_file, "/ca");
    assert_string_equal(cfg->https_proxy, "http://u:p@proxy:3128");
    assert_string_equal(cfg->no_proxy, "localhost,.example");
    config_free(cfg);
}

static void test_sections_merge_with_defaults(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS "moby_runtime: {network: x}\n"
                                              "connect: {}\n");
    assert_string_equal(cfg->network.name, "x");
    assert_string_equal(cfg->engine.path, "/var/run/docker.sock");
    assert_string_equal(cfg->connect_workload.path, "/var/run/iotedge/workload.sock");
    config_free(cfg);
    cfg = expect_fine(DPS "moby_runtime: {network: ''}\n");
    assert_string_equal(cfg->network.name, "azure-iot-edge");
    config_free(cfg);
    cfg = expect_fine(DPS "moby_runtime: {network: {name: ''}}\n");
    assert_string_equal(cfg->network.name, "azure-iot-edge");
    config_free(cfg);
}

static void test_modules(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS "modules: {on_stop: stop}\n"
                                              "watchdog: {max_retries: ~}\n");
    assert_int_equal(cfg->on_stop, CONFIG_STOP_STOP);
    assert_false(cfg->has_max_retries);
    config_free(cfg);
    expect_error(DPS "modules: {on_stop: never}\n", 2, 20, "modules.on_stop",
                 "'never' is none of 'auto', 'leave', 'stop'");
    expect_error(DPS "image_garbage_collection: {age_days: 0}\n", 2, 38,
                 "image_garbage_collection.age_days", "must be from 1 to 3650 days");
    expect_error(DPS "image_garbage_collection: {interval_hours: 0}\n", 2, 44,
                 "image_garbage_collection.interval_hours", "must be from 1 to 8760 hours");
}

static void test_aliases_reach_the_values(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS "connect: &c\n  management_uri: unix:///r/m\n"
                                              "  workload_uri: unix:///r/w\nlisten: *c\n");
    assert_string_equal(cfg->listen_management.path, "/r/m");
    config_free(cfg);
}

static void test_paths_that_containers_mount(void **state) {
    (void)state;
    expect_error(DPS "homedir: '/srv/a:b'\n", 2, 10, "homedir", "has a ':' in its path");
    expect_error_among(DPS "connect: {workload_uri: 'unix:///r/w:1'}\n", 2, 25,
                       "connect.workload_uri", "has a ':' in its path");
    expect_error_among(DPS "connect: {management_uri: 'unix:///r/m:1'}\n", 2, 27,
                       "connect.management_uri", "has a ':' in its path");
}

static void test_hostname(void **state) {
    (void)state;
    expect_error(DPS "hostname: '<ADD HOSTNAME HERE>'\n", 2, 11, "hostname", "placeholder");
    expect_error(DPS "hostname: ''\n", 2, 11, "hostname", "is empty");
    expect_warning(DPS "hostname: a_b\n", 2, 11, "hostname", "other characters");
}

static void test_registration_id(void **state) {
    (void)state;
    expect_error("provisioning: {source: dps, global_endpoint: 'https://d', scope_id: s, "
                 "registration_id: 'a b'}\n",
                 1, 89, "provisioning.registration_id", "other characters");
    expect_warning("provisioning: {source: dps, global_endpoint: 'https://d', scope_id: s, "
                   "attestation: {method: tpm, registration_id: Dev}}\n",
                   1, 116, "provisioning.attestation.registration_id", "small letters");
}

static void test_cloud(void **state) {
    (void)state;
    expect_error("provisioning: {source: dps, global_endpoint: 'http://d', scope_id: s, "
                 "attestation: {method: tpm}}\n",
                 1, 46, "provisioning.global_endpoint", "must be an https URL");
    expect_error("provisioning: {source: dps, global_endpoint: 'https://d', scope_id: '<X>', "
                 "attestation: {method: tpm}}\n",
                 1, 69, "provisioning.scope_id", "placeholder");
    expect_error(DPS "cloud: {extra_ca_file: ca.pem}\n", 2, 24, "cloud.extra_ca_file",
                 "must be an absolute path");
}

static void test_proxy(void **state) {
    (void)state;
    expect_error(DPS "cloud: {https_proxy: 'proxy:3128'}\n", 2, 22, "cloud.https_proxy",
                 "must be an http or https URL");
    expect_error(DPS "cloud: {no_proxy: 'http://h'}\n", 2, 19, "cloud.no_proxy", "not URLs");
    expect_hidden(DPS "cloud: {https_proxy: 'socks5://u:S3cr3t@h'}\n", "S3cr3t");
    expect_hidden(DPS "cloud: {https_proxy: [S3cr3t]}\n", "S3cr3t");
    struct edge_config *cfg = expect_fine(DPS "cloud: {https_proxy: , no_proxy: ''}\n");
    assert_null(cfg->https_proxy);
    assert_string_equal(cfg->no_proxy, "");
    config_free(cfg);
}

static void test_uris(void **state) {
    (void)state;
    expect_error(DPS "listen: {management_uri: 'http://0.0.0.0:8080'}\n", 2, 26,
                 "listen.management_uri", "every caller would have the rights of all");
    expect_error(DPS "listen: {workload_uri: 'https://0.0.0.0:8081'}\n", 2, 24,
                 "listen.workload_uri", "which module is calling");
    expect_error(DPS "listen: {workload_uri: /run/x}\n", 2, 24, "listen.workload_uri", "is no URI");
    expect_error(DPS "connect: {workload_uri: fd://x}\n", 2, 25, "connect.workload_uri",
                 "connect to Unix sockets only");
    expect_error(DPS "connect: {workload_uri: 'http://h:1'}\n", 2, 25, "connect.workload_uri",
                 "connect to Unix sockets only");
    expect_error(DPS "connect: {workload_uri: x}\n", 2, 25, "connect.workload_uri", "is no URI");
    expect_error(DPS "moby_runtime: {uri: 'http://localhost:2375/'}\n", 2, 21, "moby_runtime.uri",
                 "rules the machine");
    expect_error(DPS "moby_runtime: {uri: 'unix://x'}\n", 2, 21, "moby_runtime.uri",
                 "absolute path");
}

static void test_paths(void **state) {
    (void)state;
    expect_error(DPS "homedir: var/lib\n", 2, 10, "homedir", "must be an absolute path");
    expect_error(DPS "tpm: {owner_auth_file: x}\n", 2, 24, "tpm.owner_auth_file", "absolute path");
    expect_error(DPS "tpm: {endorsement_auth_file: ''}\n", 2, 30, "tpm.endorsement_auth_file",
                 "is empty");
    expect_error(DPS "certificates: {trusted_ca_certs: 'http://x/y'}\n", 2, 34,
                 "certificates.trusted_ca_certs", "only file URIs");
    expect_warning(DPS "certificates: {trusted_ca_certs: x.pem}\n", 2, 34,
                   "certificates.trusted_ca_certs", "relative path");
}

static void test_derived_key_ttl(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS "hsm: {derived_key_ttl: 604800}\n");
    assert_int_equal(cfg->derived_key_ttl_s, 604800);
    config_free(cfg);
    expect_error(DPS "hsm: {derived_key_ttl: 604801}\n", 2, 24, "hsm.derived_key_ttl",
                 "must be from 0 to 604800 seconds");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_given),
        cmocka_unit_test(test_sections_merge_with_defaults),
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_paths_that_containers_mount),
        cmocka_unit_test(test_aliases_reach_the_values),
        cmocka_unit_test(test_hostname),
        cmocka_unit_test(test_registration_id),
        cmocka_unit_test(test_cloud),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_uris),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_derived_key_ttl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
