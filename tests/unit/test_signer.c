/* SPDX-License-Identifier: MIT */
#include "pki/signer.h"

#include "support/alloc_fail.h"
#include "support/fake_hsm.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t digest[HSM_DIGEST_LEN] = {1, 2, 3};

static void write_key(EVP_PKEY *key, struct secret *ret) {
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    unsigned char *der = NULL;
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    assert_true(len > 0);
    assert_int_equal(secret_copy(ret, der, (size_t)len, NULL), EDGE_OK);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
}

static bool verifies(EVP_PKEY *key, const uint8_t *sig, size_t len) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
    bool fits = EVP_PKEY_verify(ctx, sig, len, digest, sizeof(digest)) == 1;
    EVP_PKEY_CTX_free(ctx);
    return fits;
}

static void with_a_key_in_memory(void **state) {
    EVP_PKEY *keys[] = {EVP_RSA_gen(2048), EVP_EC_gen("P-256"), EVP_EC_gen("P-521")};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(keys); i++) {
        struct secret pkcs8 = {0};
        uint8_t sig[HSM_SIGNATURE_MAX];
        size_t len = 0;
        write_key(keys[i], &pkcs8);
        const struct issue_signer s = {.key_pkcs8 = &pkcs8};
        assert_int_equal(signer_sign(&s, digest, sig, &len, NULL), EDGE_OK);
        assert_true(verifies(keys[i], sig, len));
        secret_clear(&pkcs8);
        EVP_PKEY_free(keys[i]);
    }
}

static void with_a_key_of_the_hsm(void **state) {
    struct hsm *h = fake_hsm_new();
    struct hsm_key key;
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 0;
    const struct issue_signer s = {.hsm = h, .key_name = "a"};
    (void)state;
    assert_int_equal(signer_sign(&s, digest, sig, &len, NULL), EDGE_NOT_FOUND);
    assert_int_equal(hsm_key_make(h, "a", &key, NULL), EDGE_OK);
    assert_int_equal(signer_sign(&s, digest, sig, &len, NULL), EDGE_OK);
    assert_int_equal(fake_hsm_key_sign_cnt(h), 1);
    hsm_close(h);
}

static void what_is_no_key(void **state) {
    static const uint8_t text[] = {0x30, 0x00};
    struct secret pkcs8 = {0};
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 77;
    (void)state;
    assert_int_equal(secret_copy(&pkcs8, text, sizeof(text), NULL), EDGE_OK);
    const struct issue_signer s = {.key_pkcs8 = &pkcs8};
    assert_int_equal(signer_sign(&s, digest, sig, &len, NULL), EDGE_PARSE);
    assert_int_equal(len, 77);
    secret_clear(&pkcs8);
}

static enum edge_code under_torture(void *data) {
    const struct issue_signer s = {.key_pkcs8 = data};
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len;
    return signer_sign(&s, digest, sig, &len, NULL);
}

static void torture(void **state) {
    struct secret pkcs8 = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    (void)state;
    write_key(key, &pkcs8);
    assert_true(alloc_fail_torture(under_torture, &pkcs8) > 10);
    secret_clear(&pkcs8);
    EVP_PKEY_free(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_key_in_memory),
        cmocka_unit_test(with_a_key_of_the_hsm),
        cmocka_unit_test(what_is_no_key),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
