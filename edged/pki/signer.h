/* SPDX-License-Identifier: MIT */
/*
 * Signs for issue.c: with a key of the HSM, or with one that was read from a file for this one
 * signature. Inside of this folder only. Worker thread.
 */
#ifndef PKI_SIGNER_H
#define PKI_SIGNER_H

#include "pki/issue.h"

#include <stddef.h>
#include <stdint.h>

/* ECDSA as DER, or RSASSA-PKCS1-v1_5, of a SHA-256 digest. Errors: those of hsm_key_sign; for a key
 * in memory PARSE, UNSUPPORTED, CRYPTO, NOMEM. */
enum edge_code signer_sign(const struct issue_signer *s, const uint8_t digest[HSM_DIGEST_LEN],
                           uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                           struct edge_error *err) EDGE_NODISCARD;

#endif
