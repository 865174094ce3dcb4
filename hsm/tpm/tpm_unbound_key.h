/* SPDX-License-Identifier: MIT */
/*
 * The key of the records that are never bound to PCRs (HSM_RECORD_UNBOUND): 32 random bytes, sealed
 * by this TPM and nothing more.
 */
#ifndef HSM_TPM_UNBOUND_KEY_H
#define HSM_TPM_UNBOUND_KEY_H

#include "tpm/tpm.h"

#define UNBOUND_KEY_FILE "unbound-key"

/* Valid until tpm_unbound_key_forget; unsealed at first use, and made when there is none that this
 * TPM has sealed. One that cannot be used is set aside: what hangs from it is damaged then. Needs
 * tpm_ready. Errors: HSM (a file of later software, another key than was sealed), as the TPM. */
enum edge_code tpm_unbound_key_get(struct tpm *t, const struct secret **ret,
                                   struct edge_error *err) EDGE_NODISCARD;

void tpm_unbound_key_forget(struct tpm *t);

#endif
