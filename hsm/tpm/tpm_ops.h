/* SPDX-License-Identifier: MIT */
/*
 * Between the table of operations (tpm_ops.c) and what runs them (tpm_backend.c).
 */
#ifndef HSM_TPM_OPS_H
#define HSM_TPM_OPS_H

#include "tpm/tpm.h"

/* One attempt of an operation; the TPM is ready. It changes nothing that lasts before its last TPM
 * command has succeeded. */
typedef enum edge_code tpm_op_fn(struct tpm *t, void *arg, struct edge_error *err);

/* Runs an operation, repairing what can be repaired between two attempts of it. */
enum edge_code tpm_run(struct tpm *t, tpm_op_fn *fn, void *arg,
                       struct edge_error *err) EDGE_NODISCARD;

/* The same where NOT_FOUND would be taken for a key or record that is not there, and made anew: a
 * device that is not there is HSM. */
enum edge_code tpm_run_for_key(struct tpm *t, tpm_op_fn *fn, void *arg,
                               struct edge_error *err) EDGE_NODISCARD;

enum edge_code tpm_start(struct hsm_backend *b, struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_accept_change(struct hsm_backend *b, struct edge_error *err) EDGE_NODISCARD;
void tpm_close(struct hsm_backend *b);

extern const struct hsm_backend_ops tpm_ops;

#endif
