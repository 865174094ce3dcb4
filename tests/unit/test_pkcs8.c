/* SPDX-License-Identifier: MIT */
/*
 * Private keys as bytes: what OpenSSL writes is read, anything else is told apart.
 */
#include "pkcs8.h"

#include "support/alloc_fail.h"
#include "support/signing_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_kind(const char *kind, enum hsm_key_type type, unsigned bits) {
    struct secret der = {0};
    struct pkcs8_key key;

    signing_key_make(kind, &der);
    assert_int_equal(pkcs8_parse(secret_slice(&der), &key, NULL), EDGE_OK);
    assert_int_equal(key.type, type);
    assert_int_equal(key.bits, bits);
    if (type == HSM_KEY_RSA) {
        assert_int_equal(key.rsa.n.len, bits / 8);
        assert_int_equal(key.rsa.p.len, bits / 16);
        assert_int_equal(key.rsa.e.len, 3);
        assert_int_not_equal(key.rsa.n.ptr[0], 0); /* no leading zero */
    } else {
        assert_in_range(key.ec.len, 1, pkcs8_ec_len(type));
    }
    secret_clear(&der);
}

static void kinds(void **state) {
    (void)state;
    check_kind("P-256", HSM_KEY_P256, 256);
    check_kind("P-384", HSM_KEY_P384, 384);
    check_kind("P-521", HSM_KEY_P521, 521);
    check_kind("RSA-2048", HSM_KEY_RSA, 2048);
    check_kind("RSA-2304", HSM_KEY_RSA, 2304);
}

static void check_refused(const char *kind, enum edge_code code, const char *text) {
    struct edge_error err = {0};
    struct secret der = {0};
    struct pkcs8_key key;

    signing_key_make(kind, &der);
    assert_int_equal(pkcs8_parse(secret_slice(&der), &key, &err), code);
    assert_non_null(strstr(err.text, text));
    secret_clear(&der);
}

static void refused(void **state) {
    (void)state;
    check_refused("ED25519", EDGE_UNSUPPORTED, "neither");
    check_refused("secp256k1", EDGE_UNSUPPORTED, "curve");
    check_refused("RSA-1024", EDGE_RANGE, "1024");
    check_refused("RSA-PSS", EDGE_UNSUPPORTED, "PSS");
}

static void cut_and_grown(void **state) {
    static const char *const all[] = {"P-256", "RSA-2048"};
    struct pkcs8_key key;

    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(all); i++) {
        struct secret der = {0}, longer = {0};
        signing_key_make(all[i], &der);
        for (size_t len = 0; len < der.len; len++) {
            assert_int_equal(pkcs8_parse(slice_make(der.data, len), &key, NULL), EDGE_PARSE);
        }
        assert_int_equal(secret_alloc(&longer, der.len + 1, NULL), EDGE_OK);
        memcpy(longer.data, der.data, der.len);
        assert_int_equal(pkcs8_parse(secret_slice(&longer), &key, NULL), EDGE_PARSE);
        secret_clear(&der);
        secret_clear(&longer);
    }
    struct secret large = {0};
    assert_int_equal(secret_alloc(&large, PKCS8_MAX + 1, NULL), EDGE_OK);
    assert_int_equal(pkcs8_parse(secret_slice(&large), &key, NULL), EDGE_PARSE);
    secret_clear(&large);
}

/* One changed byte at a time: never a crash; what is still taken is of the same kind. */
static void changed(void **state) {
    static const char *const all[] = {"P-256", "P-384", "RSA-2048"};
    struct pkcs8_key key;

    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(all); i++) {
        struct secret der = {0};
        signing_key_make(all[i], &der);
        for (size_t at = 0; at < der.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                der.data[at] ^= (uint8_t)(1u << bit);
                enum edge_code rc = pkcs8_parse(secret_slice(&der), &key, NULL);
                assert_true(rc == EDGE_OK || rc == EDGE_PARSE || rc == EDGE_UNSUPPORTED ||
                            rc == EDGE_RANGE);
                der.data[at] ^= (uint8_t)(1u << bit);
            }
        }
        secret_clear(&der);
    }
}

/* Hand-made: forms that OpenSSL does not write. */
static void odd_forms(void **state) {
    static const struct {
        const char *text;
        size_t len;
        enum edge_code code;
    } forms[] = {
        {"\x30\x00", 2, EDGE_PARSE},
        {"\x30\x80\x00\x00", 4, EDGE_PARSE},             /* indefinite length */
        {"\x30\x81\x03\x02\x01\x00", 6, EDGE_PARSE},     /* length not in its shortest form */
        {"\x30\x82\x00\x03\x02\x01\x00", 7, EDGE_PARSE}, /* the same */
        {"\x30\x83\x00\x00\x03\x02\x01\x00", 8, EDGE_PARSE},
        {"\x30\x03\x02\x01\x00", 5, EDGE_PARSE},
        {"\x30\x07\x02\x01\x00\x30\x02\x06\x00", 9, EDGE_PARSE},
        {"\x30\x09\x02\x01\x00\x30\x02\x06\x00\x04\x00", 11, EDGE_UNSUPPORTED},
        /* an EC key without parameters, and one with an empty curve */
        {"\x30\x10\x02\x01\x00\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x04\x00", 18,
         EDGE_UNSUPPORTED},
    };
    struct pkcs8_key key;

    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(forms); i++) {
        assert_int_equal(pkcs8_parse(slice_make(forms[i].text, forms[i].len), &key, NULL),
                         forms[i].code);
    }
}

static enum edge_code make(void *data) {
    struct secret value SECRET_CLEANUP = {0}, der SECRET_CLEANUP = {0};
    struct pkcs8_key key;

    (void)data;
    enum edge_code rc = secret_alloc(&value, 32, NULL);
    if (rc == EDGE_OK) {
        memset(value.data, 0x5A, value.len);
        value.data[0] = 0; /* leading zeros are part of the fixed length only */
        rc = pkcs8_make_p256(&value, &der, NULL);
    }
    if (rc == EDGE_OK) {
        rc = pkcs8_parse(secret_slice(&der), &key, NULL);
        assert_int_equal(rc, EDGE_OK);
        assert_int_equal(key.type, HSM_KEY_P256);
        assert_int_equal(key.ec.len, 31);
        assert_memory_equal(key.ec.ptr, value.data + 1, 31);
    }
    return rc;
}

static void made(void **state) {
    struct secret value = {0}, der = {0};

    (void)state;
    assert_true(alloc_fail_torture(make, NULL) > 0);
    assert_int_equal(secret_alloc(&value, 31, NULL), EDGE_OK);
    assert_int_equal(pkcs8_make_p256(&value, &der, NULL), EDGE_INTERNAL);
    secret_clear(&value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),   cmocka_unit_test(refused),   cmocka_unit_test(cut_and_grown),
        cmocka_unit_test(changed), cmocka_unit_test(odd_forms), cmocka_unit_test(made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
