/* SPDX-License-Identifier: MIT */
/*
 * Sealed objects live outside the TPM as wrapped blobs and are loaded for one unseal only.
 */
#include "tpm/tpm_seal.h"

#include "tpm/tpm_rc.h"
#include "tpm/tpm_tmpl.h"
#include "tpm/tpm_traces.h"

#include <string.h>

#define ROUNDS_MAX 32 /* of reading PCRs; four do when nobody extends one meanwhile */

/* Takes the values of one answer. False when it has none that are still wanted. */
static bool take_values(const TPML_PCR_SELECTION *got, const TPML_DIGEST *digests, uint32_t *wanted,
                        struct tpm_pcr_values *v) {
    const uint32_t before = *wanted;
    uint32_t at = 0;

    if (got->count != 1 || got->pcrSelections[0].hash != TPM2_ALG_SHA256) {
        return false;
    }
    for (uint32_t i = 0; i < HSM_PCR_CNT && i / 8 < got->pcrSelections[0].sizeofSelect; i++) {
        if ((got->pcrSelections[0].pcrSelect[i / 8] >> (i % 8) & 1) == 0) {
            continue;
        }
        if (at >= digests->count || digests->digests[at].size != HSM_PCR_LEN) {
            return false;
        }
        memcpy(v->value[i], digests->digests[at++].buffer, HSM_PCR_LEN);
        *wanted &= ~(UINT32_C(1) << i);
    }
    return *wanted != before;
}

static TSS2_RC read_some(struct tpm_ctx *c, uint32_t wanted, uint32_t *ret_counter,
                         TPML_PCR_SELECTION **ret_got, TPML_DIGEST **ret_digests) {
    TPML_PCR_SELECTION selection;

    tpm_policy_selection(wanted, &selection);
    /* Neither parameter can be encrypted; an auditing session makes the answer authentic. */
    TSS2_RC rc =
        Esys_TRSess_SetAttributes(c->esys, c->session, TPMA_SESSION_AUDIT, TPMA_SESSION_AUDIT);
    if (rc == TSS2_RC_SUCCESS) {
        rc = Esys_PCR_Read(c->esys, c->session, ESYS_TR_NONE, ESYS_TR_NONE, &selection, ret_counter,
                           ret_got, ret_digests);
    }
    (void)Esys_TRSess_SetAttributes(c->esys, c->session, 0, TPMA_SESSION_AUDIT);
    return rc;
}

/* One answer holds eight values; they belong together as long as the counter stands. */
enum edge_code tpm_pcr_read(struct tpm *t, uint32_t pcrs, struct tpm_pcr_values *ret,
                            struct edge_error *err) {
    struct tpm_pcr_values v = {0};
    uint32_t wanted = pcrs, first_counter = 0, counter = 0;
    char text[96];

    for (int round = 0; wanted != 0; round++) {
        TPML_PCR_SELECTION *got EDGE_CLEANUP(tpm_cleanup) = NULL;
        TPML_DIGEST *digests EDGE_CLEANUP(tpm_cleanup) = NULL;
        const bool first = wanted == pcrs;
        if (round == ROUNDS_MAX) {
            return edge_set(err, EDGE_BUSY, "the PCRs of the TPM keep changing");
        }
        TSS2_RC rc = read_some(&t->ctx, wanted, &counter, &got, &digests);
        if (rc != TSS2_RC_SUCCESS) {
            return tpm_ctx_fail(&t->ctx, rc, "TPM2_PCR_Read", err);
        }
        if (!first && counter != first_counter) {
            wanted = pcrs;
            continue;
        }
        first_counter = counter;
        if (!take_values(got, digests, &wanted, &v)) {
            tpm_policy_pcr_text(wanted, text, sizeof(text));
            return edge_set(err, EDGE_UNSUPPORTED,
                            "the TPM has no SHA-256 bank with PCR %s; enable the bank in the "
                            "firmware setup (or: tpm2_pcrallocate sha256:all, then restart)",
                            text);
        }
    }
    *ret = v;
    return EDGE_OK;
}

enum edge_code tpm_seal(struct tpm *t, const struct secret *data, const struct tpm_binding *b,
                        const TPM2B_AUTH *auth, TPM2B_PUBLIC *ret_pub, TPM2B_PRIVATE *ret_priv,
                        struct edge_error *err) {
    TPM2B_DIGEST policy;
    TPM2B_PUBLIC tmpl;

    enum edge_code rc = tpm_policy_digest(b, &policy, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    tpm_tmpl_sealed(&policy, &tmpl);
    return tpm_create_with(t, &tmpl, auth, data, ret_pub, ret_priv, err);
}

/* A policy session that fulfils one branch. It encrypts nothing: the key of a session that
 * authorizes would depend on the authValue, which the other branches do not know. */
static enum edge_code fulfil(struct tpm *t, const struct tpm_binding *b, bool by_code, ESYS_TR *ret,
                             struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPML_PCR_SELECTION selection;
    const TPM2B_DIGEST present = {0};
    TPML_DIGEST branches;
    const char *what = "TPM2_PolicyOR";

    enum edge_code code = tpm_policy_branches(b, &branches, err);
    if (code == EDGE_OK) {
        code = tpm_ctx_session(c, t->keys.srk.tr, TPM2_SE_POLICY, ret, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    TSS2_RC rc =
        Esys_TRSess_SetAttributes(c->esys, *ret, 0, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT);
    if (rc == TSS2_RC_SUCCESS && by_code) {
        what = "TPM2_PolicyAuthValue";
        rc = Esys_PolicyAuthValue(c->esys, *ret, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE);
    } else if (rc == TSS2_RC_SUCCESS) {
        what = "TPM2_PolicyPCR";
        tpm_policy_selection(b->pcrs, &selection);
        rc = Esys_PolicyPCR(c->esys, *ret, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &present,
                            &selection);
    }
    if (rc == TSS2_RC_SUCCESS) {
        what = "TPM2_PolicyOR";
        rc = Esys_PolicyOR(c->esys, *ret, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &branches);
    }
    if (rc == TSS2_RC_SUCCESS) {
        return EDGE_OK;
    }
    if (tpm_rc_base(rc) == TPM2_RC_VALUE) { /* none of the branches */
        rc = TPM2_RC_POLICY_FAIL;
    }
    return tpm_ctx_fail(c, rc, what, err);
}

static enum edge_code unseal_loaded(struct tpm *t, ESYS_TR object, ESYS_TR policy, bool by_code,
                                    struct secret *ret, struct edge_error *err) {
    TPM2B_SENSITIVE_DATA *data EDGE_CLEANUP(tpm_cleanup) = NULL;
    struct tpm_ctx *c = &t->ctx;
    const bool by_policy = policy != ESYS_TR_NONE;

    TSS2_RC rc = Esys_Unseal(c->esys, object, by_policy ? policy : c->session,
                             by_policy ? c->session : ESYS_TR_NONE, ESYS_TR_NONE, &data);
    tpm_traces_wipe(c);
    if (by_code && (tpm_rc_base(rc) == TPM2_RC_BAD_AUTH || tpm_rc_base(rc) == TPM2_RC_AUTH_FAIL)) {
        /* Not a lost session: nothing to be repaired and tried again. */
        return edge_set(err, EDGE_DENIED, "this is not the recovery code of the store");
    }
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_Unseal", err);
    }
    return secret_copy(ret, data->buffer, data->size, err);
}

enum edge_code tpm_unseal(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                          const struct tpm_binding *b, const TPM2B_AUTH *auth, struct secret *ret,
                          struct edge_error *err) {
    ESYS_TR object = ESYS_TR_NONE, policy = ESYS_TR_NONE;

    enum edge_code rc = tpm_load(t, pub, priv, &object, err);
    if (rc == EDGE_OK && b->pcrs != 0) {
        rc = fulfil(t, b, auth != NULL, &policy, err);
    }
    if (rc == EDGE_OK && auth != NULL) {
        TSS2_RC trc = Esys_TR_SetAuth(t->ctx.esys, object, auth);
        rc = trc == TSS2_RC_SUCCESS ? EDGE_OK
                                    : tpm_ctx_fail(&t->ctx, trc, "setting a password", err);
    }
    if (rc == EDGE_OK) {
        rc = unseal_loaded(t, object, policy, auth != NULL, ret, err);
    }
    if (auth != NULL && object != ESYS_TR_NONE) {
        const TPM2B_AUTH none = {0};
        (void)Esys_TR_SetAuth(t->ctx.esys, object, &none);
    }
    tpm_ctx_flush(&t->ctx, &policy);
    tpm_ctx_flush(&t->ctx, &object);
    return rc;
}
