/* SPDX-License-Identifier: MIT */
#include "support/ca_certs.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static EVP_PKEY *make_key(const char *kind) {
    EVP_PKEY *key = NULL;
    if (kind != NULL && strncmp(kind, "RSA-", 4) == 0) {
        key = EVP_RSA_gen((unsigned)strtoul(kind + 4, NULL, 10));
    } else if (kind != NULL && strcmp(kind, "ED25519") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    } else {
        key = EVP_EC_gen(kind != NULL ? kind : "P-256");
    }
    assert_non_null(key);
    return key;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static void add_extensions(X509 *cert, const struct ca_cert_spec *spec) {
    char constraints[64];
    X509 *issuer = spec->issuer != NULL ? spec->issuer->cert : cert;
    if (spec->no_ca) {
        (void)snprintf(constraints, sizeof(constraints), "critical,CA:FALSE");
    } else if (spec->has_path_len) {
        (void)snprintf(constraints, sizeof(constraints), "critical,CA:TRUE,pathlen:%d",
                       spec->path_len);
    } else {
        (void)snprintf(constraints, sizeof(constraints), "critical,CA:TRUE");
    }
    add_extension(cert, issuer, NID_basic_constraints, constraints);
    if (!spec->no_usage) {
        add_extension(cert, issuer, NID_key_usage,
                      spec->no_sign ? "critical,digitalSignature"
                                    : "critical,digitalSignature,keyCertSign");
    }
    add_extension(cert, issuer, NID_subject_key_identifier, "hash");
    add_extension(cert, issuer, NID_authority_key_identifier, "keyid");
}

void ca_cert_make(struct ca_cert *ret, const struct ca_cert_spec *spec) {
    static long serial = 1000;
    EVP_PKEY *key = spec->same_key != NULL ? spec->same_key->key : make_key(spec->key);
    if (spec->same_key != NULL) {
        assert_int_equal(EVP_PKEY_up_ref(key), 1);
    }
    X509 *cert = X509_new();
    assert_non_null(cert);
    X509_NAME *subject = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)spec->common_name, -1, -1,
                                                0),
                     1);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial), 1);
    assert_int_equal(X509_set_issuer_name(cert, spec->issuer != NULL
                                                    ? X509_get_subject_name(spec->issuer->cert)
                                                    : subject),
                     1);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), spec->from_wall_s));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), spec->to_wall_s));
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    add_extensions(cert, spec);
    EVP_PKEY *signer = spec->issuer != NULL ? spec->issuer->key : key;
    const EVP_MD *md = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    assert_true(X509_sign(cert, signer, md) > 0);
    ret->cert = cert;
    ret->key = key;
}

void ca_cert_free(struct ca_cert *c) {
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
    *c = (struct ca_cert){NULL, NULL};
}

static void add_text(struct buf *out, BIO *bio) {
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    assert_true(len > 0);
    assert_int_equal(buf_append(out, text, (size_t)len, NULL), EDGE_OK);
    BIO_free(bio);
}

void ca_cert_add(struct buf *out, const struct ca_cert *c) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, c->cert), 1);
    add_text(out, bio);
}

void ca_cert_add_key(struct buf *out, const struct ca_cert *c) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, c->key, NULL, NULL, 0, NULL, NULL), 1);
    add_text(out, bio);
}

static STACK_OF(X509) * read_all(struct slice pem) {
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = NULL;
    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        assert_true(sk_X509_push(all, cert) > 0);
    }
    BIO_free(bio);
    ERR_clear_error();
    return all;
}

int ca_cert_verify(struct slice chain_pem, struct slice bundle_pem, int64_t now_wall_s) {
    STACK_OF(X509) *chain = read_all(chain_pem);
    STACK_OF(X509) *roots = read_all(bundle_pem);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    for (int i = 0; i < sk_X509_num(roots); i++) {
        assert_int_equal(X509_STORE_add_cert(store, sk_X509_value(roots, i)), 1);
    }
    assert_true(sk_X509_num(chain) > 0);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0), chain), 1);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_POLICY_CHECK);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now_wall_s);
    int result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_pop_free(chain, X509_free);
    sk_X509_pop_free(roots, X509_free);
    ERR_clear_error();
    return result;
}
