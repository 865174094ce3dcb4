/* SPDX-License-Identifier: MIT */
/*
 * Parts of the diagnosis that need no TPM: the endorsement certificate.
 */
#ifndef HSM_TPM_CERT_H
#define HSM_TPM_CERT_H

#include "base/slice.h"
#include "hsm/hsm.h"

#include <tss2/tss2_tpm2_types.h>

/* Reads a DER certificate (trailing filler of the NV index allowed) and fills the ek_cert_*
 * members: bytes, whether its key is `ek` (NULL: unknown, false), issuer, and subject together with
 * what the subject alternative name tells about the TPM. Malformed: everything stays empty. */
void tpm_cert_read(struct slice der, const TPM2B_PUBLIC *ek, struct hsm_tpm_info *ret);

#endif
