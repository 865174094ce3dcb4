/* SPDX-License-Identifier: MIT */
/*
 * Whose key it is, and that the lines for config.yaml are lines that config.yaml takes.
 */
#include "cli/key_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct key_target target;
static struct edge_error err;

static enum edge_code choose(const char *hub, const char *device, const char *scope,
                             const char *registration_id, const struct edge_config *cfg) {
    const struct key_target_options o = {hub, device, scope, registration_id};
    memset(&target, 0, sizeof(target));
    return key_target_choose(&o, cfg, &target, &err);
}

static void test_options(void **state) {
    (void)state;
    assert_int_equal(choose("H.example.net", "Dev", NULL, NULL, NULL), EDGE_OK);
    assert_string_equal(target.text, "hub:h.example.net/Dev");
    assert_int_equal(choose(NULL, NULL, "0ne1", "reg", NULL), EDGE_OK);
    assert_string_equal(target.text, "dps:0ne1/reg");
    assert_true(target.is_dps);
    assert_int_equal(choose("h", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(choose(NULL, NULL, "s", NULL, NULL), EDGE_INVALID);
    assert_int_equal(choose("h", "d", "s", "r", NULL), EDGE_INVALID);
    assert_int_equal(choose("h h", "d", NULL, NULL, NULL), EDGE_INVALID);
    assert_non_null(strstr(err.text, "'h h'"));
    assert_int_equal(choose(NULL, NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_non_null(strstr(err.text, "--hub"));
}

static void test_configuration(void **state) {
    static char hub[] = "h.example.net", device[] = "d", scope[] = "s", reg[] = "r";
    struct edge_config cfg = {0};
    (void)state;
    cfg.provisioning.source = CONFIG_SOURCE_MANUAL;
    cfg.provisioning.credential = CONFIG_CREDENTIAL_KEY;
    cfg.provisioning.hub_hostname = hub;
    cfg.provisioning.device_id = device;
    assert_int_equal(choose(NULL, NULL, NULL, NULL, &cfg), EDGE_OK);
    assert_string_equal(target.text, "hub:h.example.net/d");
    cfg.provisioning.source = CONFIG_SOURCE_DPS;
    cfg.provisioning.scope_id = scope;
    cfg.provisioning.registration_id = reg;
    assert_int_equal(choose(NULL, NULL, NULL, NULL, &cfg), EDGE_OK);
    assert_string_equal(target.text, "dps:s/r");
    cfg.provisioning.credential = CONFIG_CREDENTIAL_TPM;
    assert_int_equal(choose(NULL, NULL, NULL, NULL, &cfg), EDGE_INVALID);
}

static const char rest[] =
    "hostname: \"h\"\n"
    "homedir: \"/var/lib/iotedge\"\n"
    "connect:\n  management_uri: \"unix:///m\"\n  workload_uri: \"unix:///w\"\n"
    "listen:\n  management_uri: \"unix:///m\"\n  workload_uri: \"unix:///w\"\n"
    "moby_runtime:\n  uri: \"unix:///d\"\n";

static struct edge_config *load(void) {
    struct edge_config *cfg = NULL;
    struct config_report report = {0};
    struct buf text;
    buf_init(&text, 8192);
    assert_int_equal(key_target_lines(&target, NULL, &text, NULL), EDGE_OK);
    assert_int_equal(buf_append_str(&text, rest, NULL), EDGE_OK);
    enum edge_code code = config_parse("f", buf_slice(&text), &cfg, &report, &err);
    if (code != EDGE_OK) {
        fail_msg("%s: %s: %s\n%s", err.text, report.items[0].key, report.items[0].text,
                 buf_cstr(&text));
    }
    config_report_clear(&report);
    buf_clear(&text);
    return cfg;
}

static void test_lines_are_configuration(void **state) {
    (void)state;
    assert_int_equal(choose("h.example.net", "d", NULL, NULL, NULL), EDGE_OK);
    struct edge_config *cfg = load();
    assert_int_equal(cfg->provisioning.source, CONFIG_SOURCE_MANUAL);
    assert_int_equal(cfg->provisioning.credential, CONFIG_CREDENTIAL_KEY);
    assert_string_equal(cfg->provisioning.hub_hostname, "h.example.net");
    assert_int_equal(cfg->provisioning.key.len, 0);
    config_free(cfg);
    assert_int_equal(choose(NULL, NULL, "0ne00000001", "reg-1", NULL), EDGE_OK);
    cfg = load();
    assert_int_equal(cfg->provisioning.source, CONFIG_SOURCE_DPS);
    assert_string_equal(cfg->provisioning.registration_id, "reg-1");
    assert_string_equal(cfg->provisioning.scope_id, "0ne00000001");
    config_free(cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_lines_are_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
