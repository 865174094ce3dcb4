/* SPDX-License-Identifier: MIT */
/*
 * Tokens for an operator.
 */
#include "api/api.h"

#include "cloud/sas.h"
#include "fake_exchange.h"
#include "fake_loop.h"
#include "fake_wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define BODY "{\"resource\":\"h.example.net/devices/d\",\"expiry\":600}"

static struct {
    struct provisioning_status status;
    enum edge_code code;
    sas_done_fn *done;
    void *data;
    struct sas_request req;
    char audience[64];
} env;

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return &env.status;
}

enum edge_code sas_mint(struct worker *w, struct hsm *h, const struct sas_request *req,
                        sas_done_fn *done, void *data, struct op *ret_op, struct edge_error *err) {
    (void)w;
    (void)h;
    if (env.code != EDGE_OK) {
        return edge_set(err, env.code, "the queue is full");
    }
    env.req = *req;
    assert_true(slice_to_array(req->audience, env.audience, sizeof(env.audience)));
    env.done = done;
    env.data = data;
    *ret_op = (struct op){4, 1};
    return EDGE_OK;
}

static struct api api;

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    memset(&env, 0, sizeof(env));
    env.status.has_result = true;
    env.status.result.key_generation = 7;
    api = (struct api){.wall = fake_wall_new()};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    wall_free(api.wall);
    fake_loop_clear();
    return 0;
}

static void ask(const char *body) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_body(body);
    mgmt_token(x);
}

static void test_token(void **state) {
    char expected[128];
    (void)state;
    ask(BODY);
    assert_true(fake_exchange_has_op());
    assert_int_equal(env.req.key, SAS_KEY_IDENTITY);
    assert_int_equal(env.req.generation, 7);
    assert_string_equal(env.audience, "h.example.net/devices/d");
    assert_int_equal(env.req.expiry_wall_s, FAKE_LOOP_WALL_S + 600);
    env.done(env.data, EDGE_OK, "SharedAccessSignature x", NULL);
    snprintf(expected, sizeof(expected), "{\"token\":\"SharedAccessSignature x\",\"expiry\":%d}",
             FAKE_LOOP_WALL_S + 600);
    assert_string_equal(fake_exchange_text(), expected);
    assert_true(fake_exchange_was_sensitive());
}

static void test_corrected_clock(void **state) {
    (void)state;
    fake_wall_set(api.wall, WALL_CORRECTED, 1000);
    ask(BODY);
    assert_int_equal(env.req.expiry_wall_s, FAKE_LOOP_WALL_S + 1600);
    env.done(env.data, EDGE_OK, "t", NULL);
}

static void test_refusals(void **state) {
    (void)state;
    fake_wall_set(api.wall, WALL_WRONG, 0);
    ask(BODY);
    assert_int_equal(fake_exchange_status(), 503);
    assert_non_null(strstr(fake_exchange_text(), "the clock is wrong"));
    fake_wall_set(api.wall, WALL_SYNCED, 0);
    env.status.result.credential = PROVISIONING_CERT;
    ask(BODY);
    assert_int_equal(fake_exchange_status(), 409);
    assert_non_null(strstr(fake_exchange_text(), "certificate"));
    env.status.has_result = false;
    ask(BODY);
    assert_int_equal(fake_exchange_status(), 503);
    assert_null(env.done);
}

static void test_malformed(void **state) {
    static const char *const bodies[] = {
        "",
        "{\"expiry\":5}",
        "{\"resource\":\"r\"}",
        "{\"resource\":\"\",\"expiry\":5}",
        "{\"resource\":\"r\",\"expiry\":0}",
        "{\"resource\":\"r\",\"expiry\":-5}",
        "{\"resource\":\"r\",\"expiry\":86401}",
        "{\"resource\":\"r\",\"expiry\":\"5\"}",
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        ask(bodies[i]);
        assert_int_equal(fake_exchange_status(), 400);
    }
}

static void test_failures(void **state) {
    struct edge_error err;
    (void)state;
    env.code = EDGE_BUSY;
    ask(BODY);
    assert_int_equal(fake_exchange_status(), 503);
    env.code = EDGE_OK;
    ask(BODY);
    (void)edge_set(&err, EDGE_HSM, "the TPM is locked out");
    env.done(env.data, EDGE_HSM, NULL, &err);
    assert_int_equal(fake_exchange_status(), 503);
    ask(BODY);
    fake_exchange_leave();
    env.done(env.data, EDGE_OK, "t", NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_token),     T(test_corrected_clock), T(test_refusals),
        T(test_malformed), T(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
