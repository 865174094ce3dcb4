/* SPDX-License-Identifier: MIT */
#include "pki/pem_certs.h"

#include "base/mac.h"
#include "base/x509_pem.h"
#include "pki/pem.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <string.h>

static void cleanup_bio(BIO **bio) {
    BIO_free(*bio);
}
#define BIO_CLEANUP EDGE_CLEANUP(cleanup_bio)

enum edge_code pem_certs_append(X509 *cert, struct buf *out, struct edge_error *err) {
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    if (len <= 0) {
        return x509_no_memory(err);
    }
    enum edge_code code = pem_append(slice_make(der, (size_t)len), "CERTIFICATE", out, err);
    OPENSSL_free(der);
    return code;
}

static bool name_text(const X509_NAME *name, char *out, size_t size) {
    BIO *bio BIO_CLEANUP = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = -1;
    if (bio != NULL &&
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        len = BIO_get_mem_data(bio, &text);
    }
    size_t n = len > 0 ? (size_t)len : 0;
    n = n < size ? n : size - 1;
    if (n > 0) {
        memcpy(out, text, n);
    }
    while (n > 0 && !slice_is_utf8_text(slice_make(out, n))) {
        n--;
    }
    out[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f) {
            out[i] = '?';
        }
    }
    return len >= 0;
}

void pem_certs_subject(const X509 *cert, char *out, size_t size) {
    (void)name_text(X509_get_subject_name(cert), out, size);
    ERR_clear_error();
}

void pem_certs_issuer(const X509 *cert, char *out, size_t size) {
    (void)name_text(X509_get_issuer_name(cert), out, size);
    ERR_clear_error();
}

static enum edge_code hash_der(int len, unsigned char *der, char ret[SHA256_HEX],
                               struct edge_error *err) {
    if (len <= 0) {
        return x509_no_memory(err);
    }
    enum edge_code code = sha256_hex(slice_make(der, (size_t)len), ret, err);
    OPENSSL_free(der);
    return code;
}

static enum edge_code fingerprints(const X509 *cert, struct chain_cert *c, struct edge_error *err) {
    unsigned char *der = NULL;
    unsigned char *spki = NULL;
    int len = i2d_X509(cert, &der);
    enum edge_code code = hash_der(len, der, c->sha256, err);
    if (code != EDGE_OK) {
        return code;
    }
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
    return hash_der(len, spki, c->key_sha256, err);
}

/* The kinds of keys that are taken: those that TLS clients of today know. */
static void key_kind(const X509 *cert, char out[16]) {
    static const struct {
        const char *group, *name;
    } curves[] = {{"prime256v1", "P-256"}, {"secp384r1", "P-384"}, {"secp521r1", "P-521"}};
    EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[32] = "";
    out[0] = '\0';
    if (key == NULL) {
        return;
    }
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && bits >= 2048 && bits <= 4096) {
        (void)snprintf(out, 16, "RSA-%d", bits);
    } else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
               EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1) {
        for (size_t i = 0; i < EDGE_ARRAY_LEN(curves); i++) {
            if (strcmp(group, curves[i].group) == 0) {
                (void)snprintf(out, 16, "%s", curves[i].name);
            }
        }
    }
}

enum edge_code pem_certs_describe(X509 *cert, const char *file, struct chain_cert *ret,
                                  struct edge_error *err) {
    struct chain_cert c = {.path_len = X509_get_pathlen(cert)};
    enum edge_code code = EDGE_OK;
    ERR_clear_error();
    if (!name_text(X509_get_subject_name(cert), c.subject, sizeof(c.subject))) {
        return x509_no_memory(err);
    }
    if (!x509_cert_times(cert, &c.not_before_wall_s, &c.not_after_wall_s)) {
        code = x509_take_nomem(err);
        return code != EDGE_OK ? code
                               : edge_set(err, EDGE_PARSE,
                                          "'%s': certificate '%.64s' does not say from when to "
                                          "when it is valid",
                                          file, c.subject);
    }
    uint32_t flags = X509_get_extension_flags(cert);
    c.is_ca = (flags & EXFLAG_CA) != 0 && (flags & EXFLAG_BCONS) != 0;
    c.may_sign = (flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) != 0;
    c.self_issued = (flags & EXFLAG_SI) != 0;
    key_kind(cert, c.key);
    code = x509_take_nomem(err);
    code = code != EDGE_OK ? code : fingerprints(cert, &c, err);
    ERR_clear_error();
    if (code == EDGE_OK) {
        *ret = c;
    }
    return code;
}
