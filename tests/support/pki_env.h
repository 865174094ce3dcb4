/* SPDX-License-Identifier: MIT */
/*
 * A quickstart's authorities on fake_hsm, made with issue.h, for tests of what is issued under
 * them. Each function fails the cmocka test when it cannot.
 */
#ifndef SUPPORT_PKI_ENV_H
#define SUPPORT_PKI_ENV_H

#include "base/buf.h"
#include "hsm/hsm.h"
#include "pki/issue.h"

#include <openssl/x509.h>

#include <stdint.h>

#define PKI_ENV_NOW_S 1700000000
#define PKI_ENV_DAY_S 86400

struct pki_env {
    struct hsm *hsm;
    struct hsm_key owner_key, device_key, workload_key;
    struct buf owner, device, workload; /* PEM, one certificate each */
    struct buf chain;                   /* workload, device */
};

/* Owner CA 10 years, device CA and workload CA 90 days. */
void pki_env_init(struct pki_env *e);
void pki_env_clear(struct pki_env *e);

/* A request for this kind under the issuer (empty: itself), 30 days. */
struct issue_request pki_env_request(enum profile_kind kind, const char *common_name,
                                     const struct hsm_key *key, struct slice issuer_pem);

/* The number-th certificate of a text; X509_free it. */
X509 *pki_env_cert(struct slice pem, unsigned number);

/* "DNS:a,IP:1.2.3.4,URI:x" of the certificate's SAN in its order; "" without one. Valid until the
 * next call. */
const char *pki_env_san(X509 *cert);

/* Whether the chain (leaf first) leads to the root by X509_V_FLAG_X509_STRICT at PKI_ENV_NOW_S, for
 * a purpose: X509_PURPOSE_SSL_SERVER ... or 0. X509_V_OK, or OpenSSL's reason. */
int pki_env_verify(struct slice chain_pem, struct slice root_pem, int purpose);

#endif
