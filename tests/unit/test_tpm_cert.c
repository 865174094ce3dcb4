/* SPDX-License-Identifier: MIT */
/*
 * Endorsement certificates, made here as manufacturers make them.
 */
#include "tpm/tpm_cert.h"

#include "support/alloc_fail.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static EVP_PKEY *rsa;
static TPM2B_PUBLIC ek;

static int setup(void **state) {
    BIGNUM *n = NULL;

    (void)state;
    rsa = EVP_RSA_gen(2048);
    assert_int_equal(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    ek.publicArea.type = TPM2_ALG_RSA;
    ek.publicArea.unique.rsa.size = 256;
    assert_int_equal(BN_bn2binpad(n, ek.publicArea.unique.rsa.buffer, 256), 256);
    BN_free(n);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    EVP_PKEY_free(rsa);
    return 0;
}

static void add_entry(X509_NAME *name, const char *oid, const char *text) {
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);

    assert_int_equal(X509_NAME_add_entry_by_OBJ(name, obj, MBSTRING_UTF8,
                                                (const unsigned char *)text, -1, -1, 0),
                     1);
    ASN1_OBJECT_free(obj);
}

static size_t make(const char *subject, bool san, uint8_t out[HSM_CERT_MAX]) {
    X509 *cert = X509_new();
    X509_NAME *issuer = X509_NAME_new();
    uint8_t *p = out;

    add_entry(issuer, "2.5.4.3", "TPM maker's CA");
    assert_int_equal(X509_set_issuer_name(cert, issuer), 1);
    if (subject != NULL) {
        add_entry(X509_get_subject_name(cert), "2.5.4.3", subject);
    }
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 1000));
    assert_int_equal(X509_set_pubkey(cert, rsa), 1);
    if (san) {
        GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
        GENERAL_NAME *name = GENERAL_NAME_new();
        X509_NAME *dir = X509_NAME_new();
        add_entry(dir, "2.23.133.2.1", "id:49424D00");
        add_entry(dir, "2.23.133.2.2", "model\x1b[31m");
        add_entry(dir, "2.23.133.2.3", "id:0001");
        GENERAL_NAME_set0_value(name, GEN_DIRNAME, dir);
        assert_true(sk_GENERAL_NAME_push(names, name) > 0);
        assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 1, 0), 1);
        GENERAL_NAMES_free(names);
    }
    assert_true(X509_sign(cert, rsa, EVP_sha256()) > 0);
    int len = i2d_X509(cert, NULL);
    assert_in_range(len, 1, HSM_CERT_MAX);
    (void)i2d_X509(cert, &p);
    X509_free(cert);
    X509_NAME_free(issuer);
    return (size_t)len;
}

static void usual_certificate(void **state) {
    static struct hsm_tpm_info info;
    uint8_t der[HSM_CERT_MAX + 100] = {0};

    (void)state;
    size_t len = make(NULL, true, der);
    tpm_cert_read(slice_make(der, len), &ek, &info);
    assert_int_equal(info.ek_cert_len, len);
    assert_memory_equal(info.ek_cert, der, len);
    assert_true(info.ek_cert_matches);
    assert_string_equal(info.ek_cert_subject,
                        "TPM manufacturer id:49424D00, model model?[31m, version id:0001");
    assert_string_equal(info.ek_cert_issuer, "CN = TPM maker's CA");
    /* NV indices may be longer than what they hold. */
    memset(&info, 0, sizeof(info));
    tpm_cert_read(slice_make(der, len + 50), &ek, &info);
    assert_int_equal(info.ek_cert_len, len);
    memset(&info, 0, sizeof(info));
    len = make("a subject", false, der);
    tpm_cert_read(slice_make(der, len), NULL, &info);
    assert_string_equal(info.ek_cert_subject, "CN = a subject");
    assert_false(info.ek_cert_matches);
    memset(&info, 0, sizeof(info));
    len = make("a subject", true, der);
    tpm_cert_read(slice_make(der, len), &ek, &info);
    assert_non_null(strstr(info.ek_cert_subject, "CN = a subject, TPM manufacturer id:49424D00"));
}

static void other_key(void **state) {
    static struct hsm_tpm_info info;
    uint8_t der[HSM_CERT_MAX];
    TPM2B_PUBLIC other = ek;

    (void)state;
    other.publicArea.unique.rsa.buffer[200] ^= 1;
    size_t len = make(NULL, true, der);
    tpm_cert_read(slice_make(der, len), &other, &info);
    assert_int_equal(info.ek_cert_len, len);
    assert_false(info.ek_cert_matches);
}

static void damaged(void **state) {
    static struct hsm_tpm_info info, empty;
    uint8_t der[HSM_CERT_MAX];

    (void)state;
    size_t len = make(NULL, true, der);
    for (size_t cut = 0; cut < len; cut += 13) {
        memset(&info, 0, sizeof(info));
        tpm_cert_read(slice_make(der, cut), &ek, &info);
        assert_memory_equal(&info, &empty, sizeof(info));
    }
    for (size_t at = 0; at < len; at++) { /* whatever it says, it is read or refused */
        der[at] ^= 0xFF;
        memset(&info, 0, sizeof(info));
        tpm_cert_read(slice_make(der, len), &ek, &info);
        der[at] ^= 0xFF;
    }
    tpm_cert_read(slice_make(der, HSM_CERT_MAX + 1), &ek, &empty);
    assert_int_equal(empty.ek_cert_len, 0);
}

static enum edge_code read_once(void *data) {
    static struct hsm_tpm_info info;
    const struct slice *der = data;

    tpm_cert_read(*der, &ek, &info);
    return EDGE_OK;
}

static void out_of_memory(void **state) {
    uint8_t der[HSM_CERT_MAX];

    (void)state;
    struct slice s = slice_make(der, make("subject", true, der));
    assert_true(alloc_fail_torture(read_once, &s) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_certificate),
        cmocka_unit_test(other_key),
        cmocka_unit_test(damaged),
        cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
