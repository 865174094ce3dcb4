/* SPDX-License-Identifier: MIT */
/*
 * Public areas as bytes, and the names made from them (TPM 2.0 Part 1, 16).
 */
#ifndef HSM_TPM_PUBLIC_H
#define HSM_TPM_PUBLIC_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"

#include <tss2/tss2_tpm2_types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tpm_name {
    uint8_t bytes[HSM_NAME_MAX];
    size_t len; /* 0: no name */
};

bool tpm_name_eq(const struct tpm_name *a, const struct tpm_name *b);

/* Marshalled TPM2B_PUBLIC, size field included. Errors: RANGE, HSM. */
enum edge_code tpm_public_marshal(const TPM2B_PUBLIC *pub, uint8_t ret[HSM_PUBLIC_MAX],
                                  size_t *ret_len, struct edge_error *err) EDGE_NODISCARD;

/* Exactly one TPM2B_PUBLIC, in its only valid encoding. Errors: PARSE. */
enum edge_code tpm_public_parse(struct slice bytes, TPM2B_PUBLIC *ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* Name computed here, not taken from an answer. Only nameAlg SHA-256: else UNSUPPORTED. */
enum edge_code tpm_public_name(const TPM2B_PUBLIC *pub, struct tpm_name *ret,
                               struct edge_error *err) EDGE_NODISCARD;

/* An SRK-wrapped key at rest: both parts with their size fields, public part first. */
enum edge_code tpm_wrapped_write(const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                                 struct buf *out, struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_wrapped_parse(struct slice bytes, TPM2B_PUBLIC *ret_pub, TPM2B_PRIVATE *ret_priv,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Takes a TPM2B (u16 size, bytes) off the front of *rest into dst. False when it does not fit. */
bool tpm_take_2b(struct slice *rest, size_t max_len, struct slice *ret);

#endif
