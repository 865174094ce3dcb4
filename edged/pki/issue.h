/* SPDX-License-Identifier: MIT */
/*
 * Makes certificates: v3, SHA-256, random 128-bit serial, by profile. Signs with a key of the HSM
 * or, for a key of a former installation, with one in memory. Worker thread.
 */
#ifndef PKI_ISSUE_H
#define PKI_ISSUE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "pki/profile.h"

#include <stdint.h>

#define ISSUE_BACKDATE_S 300        /* before not_before_wall_s, for peers whose clock is behind */
#define ISSUE_PEM_MAX    (6 * 1024) /* bytes of one certificate that is made here */

struct issue_request {
    enum profile_kind kind;
    struct slice common_name;  /* 1 to 64 bytes of printable UTF-8 */
    struct slice spki_der;     /* the subject's public key: P-256, P-384, P-521 or RSA from 2048 */
    struct slice issuer_pem;   /* its first certificate is the issuer; empty for PROFILE_OWNER_CA */
    int64_t not_before_wall_s; /* now: the certificate begins ISSUE_BACKDATE_S earlier, but not
                                  before its issuer */
    int64_t not_after_wall_s;  /* cut at the end of the issuer */
    struct slice dns[PROFILE_DNS_MAX]; /* host names in lower case; empty ones are skipped */
    struct slice ip;                   /* 4 or 16 bytes, or empty */
    struct slice uri;                  /* ASCII, or empty */
};

/* Key of the issuer: of the HSM by name, or (hsm NULL) a private key as PKCS#8 (DER). */
struct issue_signer {
    struct hsm *hsm;
    const char *key_name;
    const struct secret *key_pkcs8;
};

/* An issuer that has been read: certificate and public key. */
struct issue_issuer;

/* From the first certificate of the text. Errors: PARSE, RANGE, UNSUPPORTED (a key that cannot sign
 * by ECDSA or RSA), CONFLICT (not a CA, or may not sign certificates), NOMEM. */
enum edge_code issue_issuer_new(struct slice issuer_pem, struct issue_issuer **ret,
                                struct edge_error *err) EDGE_NODISCARD;
void issue_issuer_free(struct issue_issuer *i);

/* Makes one certificate and appends it as PEM. ret_not_after_wall_s (may be NULL): when it ends.
 * The signature is checked with the issuer's public key first: CONFLICT when the signer's key is
 * another one. Errors: INVALID (names, key or dates of the request), CONFLICT (the issuer is not
 * valid at not_before_wall_s, or its path length leaves no room), PARSE (issuer or key), CRYPTO,
 * NOMEM, and those of hsm_key_sign. */
enum edge_code issue_cert(const struct issue_request *r, const struct issue_signer *s,
                          struct buf *ret_pem, int64_t *ret_not_after_wall_s,
                          struct edge_error *err) EDGE_NODISCARD;

/* The same under an issuer that has been read; r->issuer_pem is not looked at. */
enum edge_code issue_cert_under(struct issue_issuer *issuer, const struct issue_request *r,
                                const struct issue_signer *s, struct buf *ret_pem,
                                int64_t *ret_not_after_wall_s,
                                struct edge_error *err) EDGE_NODISCARD;

#endif
