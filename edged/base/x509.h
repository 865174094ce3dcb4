/* SPDX-License-Identifier: MIT */
/*
 * Checks of a certificate chain and its private key in PEM form, as an operator or an enrolment
 * agent leaves them in files. Texts say what is wrong and how to mend it. Any thread; pure but for
 * OpenSSL's error queue, which is left empty.
 */
#ifndef BASE_X509_H
#define BASE_X509_H

#include "base/error.h"
#include "base/mac.h"
#include "base/slice.h"

#include <stdint.h>

#define X509_PEM_MAX         65536 /* bytes of a chain or a key */
#define X509_CHAIN_MAX       10    /* certificates */
#define X509_COMMON_NAME_MAX 256   /* bytes with NUL; a longer one counts as absent */

struct x509_leaf {
    char common_name[X509_COMMON_NAME_MAX]; /* "": none, or one with control characters */
    char thumbprint[SHA256_HEX];            /* of the DER */
    char pem_sha256[SHA256_HEX];            /* of the whole text */
    int64_t not_before_wall_s;
    int64_t not_after_wall_s;
    uint32_t chain_cnt; /* certificates in the text */
};

/* Reads a chain: the leaf, then each one's issuer. Errors: PARSE, RANGE, CONFLICT (not in that
 * order), NOMEM. */
enum edge_code x509_chain_read(struct slice chain_pem, struct x509_leaf *ret,
                               struct edge_error *err) EDGE_NODISCARD;

/* Whether the key is that of the first certificate. Errors: PARSE (also when it is encrypted),
 * RANGE, CONFLICT (does not fit), NOMEM. */
enum edge_code x509_key_check(struct slice chain_pem, struct slice key_pem,
                              struct edge_error *err) EDGE_NODISCARD;

/* DENIED, with both times, when the leaf is not valid at now_wall_s. */
enum edge_code x509_time_check(const struct x509_leaf *leaf, int64_t now_wall_s,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
