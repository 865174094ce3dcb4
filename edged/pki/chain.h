/* SPDX-License-Identifier: MIT */
/*
 * Certificates of authorities as PEM text: reading a chain in whatever order it was put together,
 * and the checks that an operator's CA has to pass before anything is signed with it. Every refusal
 * names the file, the certificate by its subject, and the mend. Pure but for OpenSSL's error queue,
 * which is left empty; any thread.
 */
#ifndef PKI_CHAIN_H
#define PKI_CHAIN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mac.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAIN_PEM_MAX     (64 * 1024) /* bytes of a file */
#define CHAIN_CERTS_MAX   10
#define CHAIN_BUNDLE_MAX  200 /* certificates of a trust bundle */
#define CHAIN_SUBJECT_MAX 128 /* with NUL; a longer one is cut */
#define CHAIN_SPKI_MAX    640 /* bytes, DER: an RSA key of 4096 bits has 550 */

struct chain_cert {
    char subject[CHAIN_SUBJECT_MAX]; /* RFC 2253, without control characters */
    char sha256[SHA256_HEX];         /* of the DER */
    char key_sha256[SHA256_HEX];     /* of its public key, DER SubjectPublicKeyInfo */
    int64_t not_before_wall_s;
    int64_t not_after_wall_s;
    int64_t path_len; /* -1: not limited */
    bool is_ca;
    bool may_sign; /* keyCertSign, or no key usage */
    bool self_issued;
    char key[16]; /* "RSA-2048", "P-256", ... or "" for a kind that is not taken */
};

/* Leaf first, then each one's issuer. Embedded; chain_clear releases. */
struct chain {
    struct chain_cert certs[CHAIN_CERTS_MAX];
    size_t cnt;
    struct buf pem;               /* all certificates in order, nothing else */
    uint8_t spki[CHAIN_SPKI_MAX]; /* public key of the first, DER SubjectPublicKeyInfo */
    size_t spki_len;              /* 0: longer than that */
};

void chain_clear(struct chain *c);

/* Reads the certificates of a text; file is its name for messages. Any order; what stands between
 * them and repetitions are ignored; a self-signed certificate at the end of a longer chain is read
 * but not kept in pem. *ret is zero-initialised or cleared. Errors: PARSE (no certificate, or a
 * malformed one), RANGE (too many, too long), CONFLICT (two chains, or a certificate that belongs
 * to none; a private key among them is not an error), NOMEM, CRYPTO. */
enum edge_code chain_read(struct slice pem, const char *file, struct chain *ret,
                          struct edge_error *err) EDGE_NODISCARD;

/* Whether the first certificate can be that of the CA above a workload CA: kinds of keys, CA and
 * key usage, path lengths all the way up. CONFIG with the reason. */
enum edge_code chain_check_ca(const struct chain *c, const char *file,
                              struct edge_error *err) EDGE_NODISCARD;

/* CONFIG when one of the certificates is not valid at now_wall_s. */
enum edge_code chain_check_time(const struct chain *c, int64_t now_wall_s, const char *file,
                                struct edge_error *err) EDGE_NODISCARD;

/* CONFIG when the private key of key_file, whose public half (DER SubjectPublicKeyInfo) this is, is
 * not that of the first certificate. */
enum edge_code chain_check_key(const struct chain *c, const char *file, struct slice key_spki,
                               const char *key_file, struct edge_error *err) EDGE_NODISCARD;

/* Whether a path leads from the first certificate to one of the bundle (any of them counts as
 * trusted, a root or not) at now_wall_s. Appends that certificate in PEM to ret_anchor (may be
 * NULL). CONFIG with the certificate at which the path ends. */
enum edge_code chain_check_anchor(const struct chain *c, const char *file, struct slice bundle_pem,
                                  const char *bundle_file, int64_t now_wall_s,
                                  struct buf *ret_anchor, struct edge_error *err) EDGE_NODISCARD;

/* Checks a trust bundle: certificates that can be read, at least one, no private key. It is given
 * to every module as it is. CONFIG with the reason. */
enum edge_code chain_check_bundle(struct slice pem, const char *file,
                                  struct edge_error *err) EDGE_NODISCARD;

/* The first certificate of a text alone. Errors: PARSE, NOMEM, CRYPTO. */
enum edge_code chain_read_first(struct slice pem, const char *file, struct chain_cert *ret,
                                struct edge_error *err) EDGE_NODISCARD;

#endif
