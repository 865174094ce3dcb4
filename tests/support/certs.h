/* SPDX-License-Identifier: MIT */
/*
 * Certificates and keys made on the spot. Each function fails the cmocka test when it cannot.
 */
#ifndef SUPPORT_CERTS_H
#define SUPPORT_CERTS_H

#include "base/buf.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stdint.h>

#define CERTS_TEXT_MAX 262144 /* bytes */

struct certs_pair {
    X509 *cert;
    EVP_PKEY *key; /* P-256 */
};

/* issuer NULL: self-signed. common_name NULL: an empty subject. */
void certs_make(struct certs_pair *ret, const struct certs_pair *issuer, const char *common_name,
                int64_t from_wall_s, int64_t to_wall_s);
void certs_free(struct certs_pair *p);

/* Appends PEM text; passphrase NULL: the key in clear. */
void certs_add_cert(struct buf *out, const struct certs_pair *p);
void certs_add_key(struct buf *out, const struct certs_pair *p, const char *passphrase);

#endif
