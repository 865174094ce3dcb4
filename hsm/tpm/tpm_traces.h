/* SPDX-License-Identifier: MIT */
/*
 * What the TPM software stack leaves behind of a secret that went through it.
 */
#ifndef HSM_TPM_TRACES_H
#define HSM_TPM_TRACES_H

#include "tpm/tpm_ctx.h"

/* Wipes the answer of the last command in the library's buffer, and the stack below the caller.
 * After every command whose decrypted answer is a secret, once what was asked for has been copied
 * or released. */
void tpm_traces_wipe(struct tpm_ctx *c);

#endif
