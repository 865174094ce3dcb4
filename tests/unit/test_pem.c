/* SPDX-License-Identifier: MIT */
#include "pki/pem.h"

#include "support/alloc_fail.h"

#include <openssl/bio.h>
#include <openssl/pem.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX 8192

static void same_text_as_openssl(void **state) {
    uint8_t der[300];
    (void)state;
    for (size_t i = 0; i < sizeof(der); i++) {
        der[i] = (uint8_t)(i * 7);
    }
    for (size_t len = 1; len <= sizeof(der); len++) {
        BIO *bio = BIO_new(BIO_s_mem());
        char *text = NULL;
        struct buf out;
        struct secret in = {.data = der, .len = len};
        struct secret secret = {0};
        buf_init(&out, TEXT_MAX);
        assert_true(PEM_write_bio(bio, "PRIVATE KEY", "", der, (long)len) > 0);
        long text_len = BIO_get_mem_data(bio, &text);
        assert_int_equal(pem_append(slice_make(der, len), "PRIVATE KEY", &out, NULL), EDGE_OK);
        assert_true(slice_eq(buf_slice(&out), slice_make(text, (size_t)text_len)));
        assert_int_equal(pem_secret(&in, "PRIVATE KEY", &secret, NULL), EDGE_OK);
        assert_true(secret_equal_bytes(&secret, text, (size_t)text_len));
        secret_clear(&secret);
        buf_clear(&out);
        BIO_free(bio);
    }
}

static void appends_or_leaves_alone(void **state) {
    struct buf out;
    struct edge_error err;
    (void)state;
    buf_init(&out, 70);
    assert_int_equal(buf_append_str(&out, "before\n", NULL), EDGE_OK);
    assert_int_equal(pem_append(SLICE_LIT("0123456789"), "CERTIFICATE", &out, &err), EDGE_RANGE);
    assert_true(slice_eq_str(buf_slice(&out), "before\n"));
    buf_clear(&out);
}

static enum edge_code under_torture(void *data) {
    struct secret in = {.data = data, .len = 200};
    struct secret secret = {0};
    struct buf out;
    buf_init(&out, TEXT_MAX);
    enum edge_code code = pem_append(slice_make(data, 200), "X", &out, NULL);
    code = code != EDGE_OK ? code : pem_secret(&in, "X", &secret, NULL);
    secret_clear(&secret);
    buf_clear(&out);
    return code;
}

static void torture(void **state) {
    uint8_t bytes[200] = {1};
    (void)state;
    assert_true(alloc_fail_torture(under_torture, bytes) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_text_as_openssl),
        cmocka_unit_test(appends_or_leaves_alone),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
