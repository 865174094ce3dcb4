/* SPDX-License-Identifier: MIT */
/*
 * Identity keys that other software left at the persistent handle of the hub key, and what becomes
 * of key files after the TPM was cleared or replaced. All need tpm_ready but for tpm_adopt_any.
 */
#ifndef HSM_TPM_ADOPT_H
#define HSM_TPM_ADOPT_H

#include "tpm/tpm.h"

#include <stdbool.h>

enum edge_code tpm_adopt(struct tpm *t, struct slice label, uint64_t *ret_generation,
                         struct edge_error *err) EDGE_NODISCARD;

/* Signs with an adopted key. NOT_FOUND: no such file, or its handle is empty. DENIED: the handle
 * holds another object. CONFLICT: the file is of another kind. */
enum edge_code tpm_adopt_sign(struct tpm *t, uint64_t generation, struct slice data,
                              uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) EDGE_NODISCARD;

/* Whether an adopted key is kept, dead or alive. */
enum edge_code tpm_adopt_any(struct tpm *t, bool *ret_any, struct edge_error *err) EDGE_NODISCARD;

/* Moves the files of all keys that this TPM cannot have to "<name>.<word>-<unix time>". */
enum edge_code tpm_adopt_set_dead_aside(struct tpm *t, const char *word,
                                        struct edge_error *err) EDGE_NODISCARD;

#endif
