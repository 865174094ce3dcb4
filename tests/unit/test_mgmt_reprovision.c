/* SPDX-License-Identifier: MIT */
/*
 * Asking again, for operators and for edgeAgent.
 */
#include "api/api.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct {
    unsigned asked, suggested;
    char why[64];
    enum edge_code preview_code;
    provisioning_preview_fn *done;
    void *data;
} env;

void provisioning_ask(struct provisioning *p, const char *why) {
    (void)p;
    env.asked++;
    snprintf(env.why, sizeof(env.why), "%s", why);
}

void provisioning_suggest(struct provisioning *p, const char *why) {
    (void)p;
    env.suggested++;
    snprintf(env.why, sizeof(env.why), "%s", why);
}

enum edge_code provisioning_preview(struct provisioning *p, provisioning_preview_fn *done,
                                    void *data, struct edge_error *err) {
    (void)p;
    if (env.preview_code != EDGE_OK) {
        return edge_set(err, env.preview_code, "the source is asked already");
    }
    env.done = done;
    env.data = data;
    return EDGE_OK;
}

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    static const struct provisioning_status status;
    (void)p;
    return &status;
}

static struct edge_config cfg;
static struct api api = {.config = &cfg};

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    memset(&cfg, 0, sizeof(cfg));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    return 0;
}

static void ask(const char *body) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_body(body);
    mgmt_reprovision(x);
}

/* The agents of this device class take 200 only, whatever comes of it. */
static void test_edge_agent(void **state) {
    (void)state;
    mgmt_device_reprovision(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(), "");
    assert_int_equal(env.suggested, 0);
    cfg.provisioning.dynamic_reprovisioning = true;
    mgmt_device_reprovision(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 200);
    assert_int_equal(env.suggested, 1);
    assert_int_equal(env.asked, 0);
    assert_string_equal(env.why, "edgeAgent asked for it");
}

static void test_operator(void **state) {
    (void)state;
    ask("{\"dryRun\":false}");
    assert_int_equal(fake_exchange_status(), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"dryRun\":false"));
    assert_int_equal(env.asked, 1);
    ask("{}");
    assert_int_equal(fake_exchange_status(), 200);
    assert_int_equal(env.asked, 2);
}

static void test_malformed(void **state) {
    (void)state;
    static const char *const bodies[] = {"", "{", "{\"dryRun\":\"yes\"}", "{\"dryRun\":1}"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        ask(bodies[i]);
        assert_int_equal(fake_exchange_status(), 400);
    }
    assert_int_equal(env.asked, 0);
}

static void test_dry_run(void **state) {
    struct provisioning_preview preview = {
        .changes = true, .hub = "other.example.net", .device_id = "dev-01", .text = "It moves."};
    (void)state;
    ask("{\"dryRun\":true}");
    assert_int_equal(fake_exchange_answers(), 0);
    env.done(env.data, &preview);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(),
                        "{\"dryRun\":true,\"changes\":true,\"hub\":\"other.example.net\","
                        "\"deviceId\":\"dev-01\",\"text\":\"It moves.\"}");
    assert_int_equal(env.asked, 0);
}

static void test_dry_run_failures(void **state) {
    struct provisioning_preview preview = {0};
    (void)state;
    env.preview_code = EDGE_BUSY;
    ask("{\"dryRun\":true}");
    assert_int_equal(fake_exchange_status(), 503);
    env.preview_code = EDGE_OK;
    ask("{\"dryRun\":true}");
    (void)edge_set(&preview.err, EDGE_REMOTE, "the enrollment is disabled");
    env.done(env.data, &preview);
    assert_true(fake_exchange_status() >= 400);
    assert_non_null(strstr(fake_exchange_text(), "the enrollment is disabled"));
}

static void test_client_leaves(void **state) {
    const struct provisioning_preview preview = {.changes = true};
    (void)state;
    ask("{\"dryRun\":true}");
    fake_exchange_leave();
    env.done(env.data, &preview);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_edge_agent), T(test_operator),         T(test_malformed),
        T(test_dry_run),    T(test_dry_run_failures), T(test_client_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
