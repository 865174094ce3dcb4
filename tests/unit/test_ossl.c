/* SPDX-License-Identifier: MIT */
#include "base/ossl.h"

#include <openssl/err.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_empty_queue(void **state) {
    struct edge_error err;
    (void)state;
    assert_false(ossl_take_nomem());
    assert_int_equal(ossl_failed(EDGE_CRYPTO, "signing failed", &err), EDGE_CRYPTO);
    assert_string_equal(err.text, "signing failed");
    assert_int_equal(err.native, 0);
}

static void test_first_entry_is_the_cause(void **state) {
    struct edge_error err;
    (void)state;
    ERR_raise(ERR_LIB_EC, ERR_R_PASSED_NULL_PARAMETER);
    ERR_raise(ERR_LIB_EVP, ERR_R_INTERNAL_ERROR);
    const unsigned long first = ERR_peek_error();
    assert_int_equal(ossl_failed(EDGE_CONFLICT, "no key", &err), EDGE_CONFLICT);
    assert_int_equal(err.domain, EDGE_DOMAIN_OPENSSL);
    assert_int_equal(err.native, first);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_shortage_anywhere(void **state) {
    struct edge_error err;
    (void)state;
    for (int at = 0; at < 3; at++) {
        for (int i = 0; i < 3; i++) {
            ERR_raise(ERR_LIB_EVP, i == at ? ERR_R_MALLOC_FAILURE : ERR_R_INTERNAL_ERROR);
        }
        assert_int_equal(ossl_failed(EDGE_CRYPTO, "x", &err), EDGE_NOMEM);
        assert_int_equal(ERR_peek_error(), 0);
    }
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    assert_true(ossl_take_nomem());
    assert_false(ossl_take_nomem());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_queue),
        cmocka_unit_test(test_first_entry_is_the_cause),
        cmocka_unit_test(test_shortage_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
