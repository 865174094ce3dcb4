/* SPDX-License-Identifier: MIT */
/*
 * CA certificates with whatever is wrong with them, and checks of chains with OpenSSL, as a client
 * does them. Each function fails the cmocka test when it cannot.
 */
#ifndef SUPPORT_CA_CERTS_H
#define SUPPORT_CA_CERTS_H

#include "base/buf.h"
#include "base/slice.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stdint.h>

#define CA_CERTS_PEM_MAX 262144 /* bytes */

struct ca_cert {
    X509 *cert;
    EVP_PKEY *key;
};

struct ca_cert_spec {
    const char *common_name;
    const struct ca_cert *issuer;   /* NULL: self-signed */
    const char *key;                /* "P-256" (also NULL), "P-384", "RSA-1024", ... "ED25519" */
    const struct ca_cert *same_key; /* takes this one's key */
    bool no_ca;
    bool no_sign; /* key usage without keyCertSign */
    bool no_usage;
    int path_len; /* -1: none; 0 counts as none unless has_path_len */
    bool has_path_len;
    int64_t from_wall_s, to_wall_s;
};

void ca_cert_make(struct ca_cert *ret, const struct ca_cert_spec *spec);
void ca_cert_free(struct ca_cert *c);

void ca_cert_add(struct buf *out, const struct ca_cert *c);
void ca_cert_add_key(struct buf *out, const struct ca_cert *c);

/* X509_V_OK when the first certificate of chain verifies with the others of it up to one of the
 * bundle at that time, as a TLS client sees a server ("" purpose: any). */
int ca_cert_verify(struct slice chain_pem, struct slice bundle_pem, int64_t now_wall_s);

#endif
