/* SPDX-License-Identifier: MIT */
/*
 * Templates of the keys we make, and the checks for keys that somebody else made.
 */
#ifndef HSM_TPM_TMPL_H
#define HSM_TPM_TMPL_H

#include "hsm/hsm.h"

#include <tss2/tss2_tpm2_types.h>

#define TPM_HANDLE_EK  0x81010001u
#define TPM_HANDLE_SRK 0x81000001u
#define TPM_HANDLE_HUB 0x81000100u /* where this device class keeps the key of its hub */

#define TPM_NV_EK_CERT     0x01C00002u /* TCG EK Credential Profile, RSA 2048 */
#define TPM_NV_EK_NONCE    0x01C00003u
#define TPM_NV_EK_TEMPLATE 0x01C00004u

/* RSA 2048 endorsement key, restricted decryption, policy PolicySecret(endorsement). */
void tpm_tmpl_ek(enum hsm_ek_template kind, TPM2B_PUBLIC *ret);

/* RSA 2048 storage key. The variants differ in `unique` and so give different keys. */
void tpm_tmpl_srk(enum hsm_ek_template kind, TPM2B_PUBLIC *ret);

/* Short-lived ECC P-256 storage key to salt the very first session with. */
void tpm_tmpl_bootstrap(TPM2B_PUBLIC *ret);

/* HMAC-SHA256 key made by the TPM, or from bytes of the caller. */
void tpm_tmpl_hmac_random(TPM2B_PUBLIC *ret);
void tpm_tmpl_hmac_given(TPM2B_PUBLIC *ret);

/* Sealed data; with a policy (size not 0) nothing else gives it out. */
void tpm_tmpl_sealed(const TPM2B_DIGEST *policy, TPM2B_PUBLIC *ret);

/* Why the object cannot serve as EK, SRK or hub key, or NULL. `unique` is ignored. */
const char *tpm_tmpl_check_ek(const TPM2B_PUBLIC *pub);
const char *tpm_tmpl_check_srk(const TPM2B_PUBLIC *pub);

/* For keys from an activation blob before import. */
const char *tpm_tmpl_check_hub_key(const TPM2B_PUBLIC *pub);

#endif
