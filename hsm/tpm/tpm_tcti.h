/* SPDX-License-Identifier: MIT */
/*
 * The transport: a thin TCTI around the one the loader gives. It counts commands, sends a command
 * again while the TPM asks for that, ends waits that take too long, and refuses answers whose
 * length fields lie, so that nothing above it has to.
 */
#ifndef HSM_TPM_TCTI_H
#define HSM_TPM_TCTI_H

#include <tss2/tss2_tcti.h>

#include <stdbool.h>
#include <stdint.h>

#define TPM_COMMAND_MAX      4096 /* bytes; what TPMs and the TSS use */
#define TPM_RESEND_BUDGET_MS 4000 /* pauses in all while the TPM says "retry" */
#define TPM_WAIT_MS          30000 /* for an answer: another client's key generation may be before us */
#define TPM_WAIT_PRIMARY_MS  180000 /* for commands that generate a primary key */

struct tpm_tcti;

/* Loads and connects. *command_cnt is increased with every command sent; it must live longer. */
TSS2_RC tpm_tcti_open(const char *conf, uint64_t *command_cnt, struct tpm_tcti **ret);
void tpm_tcti_close(struct tpm_tcti *t); /* NULL allowed */

/* For Esys_Initialize; owned by t. */
TSS2_TCTI_CONTEXT *tpm_tcti_context(struct tpm_tcti *t);

/* TPM2_FlushContext for any handle of a transient object or session; the outcome does not matter.
 * Not while a command of ESYS is under way. */
void tpm_tcti_flush(struct tpm_tcti *t, uint32_t handle);

/* The last wait for an answer was given up. */
bool tpm_tcti_timed_out(const struct tpm_tcti *t);

#endif
