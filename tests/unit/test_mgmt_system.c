/* SPDX-License-Identifier: MIT */
/*
 * The system information route, whose members edgeAgent dereferences without looking.
 */
#include "api/api.h"

#include "base/json.h"
#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct {
    runtime_info_fn *done;
    void *data;
    enum edge_code code;
} env;

enum edge_code runtime_get_info(struct runtime *rt, runtime_info_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    (void)rt;
    if (env.code != EDGE_OK) {
        return edge_set(err, env.code, "too many requests in flight");
    }
    env.done = done;
    env.data = data;
    *ret_op = (struct op){3, 1};
    return EDGE_OK;
}

static struct edge_config cfg;
static struct host_facts host;
static struct api api = {.config = &cfg, .host = &host};

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    memset(&cfg, 0, sizeof(cfg));
    host = (struct host_facts){.virtualized = "unknown"};
    cfg.provisioning.source = CONFIG_SOURCE_DPS;
    cfg.provisioning.credential = CONFIG_CREDENTIAL_TPM;
    cfg.provisioning.always_reprovision_on_startup = true;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    return 0;
}

static void assert_text(const struct cJSON *root, const char *name, const char *value) {
    struct slice text;
    assert_int_equal(json_get_str(root, name, &text, NULL), EDGE_OK);
    assert_true(slice_eq_str(text, value));
}

static void test_all_members(void **unused) {
    (void)unused;
    const struct runtime_info info = {.os_type = "linux",
                                      .architecture = "x86_64",
                                      .server_version = "20.10",
                                      .kernel_version = "6.1",
                                      .operating_system = "Debian",
                                      .cpus = 2,
                                      .total_memory = 4096};
    struct cJSON *root = NULL;
    const struct cJSON *prov;
    int64_t cpus, memory;
    bool flag;
    host = (struct host_facts){.kernel_release = "6.1.0",
                               .os_version = "12",
                               .os_variant = "server",
                               .os_build = "20",
                               .product_name = "Box",
                               .system_vendor = "Boxes",
                               .virtualized = "no"};
    mgmt_system_info(fake_exchange(&api));
    assert_true(fake_exchange_has_op());
    env.done(env.data, EDGE_OK, &info, NULL);
    assert_int_equal(fake_exchange_status(), 200);
    assert_int_equal(json_parse(slice_str(fake_exchange_text()), &root, NULL), EDGE_OK);
    assert_text(root, "osType", "linux");
    assert_text(root, "architecture", "x86_64");
    assert_text(root, "server_version", "20.10");
    assert_text(root, "kernel_version", "6.1");
    assert_text(root, "operating_system", "Debian");
    assert_int_equal(json_get_i64(root, "cpus", &cpus, NULL), EDGE_OK);
    assert_int_equal(cpus, 2);
    assert_text(root, "virtualized", "no");
    assert_text(root, "kernel_release", "6.1.0");
    assert_text(root, "operating_system_version", "12");
    assert_text(root, "operating_system_variant", "server");
    assert_text(root, "operating_system_build", "20");
    assert_text(root, "product_name", "Box");
    assert_text(root, "system_vendor", "Boxes");
    assert_int_equal(json_get_i64(root, "total_memory", &memory, NULL), EDGE_OK);
    assert_int_equal(memory, 4096);
    assert_int_equal(json_get_object(root, "provisioning", &prov, NULL), EDGE_OK);
    assert_text(prov, "type", "dps.tpm");
    assert_int_equal(json_get_bool(prov, "dynamicReprovisioning", &flag, NULL), EDGE_OK);
    assert_false(flag);
    assert_int_equal(json_get_bool(prov, "alwaysReprovisionOnStartup", &flag, NULL), EDGE_OK);
    assert_true(flag);
    json_free(root);
}

static void test_unknown_values(void **unused) {
    (void)unused;
    const struct runtime_info info = {0};
    mgmt_system_info(fake_exchange(&api));
    env.done(env.data, EDGE_OK, &info, NULL);
    assert_non_null(strstr(fake_exchange_text(), "\"osType\":\"Unknown\""));
    assert_non_null(strstr(fake_exchange_text(), "\"server_version\":\"\""));
    assert_non_null(strstr(fake_exchange_text(), "\"virtualized\":\"unknown\""));
    assert_null(strstr(fake_exchange_text(), "product_name"));
    assert_null(strstr(fake_exchange_text(), "total_memory"));
}

static void test_engine_away(void **unused) {
    (void)unused;
    struct edge_error err;
    (void)edge_set(&err, EDGE_NET, "nobody answers at '/run/docker.sock'");
    mgmt_system_info(fake_exchange(&api));
    env.done(env.data, EDGE_NET, NULL, &err);
    assert_int_equal(fake_exchange_status(), 503);
    assert_non_null(strstr(fake_exchange_text(), "/run/docker.sock"));
}

static void test_cannot_ask(void **unused) {
    (void)unused;
    env.code = EDGE_BUSY;
    mgmt_system_info(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_client_leaves(void **unused) {
    (void)unused;
    const struct runtime_info info = {0};
    mgmt_system_info(fake_exchange(&api));
    fake_exchange_leave();
    env.done(env.data, EDGE_OK, &info, NULL);
}

static void test_support_bundle(void **unused) {
    (void)unused;
    mgmt_support_bundle(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 501);
    assert_non_null(strstr(fake_exchange_text(), "Could not collect support bundle"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_all_members), T(test_unknown_values), T(test_engine_away),
        T(test_cannot_ask),  T(test_client_leaves),  T(test_support_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
