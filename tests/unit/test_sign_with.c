/* SPDX-License-Identifier: MIT */
/*
 * Signing with a key that is not kept.
 */
#include "hsm/hsm.h"

#include "support/alloc_fail.h"
#include "support/signing_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t digest[HSM_DIGEST_LEN] = {1, 2, 3};

static void kinds_of_keys(void **state) {
    static const char *const kinds[] = {"P-256", "P-384", "P-521", "RSA-2048"};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct secret pkcs8 = {0};
        uint8_t sig[HSM_SIGNATURE_MAX];
        size_t len = 0;
        signing_key_make(kinds[i], &pkcs8);
        assert_int_equal(hsm_sign_with(&pkcs8, digest, sig, &len, NULL), EDGE_OK);
        assert_true(len > 64);
        secret_clear(&pkcs8);
    }
}

static void other_bytes(void **state) {
    struct secret pkcs8 = {0};
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 77;
    (void)state;
    assert_int_equal(hsm_sign_with(&pkcs8, digest, sig, &len, NULL), EDGE_PARSE);
    signing_key_make("ED25519", &pkcs8);
    assert_int_equal(hsm_sign_with(&pkcs8, digest, sig, &len, NULL), EDGE_UNSUPPORTED);
    assert_int_equal(len, 77);
    secret_clear(&pkcs8);
}

static enum edge_code under_torture(void *data) {
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 0;
    enum edge_code code = hsm_sign_with(data, digest, sig, &len, NULL);
    assert_true(len <= sizeof(sig));
    return code;
}

static void allocations(void **state) {
    struct secret pkcs8 = {0};
    (void)state;
    signing_key_make("P-256", &pkcs8);
    assert_true(alloc_fail_torture(under_torture, &pkcs8) > 10);
    secret_clear(&pkcs8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_keys),
        cmocka_unit_test(other_bytes),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
