/* SPDX-License-Identifier: MIT */
/*
 * Endorsement certificates (TCG EK Credential Profile, 3.2), as far as an operator wants to see
 * them. No chain is verified here.
 */
#include "tpm/tpm_cert.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

#define OID_MANUFACTURER "2.23.133.2.1"
#define OID_MODEL        "2.23.133.2.2"
#define OID_VERSION      "2.23.133.2.3"

static void print_name(const X509_NAME *name, char *out, size_t size) {
    BIO *bio = BIO_new(BIO_s_mem());

    out[0] = '\0';
    if (bio == NULL) {
        return;
    }
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        int n = BIO_read(bio, out, (int)size - 1);
        out[n > 0 ? n : 0] = '\0';
    }
    BIO_free(bio);
}

/* Text of one attribute, printable ASCII only: it goes to a terminal. */
static void attribute(const X509_NAME *name, const char *oid, char *out, size_t size) {
    ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);

    out[0] = '\0';
    int at = obj == NULL ? -1 : X509_NAME_get_index_by_OBJ(name, obj, -1);
    ASN1_OBJECT_free(obj);
    if (at < 0) {
        return;
    }
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    const unsigned char *p = ASN1_STRING_get0_data(text);
    size_t len = (size_t)ASN1_STRING_length(text), used = 0;
    for (size_t i = 0; i < len && used + 1 < size; i++) {
        out[used] = '?';
        if (p[i] >= 0x20 && p[i] < 0x7F) {
            out[used] = (char)p[i];
        }
        used++;
    }
    out[used] = '\0';
}

/* Manufacturer, model and version live in the alternative name; many certificates have no subject.
 */
static void print_san(const X509 *cert, char *out, size_t size) {
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    char maker[48], model[48], version[48];

    out[0] = '\0';
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DIRNAME) {
            continue;
        }
        attribute(name->d.directoryName, OID_MANUFACTURER, maker, sizeof(maker));
        attribute(name->d.directoryName, OID_MODEL, model, sizeof(model));
        attribute(name->d.directoryName, OID_VERSION, version, sizeof(version));
        (void)snprintf(out, size, "TPM manufacturer %s, model %s, version %s", maker, model,
                       version);
        break;
    }
    GENERAL_NAMES_free(names);
}

static void print_subject(const X509 *cert, char *out, size_t size) {
    char subject[128] = "", tpm[200];

    if (X509_NAME_entry_count(X509_get_subject_name(cert)) > 0) {
        print_name(X509_get_subject_name(cert), subject, sizeof(subject));
    }
    print_san(cert, tpm, sizeof(tpm));
    const char *between = subject[0] != '\0' && tpm[0] != '\0' ? ", " : "";
    (void)snprintf(out, size, "%.90s%s%.160s", subject, between, tpm);
}

static bool key_matches(const X509 *cert, const TPM2B_PUBLIC *ek) {
    const TPM2B_PUBLIC_KEY_RSA *want = &ek->publicArea.unique.rsa;
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    unsigned char have[sizeof(want->buffer)];
    BIGNUM *n = NULL;

    if (key == NULL || ek->publicArea.type != TPM2_ALG_RSA || want->size == 0 ||
        want->size > sizeof(have) || EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1) {
        return false;
    }
    bool eq = BN_bn2binpad(n, have, want->size) == want->size &&
              memcmp(have, want->buffer, want->size) == 0;
    BN_free(n);
    return eq;
}

void tpm_cert_read(struct slice der, const TPM2B_PUBLIC *ek, struct hsm_tpm_info *ret) {
    const unsigned char *p = (const unsigned char *)der.ptr;

    if (der.len == 0 || der.len > HSM_CERT_MAX) {
        return;
    }
    X509 *cert = d2i_X509(NULL, &p, (long)der.len);
    if (cert == NULL) {
        return;
    }
    ret->ek_cert_len = (size_t)(p - (const unsigned char *)der.ptr);
    memcpy(ret->ek_cert, der.ptr, ret->ek_cert_len);
    ret->ek_cert_matches = ek != NULL && key_matches(cert, ek);
    print_subject(cert, ret->ek_cert_subject, sizeof(ret->ek_cert_subject));
    print_name(X509_get_issuer_name(cert), ret->ek_cert_issuer, sizeof(ret->ek_cert_issuer));
    X509_free(cert);
}
