/* SPDX-License-Identifier: MIT */
/*
 * What a sealed object is bound to, and the policy that says so, computed here as the TPM computes
 * it (TPM 2.0 Part 1, 19.7; Part 3, 23.6 PolicyOR, 23.7 PolicyPCR, 23.16 PolicyAuthValue).
 */
#ifndef HSM_TPM_POLICY_H
#define HSM_TPM_POLICY_H

#include "base/error.h"
#include "base/secret.h"
#include "hsm/hsm.h"

#include <tss2/tss2_tpm2_types.h>

#include <stdbool.h>
#include <stdint.h>

/* Values of PCRs by number; those of PCRs that do not matter are zero. */
struct tpm_pcr_values {
    uint8_t value[HSM_PCR_CNT][HSM_PCR_LEN];
};

/* Any of: the values at binding, the values planned for later, the recovery code. */
struct tpm_binding {
    uint32_t pcrs; /* bit n: PCR n; 0: bound to nothing, and the rest is unused */
    bool has_planned;
    struct tpm_pcr_values now;
    struct tpm_pcr_values planned;
};

/* The SHA-256 bank of these PCRs. */
void tpm_policy_selection(uint32_t pcrs, TPML_PCR_SELECTION *ret);

/* Policies of the branches, in the order above. */
enum edge_code tpm_policy_branches(const struct tpm_binding *b, TPML_DIGEST *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* The whole policy; size 0 when bound to nothing. */
enum edge_code tpm_policy_digest(const struct tpm_binding *b, TPM2B_DIGEST *ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* authValue made from a recovery code; the caller wipes it. */
enum edge_code tpm_policy_recovery_auth(const struct secret *code, TPM2B_AUTH *ret,
                                        struct edge_error *err) EDGE_NODISCARD;

/* Puts PCRs into words: "0, 2, 7". */
void tpm_policy_pcr_text(uint32_t pcrs, char *ret, size_t size);

#endif
