/* SPDX-License-Identifier: MIT */
/*
 * Whole documents in config_samples/, one for each case that the 1.1 daemon is known by, with what
 * is expected of it. Where that daemon starts and fails at provisioning (late_*), and where it
 * opens network sockets, this one refuses the file.
 */
#include "base/fs.h"
#include "config/config.h"

#include "test_config_expect.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

struct sample {
    const char *file;
    const char *mode; /* of an accepted document; NULL: refused */
    unsigned line;    /* of the error */
    const char *key;
    const char *part;
    size_t error_cnt; /* 0: one */
};

#define STRING "manual.device_connection_string"
#define AUTH   "provisioning.authentication"
#define ATTEST "provisioning.attestation"
#define LEGACY "provisioning.device_connection_string"

static const struct sample samples[] = {
    {.file = "manual_string", .mode = STRING},
    {.file = "one_path_for_all_certificates", .mode = STRING},
    {.file = "manual_nested_string", .mode = STRING},
    {.file = "manual_x509", .mode = "manual.x509"},
    {.file = "manual_tpm", .mode = STRING},
    {.file = "dps_older_form", .mode = "dps.tpm"},
    {.file = "dps_tpm", .mode = "dps.tpm"},
    {.file = "dps_symmetric_key", .mode = "dps.symmetric_key"},
    {.file = "dps_x509", .mode = "dps.x509"},
    {.file = "dynamic_reprovisioning", .mode = STRING},
    {.file = "external_http", .mode = "external"},
    {.file = "external_dynamic", .mode = "external"},
    {.file = "network", .mode = "dps.tpm"},
    {.file = "certificates_by_path", .mode = STRING},
    {.file = "case_is_kept", .mode = "dps.tpm"},
    {"https_listeners", NULL, 10, "listen.workload_uri", "which module is calling", 5},
    {"bad_syntax", NULL, 3, "", "", 0},
    {"bad_manual_without_anything", NULL, 2, "provisioning", "needs one of", 0},
    {"bad_dps_no_registration_id", NULL, 1, ATTEST, "missing", 0},
    {"bad_dps_symmetric_id_twice", NULL, 8, ATTEST ".registration_id", "given twice", 0},
    {"bad_dps_tpm_id_twice", NULL, 8, ATTEST ".registration_id", "given twice", 0},
    {"bad_dynamic_word", NULL, 4, "provisioning.dynamic_reprovisioning", "true or false", 0},
    {"bad_dps_x509_no_pk", NULL, 5, ATTEST ".identity_pk", "missing", 0},
    {"bad_dps_x509_no_cert", NULL, 5, ATTEST ".identity_cert", "missing", 0},
    {"bad_dps_x509_relative_cert", NULL, 8, ATTEST ".identity_cert", "must be a file URI", 0},
    {"bad_dps_x509_relative_pk", NULL, 9, ATTEST ".identity_pk", "must be a file URI", 0},
    {"bad_manual_both_strings", NULL, 3, LEGACY, "only one of", 0},
    {"bad_manual_method_without_string", NULL, 3, AUTH ".device_connection_string", "missing", 0},
    {"bad_manual_x509_no_pk", NULL, 3, AUTH ".identity_pk", "missing", 0},
    {"bad_manual_x509_no_cert", NULL, 3, AUTH ".identity_cert", "missing", 0},
    {"bad_manual_x509_no_device_id", NULL, 3, AUTH ".device_id", "missing", 0},
    {"bad_manual_x509_no_hub", NULL, 3, AUTH ".iothub_hostname", "missing", 0},
    {"bad_manual_x509_and_string", NULL, 3, LEGACY, "only one of", 0},
    {"late_empty_string", NULL, 3, LEGACY, "is empty", 0},
    {"late_placeholder", NULL, 3, LEGACY, "placeholder", 0},
    {"late_nonsense", NULL, 5, AUTH ".device_connection_string", "has no DeviceId", 0},
    {"late_nested_empty_string", NULL, 5, AUTH ".device_connection_string", "is empty", 0},
};

static struct buf read_sample(const char *name) {
    char path[1024];
    struct buf text;
    (void)snprintf(path, sizeof(path), "%s/%s.yaml", SAMPLES_DIR, name);
    buf_init(&text, CONFIG_SIZE_MAX);
    assert_int_equal(fs_read_path(path, &text, NULL), EDGE_OK);
    return text;
}

static struct edge_config *load_sample(const char *name) {
    struct buf text = read_sample(name);
    assert_non_null(buf_cstr(&text));
    struct edge_config *cfg = expect_fine(buf_cstr(&text));
    buf_clear(&text);
    return cfg;
}

static bool has_problem(const struct outcome *o, const struct sample *s) {
    for (size_t i = 0; i < o->report.cnt; i++) {
        const struct config_problem *p = &o->report.items[i];
        if (p->severity == CONFIG_ERROR && p->line == s->line && strcmp(p->key, s->key) == 0 &&
            strstr(p->text, s->part) != NULL) {
            return true;
        }
    }
    return false;
}

static void print_problems(const struct outcome *o, const char *name) {
    for (size_t i = 0; i < o->report.cnt; i++) {
        char line[512];
        config_problem_format(name, &o->report.items[i], line, sizeof(line));
        print_message("%s\n", line);
    }
}

static void test_verdicts(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(samples); i++) {
        const struct sample *s = &samples[i];
        struct buf text = read_sample(s->file);
        struct outcome o = outcome_of_slice(buf_slice(&text));
        size_t error_cnt = s->error_cnt != 0 ? s->error_cnt : 1;
        bool fine = s->mode != NULL && o.code == EDGE_OK && o.report.cnt == 0 &&
                    strcmp(config_provisioning_mode(&o.cfg->provisioning), s->mode) == 0;
        bool refused = s->mode == NULL && o.code == EDGE_CONFIG && has_problem(&o, s) &&
                       o.report.error_cnt == error_cnt;
        if (!fine && !refused) {
            print_problems(&o, s->file);
            fail_msg("%s: not what is expected", s->file);
        }
        outcome_clear(&o);
        buf_clear(&text);
    }
}

static void test_each_document_has_a_verdict(void **state) {
    (void)state;
    DIR *dir = opendir(SAMPLES_DIR);
    assert_non_null(dir);
    size_t cnt = 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        cnt += slice_ends_with(slice_str(e->d_name), ".yaml") ? 1 : 0;
    }
    assert_int_equal(closedir(dir), 0);
    assert_int_equal(cnt, EDGE_ARRAY_LEN(samples));
}

static void test_values(void **state) {
    (void)state;
    struct edge_config *cfg = load_sample("manual_string");
    assert_string_equal(cfg->provisioning.hub_hostname, "plant.azure-devices.net");
    assert_int_equal(cfg->provisioning.key.len, 37);
    assert_int_equal(cfg->provisioning.key_line, 3);
    assert_null(cfg->trusted_ca_certs);
    assert_true(cfg->has_max_retries);
    assert_int_equal(cfg->max_retries, 3);
    assert_string_equal(cfg->agent.image, "mcr.microsoft.com/azureiotedge-agent:1.1");
    assert_string_equal(buf_cstr(&cfg->agent.env), "{}");
    assert_string_equal(buf_cstr(&cfg->agent.create_options), "{}");
    assert_int_equal(cfg->agent.auth.len, 0);
    config_free(cfg);
    cfg = load_sample("dps_symmetric_key");
    assert_true(cfg->provisioning.dynamic_reprovisioning);
    config_free(cfg);
    cfg = load_sample("external_dynamic");
    assert_true(cfg->provisioning.dynamic_reprovisioning);
    assert_string_equal(cfg->provisioning.endpoint, "unix:///run/provisioner/api.sock");
    config_free(cfg);
    cfg = load_sample("network");
    assert_string_equal(cfg->network.name, "plant-net");
    assert_true(cfg->network.ipv6);
    assert_int_equal(cfg->network.range_cnt, 2);
    assert_string_equal(cfg->network.ranges[0].ip_range, "172.28.8.0/21");
    assert_string_equal(cfg->network.ranges[1].gateway, "2001:db8:28::1");
    config_free(cfg);
    cfg = load_sample("certificates_by_path");
    assert_string_equal(cfg->trusted_ca_certs, "/srv/certs/roots.pem");
    config_free(cfg);
}

static void test_case_is_kept(void **state) {
    (void)state;
    struct edge_config *cfg = load_sample("case_is_kept");
    assert_string_equal(cfg->agent.image, "registry.example/agent:1.1");
    assert_string_equal(buf_cstr(&cfg->agent.env), "{\"AbC\":\"xyZ\",\"DeF\":\"uVw\"}");
    assert_string_equal(buf_cstr(&cfg->agent.create_options), "{\"Hostname\":\"InSide\"}");
    config_free(cfg);
}

/* The classes of what is refused, one line each. */
static void test_classes(void **state) {
    (void)state;
    expect_error("a: 'b\n", 2, 1, "", "");
    expect_error_among("a: 1\n---\nb: 2\n", 2, 1, "", "");
    expect_error("provisioning: {source: external}\n", 1, 1, "provisioning.endpoint", "missing");
    expect_error(DPS "hostname: 5\n", 2, 11, "hostname", "expected a string, found a number");
    expect_error(DPS "watchdog: ~\n", 2, 11, "watchdog", "has no value");
    expect_error(DPS "watchdog: {max_retries: unlimited}\n", 2, 25, "watchdog.max_retries",
                 "expected a whole number");
    expect_error(DPS "agent: {imagePullPolicy: always}\n", 2, 26, "agent.imagePullPolicy",
                 "'always' is none of");
    expect_error(DPS "moby_runtime: {network: [x]}\n", 2, 25, "moby_runtime.network",
                 "expected a name or a mapping");
    expect_error("provisioning: {source: edge}\n", 1, 24, "provisioning.source",
                 "'edge' is none of 'manual', 'dps', 'external'");
    expect_error("provisioning: {source: manual, authentication: {method: sas}}\n", 1, 57,
                 AUTH ".method", "is none of");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_each_document_has_a_verdict),
        cmocka_unit_test(test_values),   cmocka_unit_test(test_case_is_kept),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
