/* SPDX-License-Identifier: MIT */
/*
 * Data sealed to this TPM.
 */
#ifndef HSM_TPM_SEAL_H
#define HSM_TPM_SEAL_H

#include "tpm/tpm.h"

/* Appends the sealed blob. */
enum edge_code tpm_seal(struct tpm *t, const struct secret *plain, struct buf *ret_blob,
                        struct edge_error *err) EDGE_NODISCARD;

/* Errors: PARSE, DENIED, as the TPM. */
enum edge_code tpm_unseal(struct tpm *t, struct slice blob, struct secret *ret,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
