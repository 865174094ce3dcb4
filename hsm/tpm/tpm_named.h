/* SPDX-License-Identifier: MIT */
/*
 * Signing keys of the TPM backend, by name. The operations need tpm_ready; store_named.h has those
 * that need no TPM.
 */
#ifndef HSM_TPM_NAMED_H
#define HSM_TPM_NAMED_H

#include "tpm/tpm.h"

enum edge_code tpm_named_make(struct tpm *t, const char *name, struct hsm_key *ret,
                              struct edge_error *err) EDGE_NODISCARD;

/* A key of a kind that this TPM does not take is sealed instead. */
enum edge_code tpm_named_take_in(struct tpm *t, const char *name, const struct secret *pkcs8,
                                 struct hsm_key *ret, struct edge_error *err) EDGE_NODISCARD;

enum edge_code tpm_named_sign(struct tpm *t, const char *name, const uint8_t digest[HSM_DIGEST_LEN],
                              uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                              struct edge_error *err) EDGE_NODISCARD;

/* The same as parts of the table of operations. */
enum edge_code tpm_op_key_make(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_op_key_import(struct hsm_backend *b, const char *name,
                                 const struct secret *pkcs8, struct hsm_key *ret,
                                 struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_op_key_get(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_op_key_list(struct hsm_backend *b, struct hsm_key ret[HSM_KEYS_MAX],
                               size_t *ret_cnt, struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_op_key_sign(struct hsm_backend *b, const char *name,
                               const uint8_t digest[HSM_DIGEST_LEN],
                               uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_op_key_drop(struct hsm_backend *b, const char *name,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
