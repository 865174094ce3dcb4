/* SPDX-License-Identifier: MIT */
/*
 * PEM texts through OpenSSL: certificates and private keys that people and enrolment agents leave
 * in files. For the sources of this folder and of pki. Any thread; functions that return an error
 * leave OpenSSL's queue empty.
 */
#ifndef BASE_X509_PEM_H
#define BASE_X509_PEM_H

#include "base/attr.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/x509.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct x509_certs {
    X509 **items;
    size_t cnt;
};

#define X509_CERTS_CLEANUP EDGE_CLEANUP(x509_certs_clear)
#define X509_PKEY_CLEANUP  EDGE_CLEANUP(x509_pkey_cleanup)

/* Limits of a text, and its name for messages. */
struct x509_source {
    const char *file;    /* NULL: "the file" */
    const char *belongs; /* what it should hold, told when it holds too many; may be NULL */
    size_t bytes_max;
    size_t cnt_max;
    bool skips_copies; /* of a certificate that is there already */
};

/* Reads all certificates in their order; at least one. *ret is zero-initialised. Errors: PARSE,
 * RANGE, NOMEM. */
enum edge_code x509_certs_read(struct slice pem, const struct x509_source *from,
                               struct x509_certs *ret, struct edge_error *err) EDGE_NODISCARD;
void x509_certs_clear(struct x509_certs *c);

/* Certificates of a chain file of X509_PEM_MAX bytes and X509_CHAIN_MAX certificates. Errors: the
 * same. */
enum edge_code x509_certs_read_chain(struct slice pem, struct x509_certs *ret,
                                     struct edge_error *err) EDGE_NODISCARD;

/* The first one alone; what follows is not looked at. Errors: the same. */
enum edge_code x509_certs_first(struct slice pem, const struct x509_source *from, X509 **ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* From when to when it is valid. False when it does not say so, or memory is short: see
 * x509_take_nomem. */
bool x509_cert_times(const X509 *cert, int64_t *ret_not_before_wall_s,
                     int64_t *ret_not_after_wall_s);

/* Empties OpenSSL's queue: NOMEM when it speaks of memory, else OK with err untouched. */
enum edge_code x509_take_nomem(struct edge_error *err) EDGE_NODISCARD;
enum edge_code x509_no_memory(struct edge_error *err);

/* First private key of a text. ret_der (may be NULL; empty before) gets the bytes between the PEM
 * lines, *ret_is_pkcs8 whether they are PKCS#8 or the older form of their kind. Errors: PARSE,
 * RANGE, NOMEM. */
enum edge_code x509_pkey_parse(struct slice pem, EVP_PKEY **ret, struct secret *ret_der,
                               bool *ret_is_pkcs8, struct edge_error *err) EDGE_NODISCARD;
void x509_pkey_cleanup(EVP_PKEY **key);

#endif
