/* SPDX-License-Identifier: MIT */
/*
 * Keys under the SRK: creation, loading, and the few slots they share.
 */
#include "tpm/tpm.h"

#include "tpm/tpm_named_key.h"
#include "tpm/tpm_rc.h"

#include "base/secret.h"

#include <string.h>

#define SENSITIVE_MAX            128 /* of TPM2_Create, in every TPM */
#define MAX_LOADED_BESIDE_PARENT 1   /* a parent and its child need two of three slots */

void tpm_slot_flush(struct tpm *t, enum tpm_slot slot) {
    if (slot == TPM_SLOT_NAMED) {
        tpm_named_flush(t, &t->slot[slot]);
    } else {
        tpm_ctx_flush(&t->ctx, &t->slot[slot]);
    }
}

void tpm_make_room(struct tpm *t, size_t keep_cnt, enum tpm_slot keep) {
    static const enum tpm_slot order[] = {TPM_SLOT_IDENTITY, TPM_SLOT_NAMED, TPM_SLOT_ROOT,
                                          TPM_SLOT_CHALLENGE};
    size_t loaded = 0;

    for (size_t i = 0; i < TPM_SLOT_CNT_; i++) {
        loaded += t->slot[i] != ESYS_TR_NONE;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(order) && loaded > keep_cnt; i++) {
        if (order[i] != keep && t->slot[order[i]] != ESYS_TR_NONE) {
            tpm_slot_flush(t, order[i]);
            loaded--;
        }
    }
}

enum edge_code tpm_load(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                        ESYS_TR *ret, struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    ESYS_TR tr = ESYS_TR_NONE;

    tpm_make_room(t, MAX_LOADED_BESIDE_PARENT, TPM_SLOT_CNT_);
    TSS2_RC rc =
        Esys_Load(c->esys, t->keys.srk.tr, c->session, ESYS_TR_NONE, ESYS_TR_NONE, priv, pub, &tr);
    const struct tpm_rc_info info = tpm_rc_describe(rc);
    if (rc != TSS2_RC_SUCCESS && tpm_rc_base(rc) != TPM2_RC_FAILURE &&
        info.state == HSM_STATE_READY && info.recovery == TPM_RECOVERY_NONE) {
        /* Depending on the changed byte a TPM gives one of a dozen codes. */
        return edge_set_native(err, EDGE_DENIED, EDGE_DOMAIN_TSS, (int64_t)rc,
                               "TPM2_Load: wrapped by another TPM's storage key, or changed (0x%x)",
                               (unsigned)rc);
    }
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_Load", err);
    }
    *ret = tr;
    return EDGE_OK;
}

enum edge_code tpm_create(struct tpm *t, const TPM2B_PUBLIC *tmpl, const struct secret *data,
                          TPM2B_PUBLIC *ret_pub, TPM2B_PRIVATE *ret_priv, struct edge_error *err) {
    return tpm_create_with(t, tmpl, NULL, data, ret_pub, ret_priv, err);
}

enum edge_code tpm_create_with(struct tpm *t, const TPM2B_PUBLIC *tmpl, const TPM2B_AUTH *auth,
                               const struct secret *data, TPM2B_PUBLIC *ret_pub,
                               TPM2B_PRIVATE *ret_priv, struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    TPM2B_PRIVATE *priv EDGE_CLEANUP(tpm_cleanup) = NULL;
    TPM2B_PUBLIC *pub EDGE_CLEANUP(tpm_cleanup) = NULL;

    if (data != NULL) {
        if (data->len > SENSITIVE_MAX) {
            return edge_set(err, EDGE_RANGE, "secret of %zu bytes", data->len);
        }
        sensitive.sensitive.data.size = (UINT16)data->len;
        memcpy(sensitive.sensitive.data.buffer, data->data, data->len);
    }
    if (auth != NULL) {
        sensitive.sensitive.userAuth = *auth;
    }
    tpm_make_room(t, MAX_LOADED_BESIDE_PARENT, TPM_SLOT_CNT_);
    TSS2_RC rc = Esys_Create(c->esys, t->keys.srk.tr, c->session, ESYS_TR_NONE, ESYS_TR_NONE,
                             &sensitive, tmpl, &outside, &pcrs, &priv, &pub, NULL, NULL, NULL);
    secret_wipe(&sensitive, sizeof(sensitive));
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_Create", err);
    }
    *ret_pub = *pub;
    *ret_priv = *priv;
    return EDGE_OK;
}
