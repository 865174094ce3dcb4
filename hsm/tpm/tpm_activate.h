/* SPDX-License-Identifier: MIT */
/*
 * From activation blob to SRK-wrapped key.
 */
#ifndef HSM_TPM_ACTIVATE_H
#define HSM_TPM_ACTIVATE_H

#include "tpm/tpm.h"
#include "tpm/tpm_blob.h"

/* TPM2_ActivateCredential and TPM2_Import. The key comes out wrapped by the SRK, safe at rest;
 * nothing is left in the TPM. Errors: DENIED (made for another EK or SRK, or corrupted), as the
 * TPM. */
enum edge_code tpm_activate(struct tpm *t, const struct tpm_blob *blob, TPM2B_PRIVATE *ret_priv,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
