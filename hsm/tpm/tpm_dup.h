/* SPDX-License-Identifier: MIT */
/*
 * Duplicates made in software: a key wrapped for a parent in a TPM, which TPM2_Import takes in
 * (TPM 2.0 Part 1, 23.3; Part 1, B.10.3 for the seed). Nothing of the key crosses the bus in clear.
 * Pure but for random numbers.
 */
#ifndef HSM_TPM_DUP_H
#define HSM_TPM_DUP_H

#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"

#include <tss2/tss2_tpm2_types.h>

struct tpm_dup {
    TPM2B_PRIVATE duplicate;
    TPM2B_ENCRYPTED_SECRET seed;
};

/* Wraps the private part of `object` (one prime of an RSA key, the private value of an EC key) for
 * `parent`: an RSA storage key with SHA-256 name and AES-128-CFB. The object has the authValue
 * `auth`. Errors: UNSUPPORTED (another kind of parent), RANGE, NOMEM, CRYPTO. */
enum edge_code tpm_dup_make(const TPM2B_PUBLIC *parent, const TPM2B_PUBLIC *object,
                            const TPM2B_AUTH *auth, struct slice private, struct tpm_dup *ret,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
