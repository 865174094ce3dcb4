/* SPDX-License-Identifier: MIT */
/*
 * ESYS decrypts an answer on its stack and writes it into the command buffer of SAPI, where it
 * stays until a later command happens to overwrite it. SAPI tells where the buffer is.
 */
#include "tpm/tpm_traces.h"

#include "base/secret.h"

#include <tss2/tss2_sys.h>

/* Bytes of the longest answer that is a secret, with room; less than the buffer, whatever length a
 * malformed answer tells. */
#define ANSWER_MAX 512

/* Deeper than ESYS goes after an answer has come. */
#define STACK_LEN (24 * 1024)

__attribute__((noinline, no_sanitize("address"))) static void wipe_stack(void) {
    volatile uint8_t below[STACK_LEN];
    secret_wipe((void *)below, sizeof(below));
}

void tpm_traces_wipe(struct tpm_ctx *c) {
    TSS2_SYS_CONTEXT *sys = NULL;
    const uint8_t *answer = NULL;
    size_t len = 0;

    if (c->esys != NULL && Esys_GetSysContext(c->esys, &sys) == TSS2_RC_SUCCESS &&
        Tss2_Sys_GetRpBuffer(sys, &len, &answer) == TSS2_RC_SUCCESS) {
        secret_wipe((void *)(uintptr_t)answer, len < ANSWER_MAX ? len : ANSWER_MAX);
    }
    wipe_stack();
}
