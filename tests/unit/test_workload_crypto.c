/* SPDX-License-Identifier: MIT */
/*
 * The sign route: decoding, the warm and the cold path, and every way it can go wrong.
 */
#include "api/api.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct {
    struct mac_key *key;
    bool warm;
    enum edge_code derive_code; /* refused at once */
    module_key_done_fn *done;   /* derivation in flight */
    void *data;
    char module[64], key_id[64], generation[64];
    bool has_identity;
} env;

static void note(const struct module_key_id *id) {
    assert_true(slice_to_array(id->module, env.module, sizeof(env.module)));
    assert_true(slice_to_array(id->key_id, env.key_id, sizeof(env.key_id)));
    assert_true(slice_to_array(id->generation, env.generation, sizeof(env.generation)));
}

struct mac_key *module_keys_cached(struct module_keys *k, const struct module_key_id *id) {
    (void)k;
    note(id);
    return env.warm ? env.key : NULL;
}

enum edge_code module_keys_derive(struct module_keys *k, const struct module_key_id *id,
                                  module_key_done_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) {
    (void)k;
    note(id);
    if (env.derive_code != EDGE_OK) {
        return edge_set(err, env.derive_code, "secret details of the key store");
    }
    env.done = done;
    env.data = data;
    *ret_op = (struct op){5, 1};
    return EDGE_OK;
}

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    static struct provisioning_status st;
    (void)p;
    st.has_result = env.has_identity;
    return &st;
}

static struct api api;

/* HMAC-SHA256 of "hello" under 0123456789abcdef0123456789abcdef, computed with another library. */
#define HELLO_BODY   "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"aGVsbG8=\"}"
#define HELLO_DIGEST "{\"digest\":\"22i0e2PCOX6seFAlscnCEDrgbCiZgjSng7PrZFPRrXA=\"}"

static int setup(void **state) {
    (void)state;
    struct secret s = {0};
    memset(&env, 0, sizeof(env));
    env.has_identity = true;
    assert_int_equal(secret_copy(&s, "0123456789abcdef0123456789abcdef", 32, NULL), EDGE_OK);
    assert_int_equal(mac_key_new(&s, &env.key, NULL), EDGE_OK);
    secret_clear(&s);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    mac_key_free(env.key);
    return 0;
}

static void sign(const char *body) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_params("$edgeHub", "637000000000000000");
    fake_exchange_set_body(body);
    workload_sign(x);
}

static void test_warm(void **unused) {
    (void)unused;
    env.warm = true;
    sign(HELLO_BODY);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(), HELLO_DIGEST);
    assert_true(fake_exchange_was_sensitive());
    assert_string_equal(env.module, "$edgeHub");
    assert_string_equal(env.key_id, "primary");
    assert_string_equal(env.generation, "637000000000000000");
    assert_null(env.done);
}

static void test_cold(void **unused) {
    (void)unused;
    sign(HELLO_BODY);
    assert_int_equal(fake_exchange_answers(), 0);
    assert_true(fake_exchange_has_op());
    env.done(env.data, EDGE_OK, env.key, NULL);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(), HELLO_DIGEST);
}

static void test_client_leaves_before_the_key_is_there(void **unused) {
    (void)unused;
    sign(HELLO_BODY);
    fake_exchange_leave();
    env.done(env.data, EDGE_OK, env.key, NULL); /* frees what the request held; asan would tell */
}

static void test_key_store_fails(void **unused) {
    (void)unused;
    struct edge_error err;
    sign(HELLO_BODY);
    (void)edge_set(&err, EDGE_HSM, "TPM_RC_LOCKOUT at /dev/tpmrm0");
    env.done(env.data, EDGE_HSM, NULL, &err);
    assert_int_equal(fake_exchange_status(), 503);
    assert_true(fake_exchange_retry_after() > 0);
    assert_null(strstr(fake_exchange_text(), "LOCKOUT")); /* not for modules */
    assert_non_null(strstr(fake_exchange_text(), "Could not sign"));
}

static void test_key_store_busy(void **unused) {
    (void)unused;
    env.derive_code = EDGE_BUSY;
    sign(HELLO_BODY);
    assert_int_equal(fake_exchange_status(), 503);
    assert_null(strstr(fake_exchange_text(), "secret details"));
}

static void test_unknown_key_id(void **unused) {
    (void)unused;
    env.derive_code = EDGE_INVALID;
    sign("{\"keyId\":\"x\",\"algo\":\"HMACSHA256\",\"data\":\"aGVsbG8=\"}");
    assert_int_equal(fake_exchange_status(), 400);
}

static void test_malformed_bodies(void **unused) {
    (void)unused;
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{}",
        "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\"}",
        "{\"keyId\":\"primary\",\"data\":\"aGVsbG8=\"}",
        "{\"algo\":\"HMACSHA256\",\"data\":\"aGVsbG8=\"}",
        "{\"keyId\":null,\"algo\":\"HMACSHA256\",\"data\":\"aGVsbG8=\"}",
        "{\"keyId\":\"primary\",\"algo\":1,\"data\":\"aGVsbG8=\"}",
        "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"aGVsb G8=\"}",
        "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"a\"}",
        "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"aGVsbG8=\"} x",
    };
    env.warm = true;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        sign(bodies[i]);
        assert_int_equal(fake_exchange_status(), 400);
        assert_non_null(strstr(fake_exchange_text(), "Request body is malformed"));
        fake_exchange_end();
    }
}

static void test_lenient_where_the_original_is(void **unused) {
    (void)unused;
    env.warm = true;
    sign("{\"keyId\":\"primary\",\"algo\":\"anything\",\"data\":\"aGVsbG8\",\"more\":[1,2]}");
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(), HELLO_DIGEST);
}

static void test_no_identity_yet(void **unused) {
    (void)unused;
    env.has_identity = false;
    env.warm = true;
    sign(HELLO_BODY);
    assert_int_equal(fake_exchange_status(), 503);
    assert_true(fake_exchange_retry_after() > 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_warm),
        T(test_cold),
        T(test_client_leaves_before_the_key_is_there),
        T(test_key_store_fails),
        T(test_key_store_busy),
        T(test_unknown_key_id),
        T(test_malformed_bodies),
        T(test_lenient_where_the_original_is),
        T(test_no_identity_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
