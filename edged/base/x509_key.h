/* SPDX-License-Identifier: MIT */
/*
 * The private key of a CA of the operator's, on its way from a PEM file into the key store: read,
 * named, compared with its certificate. Texts say what is wrong and how to mend it. Any thread;
 * private numbers stay in locked memory, OpenSSL's error queue is left empty.
 */
#ifndef BASE_X509_KEY_H
#define BASE_X509_KEY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mac.h"
#include "base/secret.h"
#include "base/slice.h"

#define X509_KEY_PREFIX  "ca-" /* of labels */
#define X509_KEY_LABEL   36    /* "ca-", 32 hex digits, NUL */
#define X509_KEY_DER_MAX 4096  /* bytes of a PKCS#8 key: RSA-4096 takes 2400 */
#define X509_SPKI_MAX    640   /* bytes of a SubjectPublicKeyInfo: RSA-4096 takes 550 */

/* Name under which the key store keeps the CA key with this SubjectPublicKeyInfo (DER): "ca-" and
 * the first 32 hex digits of its SHA-256. Errors: NOMEM. */
enum edge_code x509_key_label(struct slice spki_der, char out[X509_KEY_LABEL],
                              struct edge_error *err) EDGE_NODISCARD;

/* Reads the first private key of a PEM text, in any of its forms, as PKCS#8 DER (*ret empty before)
 * and appends its SubjectPublicKeyInfo (DER) to spki. Errors: PARSE (no key, a damaged one, an
 * encrypted one, DER), RANGE (too long), NOMEM. */
enum edge_code x509_key_read(struct slice pem, struct secret *ret, struct buf *spki,
                             struct edge_error *err) EDGE_NODISCARD;

/* Whether a signature of a SHA-256 digest (ECDSA in DER, or RSASSA-PKCS1-v1_5) is that of this
 * public key. Errors: DENIED (it is not), PARSE (no public key), NOMEM. */
enum edge_code x509_key_verify(struct slice spki_der, const uint8_t digest[SHA256_LEN],
                               struct slice signature, struct edge_error *err) EDGE_NODISCARD;

/* Whether a PEM file with a CA's chain, in any order, is that of this public key: a certificate in
 * it has the key, and has issued no other one of the file. Errors: CONFLICT (does not fit), PARSE,
 * RANGE, NOMEM. */
enum edge_code x509_key_fits(struct slice chain_pem, struct slice spki_der,
                             struct edge_error *err) EDGE_NODISCARD;

#endif
