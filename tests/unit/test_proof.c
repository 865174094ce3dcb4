/* SPDX-License-Identifier: MIT */
#include "cloud/proof.h"

#include "cloud/sas.h"
#include "support/alloc_fail.h"
#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AUDIENCE SLICE_LIT("h.azure-devices.net/devices/dev-01")
#define SR       "SharedAccessSignature sr=h.azure-devices.net%2Fdevices%2Fdev-01&sig="

struct result {
    unsigned cnt;
    enum edge_code code;
    bool has_proof;
    bool has_identity;
    char token[1024];
    char cert[64];
    char key[64];
    uint64_t cert_version;
    struct edge_error err;
};

static void on_proof(void *data, enum edge_code code, const struct proof *proof,
                     const struct edge_error *err) {
    struct result *r = data;
    r->cnt++;
    r->code = code;
    r->has_proof = proof != NULL;
    assert_int_equal(r->has_proof, code == EDGE_OK);
    if (err != NULL) {
        r->err = *err;
    }
    if (proof == NULL) {
        return;
    }
    assert_true((proof->token != NULL) != (proof->identity != NULL));
    r->has_identity = proof->identity != NULL;
    r->cert_version = proof->cert_version;
    if (proof->token != NULL) {
        (void)snprintf(r->token, sizeof(r->token), "%s", proof->token);
    } else {
        assert_true(slice_to_array(proof->identity->cert_pem, r->cert, sizeof(r->cert)));
        assert_true(slice_to_array(proof->identity->key_pem, r->key, sizeof(r->key)));
    }
}

static int setup(void **state) {
    static struct cloud_env env;
    env = (struct cloud_env){0};
    cloud_env_init(&env);
    *state = &env;
    return 0;
}

static int teardown(void **state) {
    cloud_env_clear(*state);
    return 0;
}

static struct result make(struct cloud_env *env, const struct proof_source *from,
                          const char *key_name) {
    struct result r = {0};
    char audience[64];
    (void)snprintf(audience, sizeof(audience), "%.*s", SLICE_ARG(AUDIENCE));
    assert_int_equal(
        proof_make(&env->cloud, from, slice_str(audience), key_name, on_proof, &r, NULL, NULL),
        EDGE_OK);
    memset(audience, 'x', sizeof(audience));
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    return r;
}

static void assert_token(const struct result *r, int64_t expiry, const char *end) {
    char tail[64];
    (void)snprintf(tail, sizeof(tail), "&se=%lld%s", (long long)expiry, end);
    assert_int_equal(r->code, EDGE_OK);
    assert_false(r->has_identity);
    assert_int_equal(r->cert_version, 0);
    assert_int_equal(strncmp(r->token, SR, strlen(SR)), 0);
    assert_true(strlen(r->token) > strlen(tail));
    assert_string_equal(r->token + strlen(r->token) - strlen(tail), tail);
}

static void test_tokens(void **state) {
    struct cloud_env *env = *state;
    const struct proof_source challenge = {.kind = PROOF_CHALLENGE};
    struct result r = make(env, CLOUD_ENV_KEY, NULL);
    assert_token(&r, FAKE_LOOP_WALL_S + SAS_TTL_S, "");
    r = make(env, &challenge, "registration");
    assert_token(&r, FAKE_LOOP_WALL_S + SAS_TTL_S, "&skn=registration");
}

static void test_token_follows_the_corrected_clock(void **state) {
    struct cloud_env *env = *state;
    env->wall.offset_s = 86400;
    struct result r = make(env, CLOUD_ENV_KEY, NULL);
    assert_token(&r, FAKE_LOOP_WALL_S + 86400 + SAS_TTL_S, "");
    env->cloud.wall = NULL;
    r = make(env, CLOUD_ENV_KEY, NULL);
    assert_token(&r, FAKE_LOOP_WALL_S + SAS_TTL_S, "");
}

static void test_no_token_while_the_clock_is_wrong(void **state) {
    struct cloud_env *env = *state;
    const struct proof_source sources[] = {{.kind = PROOF_CHALLENGE},
                                           {.kind = PROOF_KEY, .key_generation = 1}};
    struct result r = {0};
    struct edge_error err;
    env->wall.is_wrong = true;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(sources); i++) {
        assert_int_equal(
            proof_make(&env->cloud, &sources[i], AUDIENCE, NULL, on_proof, &r, NULL, &err),
            EDGE_RETRY);
        assert_string_equal(edge_error_text(&err), STUB_WALL_TEXT);
    }
    env->wall.is_wrong = false;
    env->wall.offset_s = -FAKE_LOOP_WALL_S - 1;
    assert_int_equal(proof_make(&env->cloud, &sources[1], AUDIENCE, NULL, on_proof, &r, NULL, &err),
                     EDGE_RETRY);
    env->wall.offset_s = INT64_MAX - FAKE_LOOP_WALL_S;
    assert_int_equal(proof_make(&env->cloud, &sources[1], AUDIENCE, NULL, on_proof, &r, NULL, &err),
                     EDGE_RETRY);
    fake_loop_run();
    assert_int_equal(r.cnt, 0);
    assert_int_equal(fake_hsm_sign_cnt(env->hsm), 0);
}

/* A certificate has its own validity, which the peer checks with its own clock. */
static void test_certificate(void **state) {
    struct cloud_env *env = *state;
    const struct proof_source from = {.kind = PROOF_CERT, .cert = &env->cert};
    env->wall.is_wrong = true;
    env->cert.version = 7;
    struct result r = make(env, &from, NULL);
    assert_int_equal(r.code, EDGE_OK);
    assert_true(r.has_identity);
    assert_string_equal(r.cert, "CHAIN");
    assert_string_equal(r.key, "KEY");
    assert_int_equal(r.cert_version, 7);
    assert_int_equal(fake_hsm_sign_cnt(env->hsm), 0);
    env->cert.fail = EDGE_DENIED;
    r = make(env, &from, NULL);
    assert_int_equal(r.code, EDGE_DENIED);
    assert_int_equal(r.err.code, EDGE_DENIED);
}

static void test_failures(void **state) {
    struct cloud_env *env = *state;
    const struct proof_source gone = {.kind = PROOF_KEY, .key_generation = 99};
    struct result r = make(env, &gone, NULL);
    assert_int_equal(r.code, EDGE_NOT_FOUND);
    assert_int_equal(r.err.code, EDGE_NOT_FOUND);
    const struct proof_source bad[] = {
        {.kind = PROOF_KEY}, {.kind = PROOF_CERT}, {.kind = (enum proof_kind)7}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct edge_error err;
        assert_int_equal(proof_check(&bad[i], &err), EDGE_INVALID);
        assert_int_equal(proof_make(&env->cloud, &bad[i], AUDIENCE, NULL, on_proof, &r, NULL, &err),
                         EDGE_INVALID);
    }
    assert_int_equal(
        proof_make(&env->cloud, CLOUD_ENV_KEY, SLICE_LIT(""), NULL, on_proof, &r, NULL, NULL),
        EDGE_INVALID);
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(
        proof_make(&env->cloud, CLOUD_ENV_KEY, AUDIENCE, NULL, on_proof, &r, NULL, NULL),
        EDGE_BUSY);
    fake_worker_fail(EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
}

static void test_cancel(void **state) {
    struct cloud_env *env = *state;
    const struct proof_source sources[] = {*CLOUD_ENV_KEY,
                                           {.kind = PROOF_CERT, .cert = &env->cert}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(sources); i++) {
        struct result r = {0};
        struct op op;
        assert_int_equal(
            proof_make(&env->cloud, &sources[i], AUDIENCE, NULL, on_proof, &r, &op, NULL), EDGE_OK);
        op_cancel(loop_ops(env->loop), op);
        assert_int_equal(r.cnt, 0);
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        assert_int_equal(r.code, EDGE_CANCELED);
    }
}

static enum edge_code torture(void *data) {
    struct cloud_env *env = data;
    const struct proof_source sources[] = {*CLOUD_ENV_KEY,
                                           {.kind = PROOF_CERT, .cert = &env->cert}};
    enum edge_code worst = EDGE_OK;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(sources); i++) {
        struct result r = {0};
        struct edge_error err;
        enum edge_code code =
            proof_make(&env->cloud, &sources[i], AUDIENCE, NULL, on_proof, &r, NULL, &err);
        fake_loop_run();
        assert_int_equal(r.cnt, code == EDGE_OK ? 1 : 0);
        code = code == EDGE_OK ? r.code : code;
        assert_true(code == EDGE_OK || code == EDGE_NOMEM || code == EDGE_CRYPTO);
        worst = code != EDGE_OK ? code : worst;
    }
    return worst;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_follows_the_corrected_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_token_while_the_clock_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
