/* SPDX-License-Identifier: MIT */
#include "cloud/sas.h"

#include "base/clock.h"
#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DPS_TOKEN                                                                                  \
    "SharedAccessSignature sr=0ne00000000%2Fregistrations%2Fdev-01"                                \
    "&sig=fzICP13iutSeze%2Ff8l10Neowz8UznAa71iSx1PkV6B8%3D&se=1700003600&skn=registration"
#define HUB_TOKEN                                                                                  \
    "SharedAccessSignature sr=h.azure-devices.net%2Fdevices%2Fdev-01"                              \
    "&sig=3KzhYtjD%2F0EqY0BebYlUtIjsGRoE4q5vpvpJNVRlfWI%3D&se=1700003600"

struct result {
    unsigned cnt;
    enum edge_code code;
    bool has_token;
    char token[1024];
    struct edge_error err;
};

static void on_token(void *data, enum edge_code code, const char *token,
                     const struct edge_error *err) {
    struct result *r = data;
    r->cnt++;
    r->code = code;
    r->has_token = token != NULL;
    if (token != NULL) {
        assert_true(slice_to_array(slice_str(token), r->token, sizeof(r->token)));
    }
    r->err = *err;
}

static int setup(void **state) {
    static struct cloud_env env;
    cloud_env_init(&env);
    *state = &env;
    return 0;
}

static int teardown(void **state) {
    cloud_env_clear(*state);
    return 0;
}

static void assert_resource(const char *audience, const char *expected) {
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(sas_resource(slice_str(audience), &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), expected);
    buf_clear(&out);
}

static void test_resource_is_lower_case_and_encoded(void **state) {
    (void)state;
    assert_resource("0ne00000000/registrations/Dev-01", "0ne00000000%2Fregistrations%2Fdev-01");
    assert_resource("H.Azure-Devices.NET/devices/A", "h.azure-devices.net%2Fdevices%2Fa");
    assert_resource("a$b-c.d_e~f:g@h", "a$b-c.d_e~f:g@h");
    assert_resource("a=b#c?d%e f", "a%3Db%23c%3Fd%25e%20f");
    assert_resource("\xc3\x84", "%C3%84");
}

static void test_resource_limits(void **state) {
    (void)state;
    char text[SAS_AUDIENCE_MAX + 1];
    memset(text, '/', sizeof(text));
    struct buf out;
    buf_init(&out, 8192);
    assert_int_equal(sas_resource(slice_make(text, SAS_AUDIENCE_MAX), &out, NULL), EDGE_OK);
    assert_int_equal(out.len, 3 * SAS_AUDIENCE_MAX);
    buf_clear(&out);
    assert_int_equal(sas_resource(slice_make(text, sizeof(text)), &out, NULL), EDGE_RANGE);
    assert_int_equal(sas_resource(slice_str(""), &out, NULL), EDGE_INVALID);
    buf_clear(&out);
}

static void test_format(void **state) {
    (void)state;
    uint8_t mac[HSM_MAC_LEN];
    memset(mac, 0xff, sizeof(mac));
    struct buf out;
    buf_init_sensitive(&out, 1024);
    assert_int_equal(sas_format(slice_str("r"), 12, mac, NULL, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out),
                        "SharedAccessSignature "
                        "sr=r&sig=%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%"
                        "2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F8%3D"
                        "&se=12");
    buf_clear(&out);
}

static void test_format_too_long(void **state) {
    (void)state;
    const uint8_t mac[HSM_MAC_LEN] = {0};
    for (size_t max = 0; max < 89; max++) {
        struct buf out;
        buf_init(&out, max);
        assert_int_equal(sas_format(slice_str("r"), 12, mac, "k", &out, NULL), EDGE_RANGE);
        buf_clear(&out);
    }
}

static const struct sas_request challenge_request = {
    .key = SAS_KEY_CHALLENGE,
    .audience = SLICE_LIT("0ne00000000/registrations/dev-01"),
    .key_name = "registration",
    .expiry_wall_s = 1700003600};

static void test_mint_challenge(void **state) {
    struct cloud_env *env = *state;
    struct result r = {0};
    assert_int_equal(sas_mint(env->worker, env->hsm, &challenge_request, on_token, &r, NULL, NULL),
                     EDGE_OK);
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.code, EDGE_OK);
    assert_string_equal(r.token, DPS_TOKEN);
}

static void test_mint_identity_copies_audience(void **state) {
    struct cloud_env *env = *state;
    struct result r = {0};
    char audience[] = "H.Azure-Devices.net/devices/Dev-01";
    const struct sas_request req = {.key = SAS_KEY_IDENTITY,
                                    .generation = 1,
                                    .audience = slice_str(audience),
                                    .expiry_wall_s = 1700003600};
    assert_int_equal(sas_mint(env->worker, env->hsm, &req, on_token, &r, NULL, NULL), EDGE_OK);
    memset(audience, 'x', sizeof(audience));
    fake_loop_run();
    assert_int_equal(r.code, EDGE_OK);
    assert_string_equal(r.token, HUB_TOKEN);
}

static void test_mint_key_failures(void **state) {
    struct cloud_env *env = *state;
    struct result r = {0};
    const struct sas_request req = {
        .key = SAS_KEY_IDENTITY, .generation = 77, .audience = SLICE_LIT("a"), .expiry_wall_s = 1};
    assert_int_equal(sas_mint(env->worker, env->hsm, &req, on_token, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.code, EDGE_NOT_FOUND);
    assert_false(r.has_token);
    fake_hsm_fail(env->hsm, 1, EDGE_HSM);
    assert_int_equal(sas_mint(env->worker, env->hsm, &challenge_request, on_token, &r, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.code, EDGE_HSM);
    assert_non_null(strstr(edge_error_text(&r.err), "scripted"));
    assert_int_equal(r.cnt, 2);
}

static void test_mint_refuses_bad_audience(void **state) {
    struct cloud_env *env = *state;
    struct result r = {0};
    struct sas_request req = challenge_request;
    req.audience = (struct slice){0};
    assert_int_equal(sas_mint(env->worker, env->hsm, &req, on_token, &r, NULL, NULL), EDGE_INVALID);
    fake_loop_run();
    assert_int_equal(r.cnt, 0);
}

/* Cancels before each step in turn, until the request ends before it could be cancelled. */
static void test_cancel_at_every_step(void **state) {
    struct cloud_env *env = *state;
    bool completed = false;
    for (unsigned steps = 0; !completed; steps++) {
        assert_true(steps < 10);
        struct result r = {0};
        struct op op;
        assert_int_equal(
            sas_mint(env->worker, env->hsm, &challenge_request, on_token, &r, &op, NULL), EDGE_OK);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_loop_step();
        }
        completed = r.cnt == 1;
        op_cancel(loop_ops(env->loop), op);
        op_cancel(loop_ops(env->loop), op);
        assert_int_equal(r.cnt, completed ? 1 : 0);
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        assert_int_equal(r.code, completed ? EDGE_OK : EDGE_CANCELED);
    }
}

static void test_queue_timeout(void **state) {
    struct cloud_env *env = *state;
    struct result r = {0};
    fake_worker_hold(true);
    assert_int_equal(sas_mint(env->worker, env->hsm, &challenge_request, on_token, &r, NULL, NULL),
                     EDGE_OK);
    fake_loop_advance(SAS_QUEUE_TIMEOUT_MS + 1);
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.code, EDGE_TIMEOUT);
    assert_non_null(strstr(edge_error_text(&r.err), "busy"));
}

static void test_full_queue(void **state) {
    struct cloud_env *env = *state;
    struct result r = {0};
    fake_worker_hold(true);
    for (unsigned i = 0; i < WORKER_QUEUE_MAX; i++) {
        assert_int_equal(
            sas_mint(env->worker, env->hsm, &challenge_request, on_token, &r, NULL, NULL), EDGE_OK);
    }
    assert_int_equal(sas_mint(env->worker, env->hsm, &challenge_request, on_token, &r, NULL, NULL),
                     EDGE_BUSY);
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(r.cnt, WORKER_QUEUE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resource_is_lower_case_and_encoded),
        cmocka_unit_test(test_resource_limits),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_too_long),
        cmocka_unit_test_setup_teardown(test_mint_challenge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mint_identity_copies_audience, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mint_key_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mint_refuses_bad_audience, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_queue, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
