/* SPDX-License-Identifier: MIT */
/*
 * HMAC-SHA256 with a key in the TPM, and random numbers.
 */
#ifndef HSM_TPM_SIGN_H
#define HSM_TPM_SIGN_H

#include "tpm/tpm.h"

/* Message signed by every new key before it is kept. */
#define TPM_SELF_TEST_TEXT "edged identity key self-test"

/* Data of any length: one command up to the TPM's input buffer, else a sequence (which needs one
 * more slot). `slot` tells which cached key this is, so that it is not flushed to make room. */
enum edge_code tpm_hmac(struct tpm *t, ESYS_TR key, enum tpm_slot slot, struct slice data,
                        uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) EDGE_NODISCARD;

/* The TPM's generator, stretched to any length, XOR the system's. */
enum edge_code tpm_random(struct tpm *t, uint8_t *ret, size_t len,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
