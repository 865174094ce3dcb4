/* SPDX-License-Identifier: MIT */
/*
 * What a request proves the device with: a token signed by a key in the HSM, or the client
 * certificate of its TLS connection. One proof is made for each request. Loop thread only.
 *
 * This is the only place where tokens for the cloud begin, and so the place where the rule about
 * the clock is kept: none is minted while the time is known to be wrong.
 */
#ifndef CLOUD_PROOF_H
#define CLOUD_PROOF_H

#include "base/error.h"
#include "base/slice.h"
#include "cloud/cloud.h"
#include "cloud/device_cert.h"
#include "loop/op.h"

#include <stdint.h>

enum proof_kind {
    PROOF_CHALLENGE, /* token of the transient key of hsm_challenge_load */
    PROOF_KEY,       /* token of the HSM's identity key of key_generation */
    PROOF_CERT,      /* client certificate of cert; no token, as tpm-dps.md 5.3 has it */
};

struct proof_source {
    enum proof_kind kind;
    uint64_t key_generation;  /* PROOF_KEY */
    struct device_cert *cert; /* PROOF_CERT; borrowed */
};

/* One of token and identity is not NULL; both are secrets. Valid during the callback. */
struct proof {
    const char *token;
    const struct http_client_identity *identity;
    uint64_t cert_version; /* with identity: which contents of the certificate files it is */
};

/* proof is NULL unless code is OK. Exactly once, on the loop, later. */
typedef void proof_done_fn(void *data, enum edge_code code, const struct proof *proof,
                           const struct edge_error *err);

/* audience: "<scope>/registrations/<id>" or "<hub>/devices/<id>", copied. key_name: the token's skn
 * or NULL; static text. ret_op may be NULL. Errors: RETRY with wall_describe's text while the time
 * is wrong (never for PROOF_CERT), INVALID, RANGE, BUSY, NOMEM. */
enum edge_code proof_make(const struct cloud *c, const struct proof_source *from,
                          struct slice audience, const char *key_name, proof_done_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Whether the source names what its kind needs. Errors: INVALID. */
enum edge_code proof_check(const struct proof_source *from, struct edge_error *err) EDGE_NODISCARD;

#endif
