/* SPDX-License-Identifier: MIT */
/*
 * Sealed objects: data that only this TPM gives back, bound to nothing or to a policy. All need
 * tpm_ready.
 */
#ifndef HSM_TPM_SEAL_H
#define HSM_TPM_SEAL_H

#include "tpm/tpm.h"
#include "tpm/tpm_policy.h"

/* Values of PCRs, read inside the session, so that nobody between the TPM and us can make them up.
 * Errors: UNSUPPORTED (no SHA-256 bank, or without one of these PCRs), as the TPM. */
enum edge_code tpm_pcr_read(struct tpm *t, uint32_t pcrs, struct tpm_pcr_values *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Seals data; auth is what the recovery code gives (NULL when bound to nothing). */
enum edge_code tpm_seal(struct tpm *t, const struct secret *data, const struct tpm_binding *b,
                        const TPM2B_AUTH *auth, TPM2B_PUBLIC *ret_pub, TPM2B_PRIVATE *ret_priv,
                        struct edge_error *err) EDGE_NODISCARD;

/* Unseals by the present values of the PCRs or, with auth, by the recovery code, which proves
 * itself by HMAC. *ret must be empty. Errors: DENIED (policy not fulfilled, another code, wrapped
 * by another TPM), as the TPM. */
enum edge_code tpm_unseal(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                          const struct tpm_binding *b, const TPM2B_AUTH *auth, struct secret *ret,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
