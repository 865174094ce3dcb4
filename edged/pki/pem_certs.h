/* SPDX-License-Identifier: MIT */
/*
 * Certificates that base/x509_pem has read: back into PEM text, and what is told of them. Inside
 * pki/ only. Any thread; OpenSSL's error queue is left empty.
 */
#ifndef PKI_PEM_CERTS_H
#define PKI_PEM_CERTS_H

#include "base/buf.h"
#include "base/error.h"
#include "pki/chain.h"

#include <stddef.h>

#include <openssl/x509.h>

/* Appends the certificate in PEM. Errors: NOMEM, RANGE. */
enum edge_code pem_certs_append(X509 *cert, struct buf *out, struct edge_error *err) EDGE_NODISCARD;

/* Errors: PARSE (no dates), NOMEM. */
enum edge_code pem_certs_describe(X509 *cert, const char *file, struct chain_cert *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* RFC 2253, cut to the size, printable. */
void pem_certs_subject(const X509 *cert, char *out, size_t size);
void pem_certs_issuer(const X509 *cert, char *out, size_t size);

#endif
