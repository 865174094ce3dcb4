/* SPDX-License-Identifier: MIT */
/*
 * CA keys out of PEM files: every form, the label, the certificate they belong to.
 */
#include "base/x509_key.h"

#include "support/alloc_fail.h"
#include "support/certs.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FROM_S 1700000000
#define TO_S   1800000000

static struct certs_pair root, ca, other;

static int setup(void **state) {
    (void)state;
    certs_make(&root, NULL, "root", FROM_S, TO_S);
    certs_make(&ca, &root, "device CA", FROM_S, TO_S);
    certs_make(&other, NULL, "other", FROM_S, TO_S);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    certs_free(&root);
    certs_free(&ca);
    certs_free(&other);
    return 0;
}

static void assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' not in '%s'", part, text);
    }
}

static void spki_of(EVP_PKEY *key, struct buf *out) {
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    buf_init(out, X509_SPKI_MAX);
    assert_int_equal(buf_append(out, der, (size_t)len, NULL), EDGE_OK);
    OPENSSL_free(der);
}

/* Reads a text and expects this key, in a form that OpenSSL takes as PKCS#8. */
static void expect_key(const char *pem, size_t len, EVP_PKEY *key) {
    struct secret der = {0};
    struct edge_error err = {0};
    struct buf spki, expected;
    spki_of(key, &expected);
    buf_init(&spki, X509_SPKI_MAX);
    if (x509_key_read(slice_make(pem, len), &der, &spki, &err) != EDGE_OK) {
        fail_msg("%s", err.text);
    }
    assert_true(slice_eq(buf_slice(&spki), buf_slice(&expected)));
    const unsigned char *at = der.data;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
    assert_non_null(info);
    assert_ptr_equal(at, der.data + der.len);
    EVP_PKEY *back = EVP_PKCS82PKEY(info);
    assert_int_equal(EVP_PKEY_eq(back, key), 1);
    EVP_PKEY_free(back);
    PKCS8_PRIV_KEY_INFO_free(info);
    secret_clear(&der);
    buf_clear(&spki);
    buf_clear(&expected);
}

static void expect_forms(EVP_PKEY *key) {
    for (int form = 0; form < 2; form++) {
        BIO *bio = BIO_new(BIO_s_mem());
        char *pem = NULL;
        int done = form == 0
                       ? PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                       : PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
        assert_int_equal(done, 1);
        long len = BIO_get_mem_data(bio, &pem);
        expect_key(pem, (size_t)len, key);
        BIO_free(bio);
    }
    EVP_PKEY_free(key);
}

static void test_forms(void **state) {
    (void)state;
    expect_forms(EVP_EC_gen("P-256"));
    expect_forms(EVP_EC_gen("P-384"));
    expect_forms(EVP_EC_gen("P-521"));
    expect_forms(EVP_RSA_gen(2048));
}

static void test_among_certificates(void **state) {
    (void)state;
    struct buf pem;
    buf_init(&pem, CERTS_TEXT_MAX);
    certs_add_cert(&pem, &ca);
    certs_add_key(&pem, &ca, NULL);
    expect_key(buf_cstr(&pem), pem.len, ca.key);
    buf_clear(&pem);
}

static void refuse(struct slice pem, enum edge_code code, const char *part) {
    struct secret der = {0};
    struct edge_error err = {0};
    struct buf spki;
    buf_init(&spki, X509_SPKI_MAX);
    assert_int_equal(x509_key_read(pem, &der, &spki, &err), code);
    assert_contains(err.text, part);
    assert_null(der.data);
    assert_int_equal(spki.len, 0);
}

static void refuse_der(const uint8_t *der, size_t len) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    assert_true(PEM_write_bio(bio, "PRIVATE KEY", "", der, (long)len) > 0);
    long pem_len = BIO_get_mem_data(bio, &pem);
    refuse(slice_make(pem, (size_t)pem_len), EDGE_PARSE, "damaged");
    BIO_free(bio);
}

/* As hsm/pkcs8.c: lengths in their shortest form, and nothing behind the end. */
static void test_malformed_lengths(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    unsigned char *der = NULL;
    uint8_t bad[256] = {0};
    size_t len = (size_t)i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    const size_t octets = 28; /* 30 81 87, version, algorithm: then 04 6d */
    assert_true(der[1] == 0x81 && der[octets - 1] == 0x04 && der[octets] == len - octets - 1);
    /* The whole with one octet of length too many. */
    memcpy(bad, (uint8_t[]){0x30, 0x82, 0x00}, 3);
    memcpy(bad + 3, der + 2, len - 2);
    refuse_der(bad, len + 1);
    /* The same in the middle. */
    memcpy(bad, der, octets);
    bad[2]++;
    bad[octets] = 0x81;
    memcpy(bad + octets + 1, der + octets, len - octets);
    refuse_der(bad, len + 1);
    /* And at the end, in what the octets hold: 30 6b 02 01 01. */
    memcpy(bad, der, octets + 2);
    bad[2]++;
    bad[octets]++;
    bad[octets + 2] = 0x81;
    memcpy(bad + octets + 3, der + octets + 2, len - octets - 2);
    refuse_der(bad, len + 1);
    /* Without an end of its own. */
    memcpy(bad, der, len);
    bad[1] = 0x80;
    memmove(bad + 2, der + 3, len - 3);
    bad[len - 1] = bad[len] = 0;
    refuse_der(bad, len + 1);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(key);
}

static void test_no_keys(void **state) {
    (void)state;
    struct buf pem;
    buf_init(&pem, CERTS_TEXT_MAX);
    certs_add_key(&pem, &ca, "secret");
    refuse(buf_slice(&pem), EDGE_PARSE, "encrypted");
    buf_clear(&pem);
    certs_add_cert(&pem, &ca);
    refuse(buf_slice(&pem), EDGE_PARSE, "no private key in PEM form");
    buf_clear(&pem);
    refuse(slice_str(""), EDGE_PARSE, "empty");
    refuse(slice_str("0\x82"), EDGE_PARSE, "DER");
    refuse(slice_str("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), EDGE_PARSE,
           "damaged");
    refuse(slice_str("-----BEGIN PRIVATE KEY-----\n%%%%\n-----END PRIVATE KEY-----\n"), EDGE_PARSE,
           "damaged");
}

static void test_too_large(void **state) {
    (void)state;
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 5120), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, 4), 1); /* smaller ones: quick */
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &pem);
    refuse(slice_make(pem, (size_t)len), EDGE_RANGE, "up to 4096 bits");
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void test_signatures(void **state) {
    (void)state;
    const uint8_t digest[SHA256_LEN] = {1};
    uint8_t signature[512];
    size_t len = sizeof(signature);
    struct edge_error err = {0};
    struct buf spki;
    spki_of(ca.key, &spki);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ca.key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, signature, &len, digest, sizeof(digest)), 1);
    EVP_PKEY_CTX_free(ctx);
    assert_int_equal(x509_key_verify(buf_slice(&spki), digest, slice_make(signature, len), &err),
                     EDGE_OK);
    signature[len - 1] ^= 1;
    assert_int_equal(x509_key_verify(buf_slice(&spki), digest, slice_make(signature, len), &err),
                     EDGE_DENIED);
    assert_int_equal(x509_key_verify(slice_str("x"), digest, slice_make(signature, len), &err),
                     EDGE_PARSE);
    buf_clear(&spki);
}

static void test_label(void **state) {
    (void)state;
    char label[X509_KEY_LABEL];
    /* SHA-256 of "abc": FIPS 180-2, appendix B.1. */
    assert_int_equal(x509_key_label(slice_str("abc"), label, NULL), EDGE_OK);
    assert_string_equal(label, "ca-ba7816bf8f01cfea414140de5dae2223");
}

static enum edge_code fits(const struct certs_pair *const *certs, size_t cnt, EVP_PKEY *key,
                           struct edge_error *err) {
    struct buf pem, spki;
    buf_init(&pem, CERTS_TEXT_MAX);
    for (size_t i = 0; i < cnt; i++) {
        certs_add_cert(&pem, certs[i]);
    }
    spki_of(key, &spki);
    enum edge_code code = x509_key_fits(buf_slice(&pem), buf_slice(&spki), err);
    buf_clear(&pem);
    buf_clear(&spki);
    return code;
}

static void test_fits(void **state) {
    (void)state;
    struct edge_error err = {0};
    const struct certs_pair *const in_order[] = {&ca, &root};
    const struct certs_pair *const reversed[] = {&root, &ca};
    assert_int_equal(fits(in_order, 1, ca.key, &err), EDGE_OK);
    assert_int_equal(fits(in_order, 2, ca.key, &err), EDGE_OK);
    assert_int_equal(fits(reversed, 2, ca.key, &err), EDGE_OK);
    assert_int_equal(fits(reversed, 1, root.key, &err), EDGE_OK); /* a CA of its own */
    assert_int_equal(fits(in_order, 2, root.key, &err), EDGE_CONFLICT);
    assert_contains(err.text, "issuer of certificate 1");
    assert_int_equal(fits(in_order, 2, other.key, &err), EDGE_CONFLICT);
    assert_contains(err.text, "not that of the certificate");
    assert_int_equal(fits(in_order, 0, other.key, &err), EDGE_PARSE);
    struct buf pem;
    buf_init(&pem, CERTS_TEXT_MAX);
    certs_add_cert(&pem, &ca);
    assert_int_equal(x509_key_fits(buf_slice(&pem), slice_str("x"), &err), EDGE_PARSE);
    buf_clear(&pem);
}

/* Decoding of a key is thousands of allocations of OpenSSL: samples. */
static void test_out_of_memory(void **state) {
    (void)state;
    struct buf pem;
    buf_init_sensitive(&pem, CERTS_TEXT_MAX);
    certs_add_key(&pem, &ca, NULL);
    enum edge_code code = EDGE_INTERNAL;
    size_t n = 1;
    for (bool is_over = false; !is_over; n += 1 + n / 16) {
        struct secret der = {0};
        struct buf spki;
        buf_init(&spki, X509_SPKI_MAX);
        alloc_fail_arm(n);
        code = x509_key_read(buf_slice(&pem), &der, &spki, NULL);
        is_over = !alloc_fail_disarm();
        assert_true(code == EDGE_OK || der.data == NULL);
        secret_clear(&der);
        buf_clear(&spki);
    }
    assert_int_equal(code, EDGE_OK);
    buf_clear(&pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_among_certificates),
        cmocka_unit_test(test_malformed_lengths),
        cmocka_unit_test(test_no_keys),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
