/* SPDX-License-Identifier: MIT */
/* Loading from a file, and short memory at every allocation. */
#include "test_config_expect.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum edge_code load(struct tmpdir *dir, const char *name, struct outcome *o) {
    o->code = config_load(tmpdir_join(dir, name), &o->cfg, &o->report, &o->err);
    return o->code;
}

static void test_load(void **state) {
    struct tmpdir *dir = *state;
    struct outcome o = {0};
    tmpdir_write(dir, "c.yaml", DPS, strlen(DPS), 0400);
    assert_int_equal(load(dir, "c.yaml", &o), EDGE_OK);
    assert_string_equal(o.cfg->file, tmpdir_join(dir, "c.yaml"));
    outcome_clear(&o);
}

static void test_load_through_link(void **state) {
    struct tmpdir *dir = *state;
    struct outcome o = {0};
    tmpdir_write(dir, "real.yaml", DPS, strlen(DPS), 0600);
    assert_int_equal(symlinkat("real.yaml", dir->fd, "link.yaml"), 0);
    assert_int_equal(load(dir, "link.yaml", &o), EDGE_OK);
    assert_string_equal(o.cfg->file, tmpdir_join(dir, "link.yaml"));
    outcome_clear(&o);
}

static void test_no_file(void **state) {
    struct outcome o = {0};
    assert_int_equal(load(*state, "none.yaml", &o), EDGE_NOT_FOUND);
    assert_non_null(strstr(o.err.text, "none.yaml"));
    assert_int_equal(o.report.cnt, 0);
    outcome_clear(&o);
    assert_int_equal(config_load("/", &o.cfg, &o.report, &o.err), EDGE_INVALID);
    outcome_clear(&o);
}

static void test_too_large(void **state) {
    struct tmpdir *dir = *state;
    struct outcome o = {0};
    char *text = malloc(CONFIG_SIZE_MAX + 1);
    assert_non_null(text);
    memset(text, '\n', CONFIG_SIZE_MAX + 1);
    tmpdir_write(dir, "big.yaml", text, CONFIG_SIZE_MAX + 1, 0600);
    free(text);
    assert_int_equal(load(dir, "big.yaml", &o), EDGE_CONFIG);
    assert_true(outcome_has(&o, CONFIG_ERROR, 0, 0, "", "larger than"));
    outcome_clear(&o);
}

static void test_refused_file(void **state) {
    struct tmpdir *dir = *state;
    struct outcome o = {0};
    tmpdir_write(dir, "bad.yaml", "a: [\n", 5, 0600);
    assert_int_equal(load(dir, "bad.yaml", &o), EDGE_CONFIG);
    assert_non_null(strstr(o.err.text, "bad.yaml is not usable: 1 error"));
    assert_null(o.cfg);
    outcome_clear(&o);
}

static void test_free_of_nothing(void **state) {
    (void)state;
    config_free(NULL);
}

static enum edge_code parse_text(void *data) {
    struct edge_config *cfg = NULL;
    struct config_report report = {0};
    struct edge_error err = {0};
    enum edge_code code = config_parse("c.yaml", slice_str(data), &cfg, &report, &err);
    assert_true((code == EDGE_OK) == (cfg != NULL));
    assert_int_equal(code, err.code);
    config_free(cfg);
    config_report_clear(&report);
    return code;
}

static void test_short_memory(void **state) {
    (void)state;
    char text[] = "provisioning: {source: dps, global_endpoint: 'https://d/', scope_id: s, "
                  "attestation: {method: tpm, registration_id: Dev}}\n"
                  "connect: &c {management_uri: 'unix:///r/m', workload_uri: 'unix:///r/w'}\n"
                  "listen: *c\n"
                  "unknown: x\n5: x\nhostname: a\nhostname: b\n"
                  "certificates: {trusted_ca_certs: 'file:///t'}\n"
                  "tpm: {owner_auth_file: /o, endorsement_auth_file: /e}\n"
                  "cloud: {extra_ca_file: /ca, https_proxy: 'http://u:p@h', no_proxy: a}\n"
                  "moby_runtime: {network: {name: n}}\n";
    assert_true(alloc_fail_torture(parse_text, text) > 20);
}

/* Each of the other forms of provisioning. */
static void test_short_memory_in_every_form(void **state) {
    (void)state;
    static const char *const texts[] = {
        "provisioning: {source: manual, device_connection_string: "
        "'HostName=h;DeviceId=a#b;SharedAccessKey=a2V5'}\n",
        "provisioning: {source: manual, authentication: {method: x509, iothub_hostname: h.x, "
        "device_id: d, identity_cert: 'file:///c', identity_pk: 'file:///k'}}\n",
        "provisioning: {source: dps, global_endpoint: 'https://d/', scope_id: s, "
        "attestation: {method: symmetric_key, registration_id: d, symmetric_key: a2V5}}\n",
        "provisioning: {source: external, endpoint: 'http://h:1/'}\n",
        "provisioning: {source: external, endpoint: 'unix:///run/p'}\n",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        char *text = strdup(texts[i]);
        assert_non_null(text);
        assert_true(alloc_fail_torture(parse_text, text) > 10);
        free(text);
    }
}

static enum edge_code parse_refused(void *data) {
    enum edge_code code = parse_text(data);
    return code == EDGE_CONFIG ? EDGE_OK : code;
}

static void test_short_memory_while_refusing(void **state) {
    (void)state;
    char text[] = "provisioning: {source: dps, global_endpoint: 'http://d/', scope_id: 5, "
                  "attestation: {method: x509, identity_cert: 'file:///c', identity_pk: k}}\n"
                  "listen: {management_uri: 'fd://a', workload_uri: 'http://b'}\n"
                  "hostname: ''\nhomedir: x\nwatchdog:\nfoo: 1\nbar: 2\nbaz: 3\n";
    assert_true(alloc_fail_torture(parse_refused, text) > 10);
    char broken[] = "a: [\n";
    assert_true(alloc_fail_torture(parse_refused, broken) > 2);
}

static enum edge_code load_file(void *data) {
    struct edge_config *cfg = NULL;
    struct config_report report = {0};
    enum edge_code code = config_load(data, &cfg, &report, NULL);
    config_free(cfg);
    config_report_clear(&report);
    return code;
}

static void test_short_memory_while_loading(void **state) {
    struct tmpdir *dir = *state;
    char path[512];
    tmpdir_write(dir, "c.yaml", DPS, strlen(DPS), 0600);
    assert_true(slice_to_array(slice_str(tmpdir_join(dir, "c.yaml")), path, sizeof(path)));
    assert_int_equal(setenv("IOTEDGE_HOSTNAME", "h", 1), 0);
    assert_true(alloc_fail_torture(load_file, path) > 20);
    assert_int_equal(unsetenv("IOTEDGE_HOSTNAME"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_load, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_load_through_link, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_no_file, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_too_large, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_refused_file, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test(test_free_of_nothing),
        cmocka_unit_test(test_short_memory),
        cmocka_unit_test(test_short_memory_in_every_form),
        cmocka_unit_test(test_short_memory_while_refusing),
        cmocka_unit_test_setup_teardown(test_short_memory_while_loading, tmpdir_setup,
                                        tmpdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
