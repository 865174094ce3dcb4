/* SPDX-License-Identifier: MIT */
/*
 * The one translation of TSS2_RC values: what the caller can do, what state the device is in, what
 * would repair it, and a sentence an operator understands.
 */
#ifndef HSM_TPM_RC_H
#define HSM_TPM_RC_H

#include "base/error.h"
#include "hsm/hsm.h"

#include <tss2/tss2_common.h>

#include <stdbool.h>

/* What makes a second attempt worthwhile. */
enum tpm_recovery {
    TPM_RECOVERY_NONE,
    TPM_RECOVERY_FLUSH,   /* out of slots: flush what we can spare */
    TPM_RECOVERY_REBUILD, /* a session or object of ours is gone: make it again */
    TPM_RECOVERY_STARTUP, /* TPM2_Startup has not been done since reset */
    TPM_RECOVERY_REOPEN,  /* the connection is unusable */
};

struct tpm_rc_info {
    enum edge_code code;
    enum hsm_state state; /* HSM_STATE_READY: the code says nothing about the device as a whole */
    enum tpm_recovery recovery;
    const char *text;
};

/* Description of any value; for unknown ones a general one by layer. */
struct tpm_rc_info tpm_rc_describe(TSS2_RC rc);

/* Response code of the TPM without layer, parameter, handle and session numbers (TPM 2.0 Part
 * 2, 6.6); 0 when rc does not come from a TPM. Compare with TPM2_RC_HANDLE and the like. */
TSS2_RC tpm_rc_base(TSS2_RC rc);

/* The TPM asks to send the same command again a little later. */
bool tpm_rc_is_transient(TSS2_RC rc);

/* Fills err with "<what>: <text> (0x...)". Returns the code. */
enum edge_code tpm_rc_set(struct edge_error *err, TSS2_RC rc, const char *what);

#endif
