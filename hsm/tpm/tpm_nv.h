/* SPDX-License-Identifier: MIT */
/*
 * What the manufacturer left in NV memory: endorsement certificate and, rarely, an own EK template
 * (TCG EK Credential Profile, 2.2).
 */
#ifndef HSM_TPM_NV_H
#define HSM_TPM_NV_H

#include "tpm/tpm_ctx.h"

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads a whole index with its empty password into out (bounded by out->max). Errors: NOT_FOUND,
 * DENIED (not readable that way), RANGE, as the TPM. */
enum edge_code tpm_nv_read(struct tpm_ctx *c, uint32_t index, struct buf *out,
                           struct edge_error *err) EDGE_NODISCARD;

/* The manufacturer's template for the RSA EK, with nonce, if there is one that describes a key we
 * can use: the key made from it is the one the certificate is for. */
bool tpm_nv_ek_template(struct tpm_ctx *c, TPM2B_PUBLIC *ret);

#endif
