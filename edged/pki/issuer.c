/* SPDX-License-Identifier: MIT */
/*
 * Everything that is taken from an issuer's certificate is read here once, with its limits, so that
 * a chain of an operator's or of release 1.1 cannot surprise the encoder in issue.c. Its key is set
 * up for checks only: who holds the private half is told by the first signature.
 */
#include "pki/issuer.h"

#include "base/clock.h"
#include "base/der.h"
#include "base/mac.h"
#include "base/ossl.h"
#include "base/x509_pem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096

static void cleanup_name(X509_NAME **name) {
    X509_NAME_free(*name);
}

static enum edge_code no_memory(struct edge_error *err) {
    ERR_clear_error();
    return edge_set(err, EDGE_NOMEM, "no memory for the issuer of a certificate");
}

void issue_issuer_free(struct issue_issuer *i) {
    if (i != NULL) {
        EVP_PKEY_CTX_free(i->verify);
        EVP_PKEY_free(i->key);
        X509_free(i->cert);
        free(i);
    }
}

void issuer_cleanup(struct issue_issuer **i) {
    issue_issuer_free(*i);
}

static bool is_known_curve(const EVP_PKEY *key) {
    char group[32];
    size_t len = 0;
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
           (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
            strcmp(group, "secp521r1") == 0);
}

static enum edge_code check_kind(const EVP_PKEY *key, struct edge_error *err) {
    int bits = EVP_PKEY_get_bits(key);
    bool is_rsa = EVP_PKEY_is_a(key, "RSA");
    if (is_rsa ? bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX : is_known_curve(key)) {
        return EDGE_OK;
    }
    ERR_clear_error();
    return edge_set(err, EDGE_UNSUPPORTED,
                    "a key of %d bits of another kind than P-256, P-384, P-521 or RSA of %d to %d "
                    "bits",
                    bits, RSA_BITS_MIN, RSA_BITS_MAX);
}

enum edge_code issuer_key_read(struct slice spki_der, EVP_PKEY **ret, struct edge_error *err) {
    const unsigned char *at = (const unsigned char *)spki_der.ptr;
    const unsigned char *end = at + spki_der.len;
    ERR_clear_error();
    EVP_PKEY *key = spki_der.len > 0 ? d2i_PUBKEY(NULL, &at, (long)spki_der.len) : NULL;
    if (key == NULL && ossl_take_nomem()) {
        return no_memory(err);
    }
    if (key == NULL || at != end) {
        EVP_PKEY_free(key);
        return edge_set(err, EDGE_PARSE, "not a public key");
    }
    enum edge_code code = check_kind(key, err);
    if (code != EDGE_OK) {
        EVP_PKEY_free(key);
        return code;
    }
    *ret = key;
    return EDGE_OK;
}

enum edge_code issuer_key_id(struct slice bits, uint8_t ret[PROFILE_KEY_ID_LEN],
                             struct edge_error *err) {
    uint8_t digest[SHA256_LEN];
    enum edge_code code = sha256(bits.ptr, bits.len, digest, err);
    if (code == EDGE_OK) {
        memcpy(ret, digest, PROFILE_KEY_ID_LEN);
    }
    return code;
}

/* The context is kept: setting it up costs as much as a check. */
static enum edge_code prepare_key(struct issue_issuer *i, struct edge_error *err) {
    enum edge_code code = check_kind(i->key, err);
    if (code != EDGE_OK) {
        return code;
    }
    i->is_rsa = EVP_PKEY_is_a(i->key, "RSA");
    i->verify = EVP_PKEY_CTX_new(i->key, NULL);
    if (i->verify == NULL || EVP_PKEY_verify_init(i->verify) != 1 ||
        EVP_PKEY_CTX_set_signature_md(i->verify, EVP_sha256()) != 1) {
        return no_memory(err);
    }
    return EDGE_OK;
}

static bool put_name(const X509_NAME *name, uint8_t *to, size_t max, size_t *ret_len) {
    unsigned char *at = to;
    int len = i2d_X509_NAME(name, NULL);
    if (len <= 0 || (size_t)len > max) {
        return false;
    }
    *ret_len = (size_t)i2d_X509_NAME(name, &at);
    return true;
}

/* What release 1.1 copies from the issuer's subject, and in the order that it has there. */
static bool is_inherited(const X509_NAME_ENTRY *entry) {
    switch (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))) {
    case NID_countryName:
    case NID_stateOrProvinceName:
    case NID_localityName:
    case NID_organizationName:
    case NID_organizationalUnitName:
        return true;
    default:
        return false;
    }
}

static enum edge_code read_inherited(struct issue_issuer *i, struct edge_error *err) {
    const X509_NAME *subject = X509_get_subject_name(i->cert);
    X509_NAME *name EDGE_CLEANUP(cleanup_name) = X509_NAME_new();
    uint8_t der[ISSUER_INHERITED_MAX + 4];
    size_t len = 0;
    if (name == NULL) {
        return no_memory(err);
    }
    for (int at = 0; at < X509_NAME_entry_count(subject); at++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
        if (is_inherited(entry) && X509_NAME_add_entry(name, entry, -1, 0) != 1) {
            return no_memory(err);
        }
    }
    int need = i2d_X509_NAME(name, NULL);
    if (need > 0 && (size_t)need > sizeof(der)) {
        return edge_set(err, EDGE_RANGE,
                        "the subject of the issuer's certificate is longer than "
                        "%d bytes",
                        ISSUER_INHERITED_MAX);
    }
    if (!put_name(name, der, sizeof(der), &len)) {
        return no_memory(err);
    }
    struct slice whole = slice_make(der, len);
    struct slice rdns = {0};
    if (!der_take(&whole, DER_SEQUENCE, &rdns) || rdns.len > sizeof(i->inherited)) {
        return edge_set(err, EDGE_INTERNAL, "a subject that cannot be encoded");
    }
    memcpy(i->inherited, rdns.ptr, rdns.len);
    i->inherited_len = rdns.len;
    return EDGE_OK;
}

/* Without a key identifier in the certificate, the one that we would give it. */
static enum edge_code read_key_id(struct issue_issuer *i, struct edge_error *err) {
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(i->cert);
    if (id != NULL) {
        int len = ASN1_STRING_length(id);
        if (len > 0 && len <= PROFILE_KEY_ID_MAX) {
            memcpy(i->key_id, ASN1_STRING_get0_data(id), (size_t)len);
            i->key_id_len = (size_t)len;
            return EDGE_OK;
        }
    }
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(i->cert);
    i->key_id_len = PROFILE_KEY_ID_LEN;
    return issuer_key_id(slice_make(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits)),
                         i->key_id, err);
}

static enum edge_code check_authority(struct issue_issuer *i, struct edge_error *err) {
    /* Decodes the extensions once for the questions below. */
    if (X509_check_purpose(i->cert, -1, 0) != 1) {
        return ossl_take_nomem()
                   ? no_memory(err)
                   : edge_set(err, EDGE_PARSE,
                              "the extensions of the issuer's certificate are malformed");
    }
    if (X509_check_ca(i->cert) != 1) {
        return edge_set(err, EDGE_CONFLICT,
                        "the issuer's certificate is not that of a CA (basicConstraints)");
    }
    if ((X509_get_key_usage(i->cert) & KU_KEY_CERT_SIGN) == 0) {
        return edge_set(err, EDGE_CONFLICT,
                        "the issuer may not sign certificates (keyUsage lacks keyCertSign)");
    }
    long path_len = X509_get_pathlen(i->cert);
    i->path_len = path_len > UINT8_MAX ? -1 : (int)path_len;
    return EDGE_OK;
}

static enum edge_code read_cert(struct issue_issuer *i, struct edge_error *err) {
    i->key = X509_get_pubkey(i->cert);
    if (i->key == NULL) {
        return ossl_take_nomem()
                   ? no_memory(err)
                   : edge_set(err, EDGE_UNSUPPORTED,
                              "the public key of the issuer's certificate cannot be read");
    }
    if (!x509_cert_times(i->cert, &i->not_before_wall_s, &i->not_after_wall_s)) {
        return ossl_take_nomem()
                   ? no_memory(err)
                   : edge_set(
                         err, EDGE_PARSE,
                         "the issuer's certificate does not say from when to when it is valid");
    }
    if (!put_name(X509_get_subject_name(i->cert), i->name, sizeof(i->name), &i->name_len)) {
        return ossl_take_nomem()
                   ? no_memory(err)
                   : edge_set(err, EDGE_RANGE,
                              "the subject of the issuer's certificate is longer than %d "
                              "bytes",
                              ISSUER_NAME_MAX);
    }
    enum edge_code code = check_authority(i, err);
    code = code != EDGE_OK ? code : read_inherited(i, err);
    code = code != EDGE_OK ? code : read_key_id(i, err);
    return code != EDGE_OK ? code : prepare_key(i, err);
}

enum edge_code issue_issuer_new(struct slice issuer_pem, struct issue_issuer **ret,
                                struct edge_error *err) {
    static const struct x509_source from = {
        .file = "the issuer's certificate", .bytes_max = X509_PEM_MAX, .cnt_max = 1};
    struct issue_issuer *i ISSUER_CLEANUP = calloc(1, sizeof(*i));
    if (i == NULL) {
        return no_memory(err);
    }
    enum edge_code code = x509_certs_first(issuer_pem, &from, &i->cert, err);
    code = code != EDGE_OK ? code : read_cert(i, err);
    if (code == EDGE_OK) {
        *ret = TAKE_PTR(i);
    }
    ERR_clear_error();
    return code;
}

enum edge_code issuer_new_self(struct slice spki_der, struct issue_issuer **ret,
                               struct edge_error *err) {
    struct issue_issuer *i ISSUER_CLEANUP = calloc(1, sizeof(*i));
    if (i == NULL) {
        return no_memory(err);
    }
    enum edge_code code = issuer_key_read(spki_der, &i->key, err);
    code = code != EDGE_OK ? code : prepare_key(i, err);
    if (code == EDGE_OK) {
        *ret = TAKE_PTR(i);
    }
    return code;
}

/* Whether the arithmetic was our own: neither a TPM's nor RSA, where one wrong signature gives the
 * key away. */
static bool is_own_ec(const struct issue_issuer *i, const struct issue_signer *s) {
    struct hsm_key key;
    return !i->is_rsa && s->hsm != NULL &&
           hsm_key_get(s->hsm, s->key_name, &key, NULL) == EDGE_OK && key.place != HSM_KEY_IN_TPM;
}

static bool is_proven(const struct issue_issuer *i, const struct issue_signer *s) {
    return i->proven_mono_ms != 0 && s->hsm != NULL &&
           clock_mono_ms() - i->proven_mono_ms < ISSUER_PROOF_MS &&
           strcmp(i->proven_name, s->key_name) == 0;
}

enum edge_code issuer_verify(struct issue_issuer *i, const struct issue_signer *s,
                             const uint8_t digest[HSM_DIGEST_LEN], struct slice sig,
                             struct edge_error *err) {
    if (is_proven(i, s)) {
        return EDGE_OK;
    }
    ERR_clear_error();
    if (EVP_PKEY_verify(i->verify, (const unsigned char *)sig.ptr, sig.len, digest,
                        HSM_DIGEST_LEN) != 1) {
        return ossl_take_nomem()
                   ? no_memory(err)
                   : edge_set(err, EDGE_CONFLICT,
                              "the signature does not fit the issuer's certificate: that "
                              "has another key");
    }
    i->proven_mono_ms = 0;
    if (is_own_ec(i, s) &&
        slice_to_array(slice_str(s->key_name), i->proven_name, sizeof(i->proven_name))) {
        i->proven_mono_ms = clock_mono_ms();
    }
    return EDGE_OK;
}
