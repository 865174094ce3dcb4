/* SPDX-License-Identifier: MIT */
/*
 * Chains and keys through OpenSSL. The files come from people and from enrolment agents: the usual
 * mistakes (wrong order, wrong file, DER instead of PEM, a passphrase) are told apart.
 */
#include "base/x509.h"

#include "base/clock.h"
#include "base/mac.h"
#include "base/ossl.h"
#include "base/x509_pem.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>

static enum edge_code chain_check_order(const struct x509_certs *c, struct edge_error *err) {
    for (size_t i = 0; i + 1 < c->cnt; i++) {
        X509 *issuer = c->items[i + 1];
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        if (key == NULL || X509_check_issued(issuer, c->items[i]) != X509_V_OK ||
            X509_verify(c->items[i], key) != 1) {
            if (ossl_take_nomem()) {
                return x509_no_memory(err);
            }
            return edge_set(err, EDGE_CONFLICT,
                            "certificate %zu of the file was not issued by certificate %zu: put "
                            "the device's own first, then the issuer of each, and nothing else",
                            i + 1, i + 2);
        }
    }
    return EDGE_OK;
}

static enum edge_code leaf_thumbprint(X509 *cert, struct x509_leaf *ret, struct edge_error *err) {
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    if (len <= 0) {
        return x509_no_memory(err);
    }
    enum edge_code code = sha256_hex(slice_make(der, (size_t)len), ret->thumbprint, err);
    OPENSSL_free(der);
    return code;
}

/* Of several names the last, which is the most specific. */
static void leaf_common_name(X509 *cert, struct x509_leaf *ret) {
    const X509_NAME *subject = X509_get_subject_name(cert);
    int found = -1;
    for (int at = -1;;) {
        at = X509_NAME_get_index_by_NID(subject, NID_commonName, at);
        if (at < 0) {
            break;
        }
        found = at;
    }
    unsigned char *text = NULL;
    int len = -1;
    if (found >= 0) {
        len = ASN1_STRING_to_UTF8(&text,
                                  X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, found)));
    }
    struct slice name = slice_make(text, len > 0 ? (size_t)len : 0);
    if (!slice_is_plain_text(name) ||
        !slice_to_array(name, ret->common_name, sizeof(ret->common_name))) {
        ret->common_name[0] = '\0';
    }
    OPENSSL_free(text);
}

static enum edge_code leaf_read(X509 *cert, struct x509_leaf *ret, struct edge_error *err) {
    if (!x509_cert_times(cert, &ret->not_before_wall_s, &ret->not_after_wall_s)) {
        return ossl_take_nomem()
                   ? x509_no_memory(err)
                   : edge_set(err, EDGE_PARSE,
                              "the first certificate does not say from when to when it "
                              "is valid");
    }
    leaf_common_name(cert, ret);
    return leaf_thumbprint(cert, ret, err);
}

enum edge_code x509_chain_read(struct slice chain_pem, struct x509_leaf *ret,
                               struct edge_error *err) {
    struct x509_certs chain X509_CERTS_CLEANUP = {NULL, 0};
    struct x509_leaf leaf = {.chain_cnt = 0};
    enum edge_code code = x509_certs_read_chain(chain_pem, &chain, err);
    code = code != EDGE_OK ? code : chain_check_order(&chain, err);
    code = code != EDGE_OK ? code : leaf_read(chain.items[0], &leaf, err);
    code = code != EDGE_OK ? code : sha256_hex(chain_pem, leaf.pem_sha256, err);
    if (code == EDGE_OK) {
        leaf.chain_cnt = (uint32_t)chain.cnt;
        *ret = leaf;
    }
    return code;
}

enum edge_code x509_key_check(struct slice chain_pem, struct slice key_pem,
                              struct edge_error *err) {
    struct x509_certs chain X509_CERTS_CLEANUP = {NULL, 0};
    EVP_PKEY *key X509_PKEY_CLEANUP = NULL;
    enum edge_code code = x509_certs_read_chain(chain_pem, &chain, err);
    code = code != EDGE_OK ? code : x509_pkey_parse(key_pem, &key, NULL, NULL, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; i < chain.cnt; i++) {
        if (X509_check_private_key(chain.items[i], key) != 1) {
            if (ossl_take_nomem()) {
                return x509_no_memory(err);
            }
            continue;
        }
        if (i > 0) {
            return edge_set(err, EDGE_CONFLICT,
                            "the private key belongs to certificate %zu of the chain, not to the "
                            "first: put the device's own certificate first",
                            i + 1);
        }
        return EDGE_OK;
    }
    return edge_set(err, EDGE_CONFLICT,
                    "the private key is not that of the certificate: after a renewal both files "
                    "must be replaced");
}

enum edge_code x509_time_check(const struct x509_leaf *leaf, int64_t now_wall_s,
                               struct edge_error *err) {
    char now[CLOCK_RFC3339_LEN];
    char limit[CLOCK_RFC3339_LEN];
    clock_format_rfc3339(now_wall_s, now);
    if (now_wall_s < leaf->not_before_wall_s) {
        clock_format_rfc3339(leaf->not_before_wall_s, limit);
        return edge_set(err, EDGE_DENIED,
                        "the certificate is not valid before %s, and it is %s now: check the "
                        "clock, or wait",
                        limit, now);
    }
    if (now_wall_s > leaf->not_after_wall_s) {
        clock_format_rfc3339(leaf->not_after_wall_s, limit);
        return edge_set(err, EDGE_DENIED,
                        "the certificate expired at %s, and it is %s now: renew it, or check the "
                        "clock",
                        limit, now);
    }
    return EDGE_OK;
}
