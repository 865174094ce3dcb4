/* SPDX-License-Identifier: MIT */
/*
 * The store key: 32 random bytes from which all secrets on the disk hang, sealed by the TPM and,
 * if the operator wants it, bound to PCRs. All need tpm_ready but for tpm_store_key_look.
 */
#ifndef HSM_TPM_STORE_KEY_H
#define HSM_TPM_STORE_KEY_H

#include "tpm/tpm.h"

/* The store key, valid until the next call that changes it; unsealed at first use, made when there
 * is none and nothing that hangs from one. Errors: HSM (locked, lost, of another TPM: the text
 * names the mend), as the TPM. */
enum edge_code tpm_store_key_get(struct tpm *t, const struct secret **ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* What the file tells, without the TPM. *ret->text is empty. */
enum edge_code tpm_store_key_look(struct tpm *t, struct hsm_store_info *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

enum edge_code tpm_store_key_reseal(struct tpm *t, const struct hsm_reseal *how,
                                    struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_store_key_recover(struct tpm *t, const struct secret *recovery,
                                     struct edge_error *err) EDGE_NODISCARD;

/* Moves what hangs from a store key that this TPM cannot have to "<name>.<word>-<unix time>". */
enum edge_code tpm_store_key_set_dead_aside(struct tpm *t, const char *word,
                                            struct edge_error *err) EDGE_NODISCARD;

/* Forgets the key here. */
void tpm_store_key_forget(struct tpm *t);

#endif
