/* SPDX-License-Identifier: MIT */
/*
 * Templates, authValues and check values of signing keys; what needs a TPM is in
 * tests/integration/hsm.
 */
#include "tpm/tpm_named_key.h"

#include "keypair.h"
#include "tpm/tpm_public.h"

#include "support/alloc_fail.h"
#include "support/signing_keys.h"

#include "base/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void store_key(struct secret *ret) {
    assert_int_equal(secret_alloc(ret, 32, NULL), EDGE_OK);
    memset(ret->data, 0x11, ret->len);
}

static void auth_values(void **state) {
    static const char context[] = "edged key auth 1\0\0\0\2ca";
    struct secret key = {0};
    TPM2B_AUTH a = {0}, b = {0};
    uint8_t want[SHA256_LEN];
    char name[8];

    (void)state;
    store_key(&key);
    assert_int_equal(tpm_named_auth(&key, "ca", &a, NULL), EDGE_OK);
    assert_int_equal(hmac_sha256(key.data, key.len, context, sizeof(context) - 1, want, NULL),
                     EDGE_OK);
    want[31] |= 1;
    assert_int_equal(a.size, 32);
    assert_memory_equal(a.buffer, want, sizeof(want));
    for (int i = 0; i < 600; i++) { /* none ends in a zero, which a TPM would drop */
        (void)snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(tpm_named_auth(&key, name, &b, NULL), EDGE_OK);
        assert_int_not_equal(b.buffer[31], 0);
    }
    key.data[0] ^= 1;
    assert_int_equal(tpm_named_auth(&key, "ca", &b, NULL), EDGE_OK);
    assert_memory_not_equal(a.buffer, b.buffer, 32);
    secret_clear(&key);
}

static void check_values(void **state) {
    struct hsm_key info = {.name = "ca", .spki = "spki", .spki_len = 4};
    uint8_t a[HSM_MAC_LEN], b[HSM_MAC_LEN];
    struct secret key = {0};

    (void)state;
    store_key(&key);
    assert_int_equal(tpm_named_check(&key, &info, SLICE_LIT("wrapped"), a, NULL), EDGE_OK);
    assert_int_equal(tpm_named_check(&key, &info, SLICE_LIT("wrappeD"), b, NULL), EDGE_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    info.spki[0] = 'S';
    assert_int_equal(tpm_named_check(&key, &info, SLICE_LIT("wrapped"), b, NULL), EDGE_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    info.spki[0] = 's';
    info.name[1] = 'b';
    assert_int_equal(tpm_named_check(&key, &info, SLICE_LIT("wrapped"), b, NULL), EDGE_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    secret_clear(&key);
}

/* What goes into the TPM gives the same public key as OpenSSL has, and cannot leave. */
static void check_given(const char *kind, bool possible) {
    struct secret der = {0}, pad = {0};
    EVP_PKEY *pub = NULL;
    struct hsm_key info = {0};
    struct pkcs8_key numbers;
    struct slice private = {0};
    TPM2B_PUBLIC area = {0};
    bool ok = !possible;

    signing_key_make(kind, &der);
    assert_int_equal(pkcs8_parse(secret_slice(&der), &numbers, NULL), EDGE_OK);
    assert_int_equal(tpm_named_given(&numbers, &pad, &area, &private, &ok, NULL), EDGE_OK);
    assert_int_equal(ok, possible);
    if (possible) {
        const TPMA_OBJECT attributes = area.publicArea.objectAttributes;
        assert_int_equal(tpm_named_public(&area, &pub, NULL), EDGE_OK);
        assert_int_equal(keypair_describe(pub, &info, NULL), EDGE_OK);
        assert_true(signing_key_is_public(&info, &der));
        assert_true(private.len > 0);
        assert_int_equal(area.publicArea.authPolicy.size, 0); /* so no duplication either */
        assert_int_equal(attributes & (TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                       TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_FIXEDTPM),
                         0);
        assert_int_not_equal(attributes & TPMA_OBJECT_NODA, 0);
    }
    keypair_cleanup(&pub);
    secret_clear(&der);
    secret_clear(&pad);
}

static void given(void **state) {
    (void)state;
    check_given("P-256", true);
    check_given("P-384", true);
    check_given("P-521", true);
    check_given("RSA-2048", true);
    check_given("RSA-2304", false);
}

/* A private value with leading zeros is padded; a coordinate without them is, too. */
static void padding(void **state) {
    static const uint8_t one[] = {1};
    const struct pkcs8_key k = {.type = HSM_KEY_P256, .bits = 256, .ec = slice_make(one, 1)};
    struct hsm_key info = {0}, again = {0};
    struct secret pad = {0};
    EVP_PKEY *key = NULL;
    struct slice private;
    TPM2B_PUBLIC area;
    bool ok;

    (void)state;
    assert_int_equal(tpm_named_given(&k, &pad, &area, &private, &ok, NULL), EDGE_OK);
    assert_int_equal(private.len, 32);
    assert_int_equal(private.ptr[31], 1);
    assert_int_equal(private.ptr[0], 0);
    assert_int_equal(tpm_named_public(&area, &key, NULL), EDGE_OK);
    assert_int_equal(keypair_describe(key, &info, NULL), EDGE_OK);
    keypair_cleanup(&key);
    key = NULL;
    /* Among the first multiples of the generator is one whose coordinate begins with zeros. */
    bool found = false;
    for (int factor = 256; factor < 4096 && !found; factor++) {
        const uint8_t value[] = {(uint8_t)(factor >> 8), (uint8_t)factor};
        const struct pkcs8_key m = {.type = HSM_KEY_P256, .bits = 256, .ec = slice_make(value, 2)};
        secret_clear(&pad);
        assert_int_equal(tpm_named_given(&m, &pad, &area, &private, &ok, NULL), EDGE_OK);
        TPM2B_ECC_PARAMETER *x = &area.publicArea.unique.ecc.x;
        found = x->buffer[0] == 0;
        if (found) {
            assert_int_equal(tpm_named_public(&area, &key, NULL), EDGE_OK);
            assert_int_equal(keypair_describe(key, &info, NULL), EDGE_OK);
            keypair_cleanup(&key);
            memmove(x->buffer, x->buffer + 1, 31);
            x->size = 31;
            assert_int_equal(tpm_named_public(&area, &key, NULL), EDGE_OK);
            assert_int_equal(keypair_describe(key, &again, NULL), EDGE_OK);
            assert_memory_equal(&info, &again, sizeof(info));
            x->size = 33;
            EVP_PKEY *none = NULL;
            assert_int_equal(tpm_named_public(&area, &none, NULL), EDGE_PROTO);
        }
    }
    assert_true(found);
    keypair_cleanup(&key);
    secret_clear(&pad);
}

static enum edge_code life(void *data) {
    static const uint8_t one[] = {1};
    const struct pkcs8_key k = {.type = HSM_KEY_P256, .bits = 256, .ec = slice_make(one, 1)};
    struct secret pad SECRET_CLEANUP = {0}, key SECRET_CLEANUP = {0};
    EVP_PKEY *pub KEYPAIR_CLEANUP = NULL;
    TPM2B_AUTH auth;
    struct slice private;
    TPM2B_PUBLIC area;
    bool ok;

    (void)data;
    enum edge_code rc = secret_alloc(&key, 32, NULL);
    if (rc == EDGE_OK) {
        rc = tpm_named_auth(&key, "ca", &auth, NULL);
    }
    if (rc == EDGE_OK) {
        rc = tpm_named_given(&k, &pad, &area, &private, &ok, NULL);
    }
    return rc == EDGE_OK ? tpm_named_public(&area, &pub, NULL) : rc;
}

static void allocations(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(life, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auth_values), cmocka_unit_test(check_values), cmocka_unit_test(given),
        cmocka_unit_test(padding),     cmocka_unit_test(allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
