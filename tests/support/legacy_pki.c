/* SPDX-License-Identifier: MIT */
/*
 * Keys below the root are P-256 instead of RSA: nobody looks into them, and they are made at once.
 */
#include "support/legacy_pki.h"

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define RSA_BITS 2048 /* 4096 there, which take seconds */

/* The root's key is the same in all worlds of a program: making one takes most of a test's time. */
static EVP_PKEY *root_key(void) {
    static EVP_PKEY *key;
    if (key == NULL) {
        key = EVP_RSA_gen(RSA_BITS);
    }
    assert_non_null(key);
    assert_int_equal(EVP_PKEY_up_ref(key), 1);
    return key;
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* Of a CA with this path length; less than 0: of a leaf. */
static void finish(struct certs_pair *p, const struct certs_pair *issuer, int path_len) {
    const struct certs_pair *by = issuer != NULL ? issuer : p;
    char text[64];
    (void)snprintf(text, sizeof(text), path_len >= 0 ? "critical,CA:TRUE,pathlen:%d" : "CA:FALSE",
                   path_len);
    extend(p->cert, by->cert, NID_basic_constraints, text);
    extend(p->cert, by->cert, NID_key_usage,
           path_len >= 0 ? "critical,digitalSignature,keyCertSign"
                         : "critical,digitalSignature,nonRepudiation,keyEncipherment");
    extend(p->cert, by->cert, NID_subject_key_identifier, "hash");
    extend(p->cert, by->cert, NID_authority_key_identifier, "keyid:always,issuer:always");
    assert_true(X509_sign(p->cert, by->key, EVP_sha256()) > 0);
}

static void write_pair(const struct tmpdir *home, const struct certs_pair *p, const char *cert_path,
                       const char *key_path) {
    struct buf text;
    buf_init(&text, CERTS_TEXT_MAX);
    certs_add_cert(&text, p);
    tmpdir_write(home, cert_path, text.data, text.len, 0644);
    buf_reset(&text);
    certs_add_key(&text, p, NULL);
    tmpdir_write(home, key_path, text.data, text.len, 0600);
    buf_clear(&text);
}

void legacy_pki_make(struct legacy_pki *ret, const struct tmpdir *home, int path_len,
                     int64_t from_wall_s, int64_t to_wall_s) {
    certs_make(&ret->root, NULL, "Test Edge Owner CA", from_wall_s, to_wall_s);
    EVP_PKEY_free(ret->root.key);
    ret->root.key = root_key();
    assert_int_equal(X509_set_pubkey(ret->root.cert, ret->root.key), 1);
    finish(&ret->root, NULL, path_len);
    certs_make(&ret->device, &ret->root, "Test Edge Device CA", from_wall_s, to_wall_s);
    finish(&ret->device, &ret->root, 2);
    certs_make(&ret->workload, &ret->device, "iotedged workload ca", from_wall_s, to_wall_s);
    finish(&ret->workload, &ret->device, 0);
    certs_make(&ret->leaf, &ret->workload, "edgehub", from_wall_s, to_wall_s);
    finish(&ret->leaf, &ret->workload, -1);
    write_pair(home, &ret->root, LEGACY_PKI_CERT(LEGACY_PKI_OWNER),
               LEGACY_PKI_KEY(LEGACY_PKI_OWNER));
    write_pair(home, &ret->device, LEGACY_PKI_CERT(LEGACY_PKI_DEVICE),
               LEGACY_PKI_KEY(LEGACY_PKI_DEVICE));
    write_pair(home, &ret->workload, LEGACY_PKI_CERT(LEGACY_PKI_WORKLOAD),
               LEGACY_PKI_KEY(LEGACY_PKI_WORKLOAD));
    write_pair(home, &ret->leaf, LEGACY_PKI_CERT(LEGACY_PKI_TLS), LEGACY_PKI_KEY(LEGACY_PKI_TLS));
}

void legacy_pki_free(struct legacy_pki *p) {
    certs_free(&p->root);
    certs_free(&p->device);
    certs_free(&p->workload);
    certs_free(&p->leaf);
}
