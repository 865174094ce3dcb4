/* SPDX-License-Identifier: MIT */
/*
 * Keys through OpenSSL. The PKCS#8 form is put together here and not by its encoders: those leave
 * copies in memory that they do not wipe.
 */
#include "base/x509_key.h"

#include "base/der.h"
#include "base/ossl.h"
#include "base/x509_pem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LABEL_DIGITS 32 /* of the SHA-256 that a label shows */

enum edge_code x509_key_label(struct slice spki_der, char out[X509_KEY_LABEL],
                              struct edge_error *err) {
    char digest[SHA256_HEX];
    enum edge_code code = sha256_hex(spki_der, digest, err);
    if (code == EDGE_OK) {
        (void)snprintf(out, X509_KEY_LABEL, X509_KEY_PREFIX "%.*s", LABEL_DIGITS, digest);
    }
    return code;
}

/* PrivateKeyInfo (RFC 5208 section 5): version 0, the algorithm as in the SubjectPublicKeyInfo, the
 * older form as octets. */
static enum edge_code wrap(struct slice algorithm, const struct secret *inner, struct secret *ret,
                           struct edge_error *err) {
    size_t octets_len = der_element_len(inner->len);
    size_t len = der_element_len(der_element_len(1) + algorithm.len + octets_len);
    enum edge_code code = secret_alloc(ret, len, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct der w;
    der_init(&w, ret->data, len);
    size_t mark = der_mark(&w);
    der_element(&w, DER_OCTET_STRING, inner->data, inner->len);
    der_raw(&w, algorithm.ptr, algorithm.len);
    der_small(&w, 0);
    der_wrap(&w, mark, DER_SEQUENCE);
    assert(der_result(&w).len == len);
    return EDGE_OK;
}

static enum edge_code to_pkcs8(struct slice spki, struct secret *der, bool is_pkcs8,
                               struct secret *ret, struct edge_error *err) {
    if (is_pkcs8) {
        *ret = secret_take(der);
        return EDGE_OK;
    }
    const unsigned char *at = (const unsigned char *)spki.ptr;
    X509_PUBKEY *pub = d2i_X509_PUBKEY(NULL, &at, (long)spki.len);
    X509_ALGOR *algorithm = NULL;
    unsigned char *text = NULL;
    int len = -1;
    if (pub != NULL && X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, pub) == 1) {
        len = i2d_X509_ALGOR(algorithm, &text);
    }
    enum edge_code code =
        len > 0 ? wrap(slice_make(text, (size_t)len), der, ret, err) : x509_no_memory(err);
    OPENSSL_free(text);
    X509_PUBKEY_free(pub);
    return code;
}

/* One element that holds elements, as key stores read it. */
static bool is_strict_list(struct slice in) {
    struct slice list;
    bool ok = der_take(&in, DER_SEQUENCE, &list) && in.len == 0;
    while (ok && list.len > 0) {
        ok = der_next(&list, NULL, NULL);
    }
    return ok;
}

/* OpenSSL's reader takes lengths that DER does not know, which the key store refuses later, when
 * the file may be gone. */
static bool is_strict(struct slice der, bool is_pkcs8) {
    struct slice info, octets;
    if (!is_strict_list(der)) {
        return false;
    }
    if (!is_pkcs8) {
        return true;
    }
    return der_take(&der, DER_SEQUENCE, &info) && der_take(&info, DER_INTEGER, NULL) &&
           der_take(&info, DER_SEQUENCE, NULL) && der_take(&info, DER_OCTET_STRING, &octets) &&
           (octets.len == 0 || (uint8_t)octets.ptr[0] != DER_SEQUENCE || is_strict_list(octets));
}

static enum edge_code too_large(struct edge_error *err) {
    return edge_set(err, EDGE_RANGE,
                    "the private key is too large: RSA keys of up to 4096 bits are usable");
}

/* The public half, as a SubjectPublicKeyInfo. */
static enum edge_code add_spki(EVP_PKEY *key, struct buf *out, struct edge_error *err) {
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(key, &spki);
    if (len <= 0) {
        return x509_no_memory(err);
    }
    enum edge_code code =
        len > X509_SPKI_MAX ? too_large(err) : buf_append(out, spki, (size_t)len, err);
    OPENSSL_free(spki);
    return code;
}

enum edge_code x509_key_read(struct slice pem, struct secret *ret, struct buf *spki,
                             struct edge_error *err) {
    EVP_PKEY *key X509_PKEY_CLEANUP = NULL;
    struct secret der SECRET_CLEANUP = {0};
    bool is_pkcs8 = false;
    size_t before = spki->len;
    enum edge_code code = x509_pkey_parse(pem, &key, &der, &is_pkcs8, err);
    if (code == EDGE_OK && der.len > X509_KEY_DER_MAX) {
        code = too_large(err);
    }
    if (code == EDGE_OK && !is_strict(secret_slice(&der), is_pkcs8)) {
        code = edge_set(err, EDGE_PARSE, "the private key is damaged: its lengths are not DER");
    }
    code = code != EDGE_OK ? code : add_spki(key, spki, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct slice added = slice_make(spki->data + before, spki->len - before);
    code = to_pkcs8(added, &der, is_pkcs8, ret, err);
    ERR_clear_error();
    return code;
}

/* RSA signs the digest with the name of its algorithm before it, which the context adds. */
static bool verify(EVP_PKEY *key, const uint8_t *digest, struct slice signature) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
              EVP_PKEY_verify(ctx, (const unsigned char *)signature.ptr, signature.len, digest,
                              SHA256_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static enum edge_code public_key(struct slice spki_der, EVP_PKEY **ret, struct edge_error *err) {
    const unsigned char *at = (const unsigned char *)spki_der.ptr;
    *ret = d2i_PUBKEY(NULL, &at, (long)spki_der.len);
    if (*ret != NULL) {
        return EDGE_OK;
    }
    return ossl_take_nomem() ? x509_no_memory(err)
                             : edge_set(err, EDGE_PARSE, "the public key is damaged");
}

enum edge_code x509_key_verify(struct slice spki_der, const uint8_t digest[SHA256_LEN],
                               struct slice signature, struct edge_error *err) {
    EVP_PKEY *key X509_PKEY_CLEANUP = NULL;
    enum edge_code code = public_key(spki_der, &key, err);
    if (code == EDGE_OK && !verify(key, digest, signature)) {
        code = ossl_take_nomem()
                   ? x509_no_memory(err)
                   : edge_set(err, EDGE_DENIED, "the signature is not that of the key");
    }
    ERR_clear_error();
    return code;
}

static bool has_key(X509 *cert, const EVP_PKEY *key) {
    const EVP_PKEY *own = X509_get0_pubkey(cert);
    return own != NULL && EVP_PKEY_eq(own, key) == 1;
}

/* Number of the certificate (from 0) that another one of the file was issued by, or cnt. */
static size_t issued_by(const struct x509_certs *c, size_t issuer) {
    for (size_t i = 0; i < c->cnt; i++) {
        if (i != issuer && X509_cmp(c->items[i], c->items[issuer]) != 0 &&
            X509_check_issued(c->items[issuer], c->items[i]) == X509_V_OK) {
            return i;
        }
    }
    return c->cnt;
}

enum edge_code x509_key_fits(struct slice chain_pem, struct slice spki_der,
                             struct edge_error *err) {
    struct x509_certs chain X509_CERTS_CLEANUP = {NULL, 0};
    EVP_PKEY *key X509_PKEY_CLEANUP = NULL;
    enum edge_code code = x509_certs_read_chain(chain_pem, &chain, err);
    code = code != EDGE_OK ? code : public_key(spki_der, &key, err);
    if (code != EDGE_OK) {
        return code;
    }
    size_t issuer_of = chain.cnt;
    for (size_t i = 0; i < chain.cnt; i++) {
        if (has_key(chain.items[i], key)) {
            issuer_of = issued_by(&chain, i);
            if (issuer_of == chain.cnt) {
                return EDGE_OK;
            }
        }
    }
    if (issuer_of < chain.cnt) {
        return edge_set(err, EDGE_CONFLICT,
                        "the private key belongs to the issuer of certificate %zu, not to the "
                        "device CA itself: that key should not be on a device",
                        issuer_of + 1);
    }
    return ossl_take_nomem() ? x509_no_memory(err)
                             : edge_set(err, EDGE_CONFLICT,
                                        "the private key is not that of the certificate: give the "
                                        "key that the certificate was made for");
}
