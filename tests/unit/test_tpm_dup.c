/* SPDX-License-Identifier: MIT */
/*
 * Duplicates for import, opened as the TPM that has the parent does it (TPM 2.0 Part 1, 23.3).
 */
#include "tpm/tpm_dup.h"

#include "tpm/tpm_named_key.h"
#include "tpm/tpm_public.h"
#include "tpm/tpm_tmpl.h"

#include "support/alloc_fail.h"
#include "support/dps_blob.h"
#include "support/signing_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static EVP_PKEY *parent_key;
static TPM2B_PUBLIC parent;

static void make_parent(void) {
    BIGNUM *n = NULL;

    parent_key = EVP_RSA_gen(2048);
    assert_non_null(parent_key);
    assert_int_equal(EVP_PKEY_get_bn_param(parent_key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    tpm_tmpl_srk(HSM_EK_TCG_L1, &parent);
    assert_int_equal(BN_bn2binpad(n, parent.publicArea.unique.rsa.buffer, 256), 256);
    BN_free(n);
}

static void open_seed(const TPM2B_ENCRYPTED_SECRET *secret, uint8_t ret[32]) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(parent_key, NULL);
    char *label = OPENSSL_strdup("DUPLICATE");
    uint8_t out[256];
    size_t len = sizeof(out);

    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()), 1);
    assert_int_equal(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, 10), 1); /* with its NUL */
    assert_int_equal(EVP_PKEY_decrypt(ctx, out, &len, secret->secret, secret->size), 1);
    assert_int_equal(len, 32);
    memcpy(ret, out, 32);
    EVP_PKEY_CTX_free(ctx);
}

/* Checks the integrity value and decrypts the sensitive area in place; returns where it is. */
static const uint8_t *unwrap(struct tpm_dup *dup, const TPM2B_PUBLIC *object, size_t *ret_len) {
    uint8_t seed[32], key[32], text[2048], mac[32];
    uint8_t *cipher = dup->duplicate.buffer + 34;
    const size_t len = dup->duplicate.size - 34u;
    const uint8_t iv[16] = {0};
    struct tpm_name name;
    unsigned mac_len = sizeof(mac);
    int n = 0;

    open_seed(&dup->seed, seed);
    assert_int_equal(tpm_public_name(object, &name, NULL), EDGE_OK);
    dps_kdfa(seed, sizeof(seed), "INTEGRITY", NULL, 0, 256, key);
    memcpy(text, cipher, len);
    memcpy(text + len, name.bytes, name.len);
    assert_non_null(HMAC(EVP_sha256(), key, 32, text, len + name.len, mac, &mac_len));
    assert_int_equal(dup->duplicate.buffer[0] << 8 | dup->duplicate.buffer[1], 32);
    assert_memory_equal(dup->duplicate.buffer + 2, mac, sizeof(mac));
    dps_kdfa(seed, sizeof(seed), "STORAGE", name.bytes, name.len, 128, key);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key, iv), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, cipher, &n, cipher, (int)len), 1);
    EVP_CIPHER_CTX_free(ctx);
    assert_int_equal(cipher[0] << 8 | cipher[1], (int)len - 2);
    *ret_len = len - 2;
    return cipher + 2;
}

static void there_and_back(void **state) {
    static const uint8_t value[] = "thirty-two bytes: a private key.";
    const TPM2B_AUTH auth = {.size = 4, .buffer = "auth"};
    static const uint8_t head[] = {0, 0x23, 0, 4, 'a', 'u', 't', 'h', 0, 0, 0, 32};
    struct tpm_dup dup, again;
    TPM2B_PUBLIC object;
    size_t len;

    (void)state;
    tpm_named_tmpl(&object);
    assert_int_equal(tpm_dup_make(&parent, &object, &auth, slice_make(value, 32), &dup, NULL),
                     EDGE_OK);
    assert_int_equal(tpm_dup_make(&parent, &object, &auth, slice_make(value, 32), &again, NULL),
                     EDGE_OK);
    assert_memory_not_equal(&dup, &again, sizeof(dup)); /* a seed of its own each time */
    assert_null(memmem(&dup, sizeof(dup), value, 16));
    const uint8_t *sensitive = unwrap(&dup, &object, &len);
    assert_int_equal(len, sizeof(head) + 32);
    assert_memory_equal(sensitive, head, sizeof(head));
    assert_memory_equal(sensitive + sizeof(head), value, 32);
}

static void refused(void **state) {
    const TPM2B_AUTH auth = {0};
    static const uint8_t large[2048];
    struct tpm_dup dup;
    TPM2B_PUBLIC object, other;

    (void)state;
    tpm_named_tmpl(&object);
    assert_int_equal(tpm_dup_make(&parent, &object, &auth, slice_make(large, 0), &dup, NULL),
                     EDGE_RANGE);
    assert_int_equal(
        tpm_dup_make(&parent, &object, &auth, slice_make(large, sizeof(large)), &dup, NULL),
        EDGE_RANGE);
    tpm_tmpl_bootstrap(&other); /* an EC key */
    assert_int_equal(tpm_dup_make(&other, &object, &auth, slice_make(large, 32), &dup, NULL),
                     EDGE_UNSUPPORTED);
    other = parent;
    other.publicArea.parameters.rsaDetail.symmetric.keyBits.aes = 256;
    assert_int_equal(tpm_dup_make(&other, &object, &auth, slice_make(large, 32), &dup, NULL),
                     EDGE_UNSUPPORTED);
    other = parent;
    other.publicArea.parameters.rsaDetail.exponent = 3;
    assert_int_equal(tpm_dup_make(&other, &object, &auth, slice_make(large, 32), &dup, NULL),
                     EDGE_UNSUPPORTED);
    object.publicArea.nameAlg = TPM2_ALG_SHA1;
    assert_int_equal(tpm_dup_make(&parent, &object, &auth, slice_make(large, 32), &dup, NULL),
                     EDGE_UNSUPPORTED);
}

static enum edge_code life(void *data) {
    static const uint8_t value[32] = {1};
    const TPM2B_AUTH auth = {0};
    TPM2B_PUBLIC object;
    struct tpm_dup dup;

    (void)data;
    tpm_named_tmpl(&object);
    return tpm_dup_make(&parent, &object, &auth, slice_make(value, 32), &dup, NULL);
}

static void allocations(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(life, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(refused),
        cmocka_unit_test(allocations),
    };

    make_parent();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    EVP_PKEY_free(parent_key);
    return failed;
}
