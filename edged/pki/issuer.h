/* SPDX-License-Identifier: MIT */
/*
 * The issuer of a certificate as issue.c needs it: what its certificate says, and its public key.
 * Inside of this folder only.
 */
#ifndef PKI_ISSUER_H
#define PKI_ISSUER_H

#include "base/attr.h"
#include "pki/issue.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISSUER_NAME_MAX      2048 /* bytes, DER */
#define ISSUER_INHERITED_MAX 1024
#define ISSUER_PROOF_MS      1000

struct issue_issuer {
    X509 *cert; /* NULL for a key alone */
    EVP_PKEY *key;
    EVP_PKEY_CTX *verify;
    bool is_rsa;
    int path_len; /* -1: not limited */
    int64_t not_before_wall_s;
    int64_t not_after_wall_s;
    uint8_t name[ISSUER_NAME_MAX]; /* the subject, DER */
    size_t name_len;
    uint8_t inherited[ISSUER_INHERITED_MAX]; /* RDNs that subjects below take over, DER */
    size_t inherited_len;
    uint8_t key_id[PROFILE_KEY_ID_MAX];
    size_t key_id_len;
    char proven_name[HSM_KEY_NAME_MAX + 1]; /* software key that has proved itself, */
    uint64_t proven_mono_ms;                /* and when; 0: none */
};

#define ISSUER_CLEANUP EDGE_CLEANUP(issuer_cleanup)
void issuer_cleanup(struct issue_issuer **i);

/* Only the key, for a certificate that is signed with its own one. */
enum edge_code issuer_new_self(struct slice spki_der, struct issue_issuer **ret,
                               struct edge_error *err) EDGE_NODISCARD;

/* A public key that certificates are made for or signed with: EC on P-256, P-384 or P-521, or RSA
 * of 2048 to 4096 bits. Errors: PARSE, UNSUPPORTED, NOMEM. */
enum edge_code issuer_key_read(struct slice spki_der, EVP_PKEY **ret,
                               struct edge_error *err) EDGE_NODISCARD;

/* Key identifier of the bits of a public key (RFC 7093, method 1). */
enum edge_code issuer_key_id(struct slice bits, uint8_t ret[PROFILE_KEY_ID_LEN],
                             struct edge_error *err) EDGE_NODISCARD;

/* Checks a signature that was made with s. An EC key in our own memory that has proved itself
 * within ISSUER_PROOF_MS is not asked for a proof again: the check takes three times as long as the
 * signature, and bursts of requests would wait for it. Errors: CONFLICT (made with another key, or
 * wrong), NOMEM. */
enum edge_code issuer_verify(struct issue_issuer *i, const struct issue_signer *s,
                             const uint8_t digest[HSM_DIGEST_LEN], struct slice sig,
                             struct edge_error *err) EDGE_NODISCARD;

#endif
