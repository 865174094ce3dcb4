/* SPDX-License-Identifier: MIT */
/*
 * Identity keys of the TPM backend, the challenge key and the module root. All need tpm_ready.
 */
#ifndef HSM_TPM_IDENTITY_H
#define HSM_TPM_IDENTITY_H

#include "tpm/tpm.h"

enum edge_code tpm_challenge_load(struct tpm *t, struct slice blob,
                                  struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_challenge_sign(struct tpm *t, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                                  struct edge_error *err) EDGE_NODISCARD;

enum edge_code tpm_identity_import_blob(struct tpm *t, struct slice blob, struct slice label,
                                        uint64_t *ret_generation,
                                        struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_identity_import_key(struct tpm *t, const struct secret *key, struct slice label,
                                       uint64_t *ret_generation,
                                       struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_identity_sign(struct tpm *t, uint64_t generation, struct slice data,
                                 uint8_t ret_mac[HSM_MAC_LEN],
                                 struct edge_error *err) EDGE_NODISCARD;

/* Own and adopted keys, oldest first. Needs no TPM. */
enum edge_code tpm_identity_list(struct tpm *t, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_identity_publish(struct tpm *t, uint64_t generation,
                                    struct edge_error *err) EDGE_NODISCARD;

/* HMAC under the module root, which is loaded or made when needed. */
enum edge_code tpm_root_hmac(struct tpm *t, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                             struct edge_error *err) EDGE_NODISCARD;

#endif
