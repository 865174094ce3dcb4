/* SPDX-License-Identifier: MIT */
#include "support/certs.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

void certs_make(struct certs_pair *ret, const struct certs_pair *issuer, const char *common_name,
                int64_t from_wall_s, int64_t to_wall_s) {
    static long serial;
    ret->key = EVP_EC_gen("P-256");
    ret->cert = X509_new();
    assert_non_null(ret->key);
    assert_non_null(ret->cert);
    X509_NAME *subject = X509_get_subject_name(ret->cert);
    if (common_name != NULL) {
        assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                                    (const unsigned char *)common_name, -1, -1, 0),
                         1);
    }
    assert_int_equal(X509_set_version(ret->cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(ret->cert), ++serial), 1);
    assert_int_equal(X509_set_issuer_name(
                         ret->cert, issuer != NULL ? X509_get_subject_name(issuer->cert) : subject),
                     1);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(ret->cert), from_wall_s));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(ret->cert), to_wall_s));
    assert_int_equal(X509_set_pubkey(ret->cert, ret->key), 1);
    assert_true(X509_sign(ret->cert, issuer != NULL ? issuer->key : ret->key, EVP_sha256()) > 0);
}

void certs_free(struct certs_pair *p) {
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
    *p = (struct certs_pair){NULL, NULL};
}

static void add_text(struct buf *out, BIO *bio) {
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    assert_true(len > 0);
    assert_int_equal(buf_append(out, text, (size_t)len, NULL), EDGE_OK);
    BIO_free(bio);
}

void certs_add_cert(struct buf *out, const struct certs_pair *p) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, p->cert), 1);
    add_text(out, bio);
}

void certs_add_key(struct buf *out, const struct certs_pair *p, const char *passphrase) {
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_128_cbc() : NULL;
    int len = passphrase != NULL ? (int)strlen(passphrase) : 0;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, p->key, cipher, passphrase, len, NULL, NULL), 1);
    add_text(out, bio);
}
