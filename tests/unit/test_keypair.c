/* SPDX-License-Identifier: MIT */
/*
 * Signing keys in software, checked against OpenSSL's own way to read and write them.
 */
#include "keypair.h"

#include "support/alloc_fail.h"
#include "support/signing_keys.h"

#include <openssl/err.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum edge_code open_key(const struct secret *der, EVP_PKEY **ret) {
    struct pkcs8_key numbers;
    enum edge_code rc = pkcs8_parse(secret_slice(der), &numbers, NULL);

    return rc == EDGE_OK ? keypair_open(&numbers, ret, NULL) : rc;
}

static enum edge_code sign(const struct secret *der, struct hsm_key *ret, uint8_t *sig,
                           size_t *len) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;

    enum edge_code rc = open_key(der, &key);
    if (rc == EDGE_OK) {
        rc = keypair_describe(key, ret, NULL);
    }
    return rc == EDGE_OK ? keypair_sign(key, keypair_test_digest, sig, len, NULL) : rc;
}

static void each_kind(void **state) {
    static const struct {
        const char *name;
        enum hsm_key_type type;
        unsigned bits;
    } kinds[] = {{"P-256", HSM_KEY_P256, 256},
                 {"P-384", HSM_KEY_P384, 384},
                 {"P-521", HSM_KEY_P521, 521},
                 {"RSA-2048", HSM_KEY_RSA, 2048}};
    uint8_t sig[HSM_SIGNATURE_MAX];

    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct secret der = {0};
        struct hsm_key key = {0};
        size_t len = 0;
        signing_key_make(kinds[i].name, &der);
        assert_int_equal(sign(&der, &key, sig, &len), EDGE_OK);
        assert_int_equal(key.type, kinds[i].type);
        assert_int_equal(key.bits, kinds[i].bits);
        assert_true(signing_key_is_public(&key, &der));
        assert_true(signing_key_verifies(&key, keypair_test_digest, sig, len));
        EVP_PKEY *opened = NULL;
        assert_int_equal(open_key(&der, &opened), EDGE_OK);
        assert_int_equal(keypair_try(opened, NULL), EDGE_OK);
        assert_int_equal(keypair_check(opened, sig, len, NULL), EDGE_OK);
        sig[len - 1] ^= 1;
        assert_int_equal(keypair_check(opened, sig, len, NULL), EDGE_CONFLICT);
        assert_int_equal(keypair_check(opened, sig, 0, NULL), EDGE_CONFLICT);
        keypair_cleanup(&opened);
        secret_clear(&der);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

static void bad_numbers(void **state) {
    static const uint8_t order[] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                    0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    struct pkcs8_key k = {.type = HSM_KEY_P256, .bits = 256, .ec = slice_make(order, 32)};
    EVP_PKEY *key = NULL;
    uint8_t point[65] = {4};
    struct secret der = {0};

    (void)state;
    assert_int_equal(keypair_open(&k, &key, NULL), EDGE_CONFLICT);
    assert_int_equal(keypair_open_point(HSM_KEY_P256, slice_make(point, 65), &key, NULL),
                     EDGE_CONFLICT); /* not on the curve */
    assert_null(key);
    signing_key_make("RSA-2048", &der);
    der.data[100] ^= 1; /* in the modulus: the signature is wrong, or there is none */
    assert_int_equal(open_key(&der, &key), EDGE_OK);
    assert_int_equal(keypair_try(key, NULL), EDGE_CONFLICT);
    keypair_cleanup(&key);
    secret_clear(&der);
    assert_int_equal(ERR_peek_error(), 0);
}

static void ecdsa_der(void **state) {
    static const uint8_t r[] = {0x00, 0x80}, s[] = {0x01};
    static const uint8_t want[] = {0x30, 0x07, 0x02, 0x02, 0x00, 0x80, 0x02, 0x01, 0x01};
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 0;

    (void)state;
    assert_int_equal(keypair_ecdsa_der(slice_make(r, 2), slice_make(s, 1), sig, &len, NULL),
                     EDGE_OK);
    assert_int_equal(len, sizeof(want));
    assert_memory_equal(sig, want, sizeof(want));
}

/* Nothing of a private key stays in the secure heap, and nothing but numbers goes there. */
static void secure_heap(void **state) {
    uint8_t sig[HSM_SIGNATURE_MAX];
    struct secret der = {0};
    struct hsm_key key;
    size_t len;

    (void)state;
    assert_int_equal(secret_heap_init(NULL, NULL), EDGE_OK);
    signing_key_make("RSA-2048", &der);
    assert_int_equal(sign(&der, &key, sig, &len), EDGE_OK);
    const size_t used = secret_heap_used(); /* with the generators of random numbers */
    assert_int_equal(sign(&der, &key, sig, &len), EDGE_OK);
    assert_int_equal(secret_heap_used(), used);
    secret_clear(&der);
}

static enum edge_code life(void *data) {
    struct secret fresh SECRET_CLEANUP = {0};
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;
    struct hsm_key info = {0};

    (void)data;
    enum edge_code rc = keypair_make_p256(&fresh, NULL);
    if (rc == EDGE_OK) {
        rc = open_key(&fresh, &key);
    }
    if (rc == EDGE_OK) {
        rc = keypair_describe(key, &info, NULL);
    }
    return rc == EDGE_OK ? keypair_try(key, NULL) : rc;
}

static enum edge_code life_of_given(void *data) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;

    return open_key(data, &key);
}

static void allocations(void **state) {
    struct secret der = {0};

    (void)state;
    assert_true(alloc_fail_torture(life, NULL) > 20);
    signing_key_make("RSA-2048", &der);
    assert_true(alloc_fail_torture(life_of_given, &der) > 20);
    secret_clear(&der);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind),   cmocka_unit_test(bad_numbers), cmocka_unit_test(ecdsa_der),
        cmocka_unit_test(allocations), cmocka_unit_test(secure_heap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
