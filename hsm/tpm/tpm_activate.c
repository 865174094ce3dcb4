/* SPDX-License-Identifier: MIT */
/*
 * Activation. The inner key that ActivateCredential yields is encrypted on the wire by the salted
 * session and wiped here after the import.
 */
#include "tpm/tpm_activate.h"

#include "tpm/tpm_rc.h"

#include "base/secret.h"

#include <assert.h>
#include <string.h>

/* Policy session that satisfies the EK's policy. The endorsement password is proven by HMAC in the
 * main session and is not sent. */
static enum edge_code ek_policy(struct tpm *t, ESYS_TR *ret, struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPM2B_TIMEOUT *timeout EDGE_CLEANUP(tpm_cleanup) = NULL;
    TPMT_TK_AUTH *ticket EDGE_CLEANUP(tpm_cleanup) = NULL;
    const TPM2B_NONCE none = {0};
    const TPM2B_DIGEST no_digest = {0};
    ESYS_TR policy = ESYS_TR_NONE;

    enum edge_code code = tpm_ctx_session(c, t->keys.srk.tr, TPM2_SE_POLICY, &policy, err);
    if (code != EDGE_OK) {
        return code;
    }
    TSS2_RC rc =
        Esys_PolicySecret(c->esys, ESYS_TR_RH_ENDORSEMENT, policy, c->session, ESYS_TR_NONE,
                          ESYS_TR_NONE, &none, &no_digest, &none, 0, &timeout, &ticket);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_ctx_flush(c, &policy);
        return tpm_ctx_fail_auth(c, rc, ESYS_TR_RH_ENDORSEMENT, "TPM2_PolicySecret", err);
    }
    /* Only one session of a command may encrypt, and the main one does. */
    (void)Esys_TRSess_SetAttributes(c->esys, policy, TPMA_SESSION_CONTINUESESSION, 0xFF);
    *ret = policy;
    return EDGE_OK;
}

/* Whether the TPM still answers: TPM_RC_FAILURE for one command may mean the blob or the TPM. */
static bool is_alive(struct tpm_ctx *c) {
    TPM2B_DIGEST *bytes EDGE_CLEANUP(tpm_cleanup) = NULL;

    return Esys_GetRandom(c->esys, c->session, ESYS_TR_NONE, ESYS_TR_NONE, 8, &bytes) ==
           TSS2_RC_SUCCESS;
}

/* Damaged ciphertext shows as INTEGRITY, VALUE or SIZE, and in some implementations as FAILURE. */
static enum edge_code refused(struct tpm *t, TSS2_RC rc, const char *what, const char *made_for,
                              struct edge_error *err) {
    switch (tpm_rc_base(rc)) {
    case TPM2_RC_FAILURE:
        if (!is_alive(&t->ctx)) {
            t->ctx.state = HSM_STATE_FAILED;
            break;
        }
        __attribute__((fallthrough));
    case TPM2_RC_INTEGRITY:
    case TPM2_RC_VALUE:
    case TPM2_RC_SIZE:
    case TPM2_RC_INSUFFICIENT:
    case TPM2_RC_KEY:
    case TPM2_RC_BINDING:
    case TPM2_RC_HASH:
    case TPM2_RC_TYPE:
    case TPM2_RC_SYMMETRIC:
    case TPM2_RC_SCHEME:
    case TPM2_RC_ATTRIBUTES:
        return edge_set_native(err, EDGE_DENIED, EDGE_DOMAIN_TSS, (int64_t)rc,
                               "%s: the blob was made for another %s, or is corrupted (0x%x)", what,
                               made_for, (unsigned)rc);
    default:
        break;
    }
    return tpm_ctx_fail(&t->ctx, rc, what, err);
}

static enum edge_code inner_key(struct tpm *t, const struct tpm_blob *blob, struct secret *ret,
                                struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPM2B_DIGEST *info EDGE_CLEANUP(tpm_cleanup) = NULL;
    ESYS_TR policy = ESYS_TR_NONE;

    enum edge_code code = ek_policy(t, &policy, err);
    if (code != EDGE_OK) {
        return code;
    }
    TSS2_RC rc = Esys_ActivateCredential(c->esys, t->keys.srk.tr, t->keys.ek.tr, c->session, policy,
                                         ESYS_TR_NONE, &blob->credential, &blob->secret, &info);
    tpm_ctx_flush(c, &policy);
    if (rc != TSS2_RC_SUCCESS) {
        return refused(t, rc, "TPM2_ActivateCredential", "endorsement or storage key", err);
    }
    if (info->size != 16 && info->size != 24 && info->size != 32) {
        return edge_set(err, EDGE_DENIED,
                        "the blob's inner key has %u bytes; AES keys have 16, 24 "
                        "or 32",
                        (unsigned)info->size);
    }
    return secret_copy(ret, info->buffer, info->size, err);
}

enum edge_code tpm_activate(struct tpm *t, const struct tpm_blob *blob, TPM2B_PRIVATE *ret_priv,
                            struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    struct secret inner SECRET_CLEANUP = {0};
    TPM2B_PRIVATE *priv EDGE_CLEANUP(tpm_cleanup) = NULL;
    TPM2B_DATA key = {0};

    tpm_make_room(t, 1, TPM_SLOT_CHALLENGE);
    enum edge_code code = inner_key(t, blob, &inner, err);
    if (code != EDGE_OK) {
        return code;
    }
    assert(inner.data != NULL); /* 16, 24 or 32 bytes */
    const TPMT_SYM_DEF_OBJECT sym = {.algorithm = TPM2_ALG_AES,
                                     .keyBits.aes = (UINT16)(inner.len * 8),
                                     .mode.aes = TPM2_ALG_CFB};
    key.size = (UINT16)inner.len;
    memcpy(key.buffer, inner.data, inner.len);
    TSS2_RC rc = Esys_Import(c->esys, t->keys.srk.tr, c->session, ESYS_TR_NONE, ESYS_TR_NONE, &key,
                             &blob->pub, &blob->duplicate, &blob->import_seed, &sym, &priv);
    secret_wipe(&key, sizeof(key));
    if (rc != TSS2_RC_SUCCESS) {
        return refused(t, rc, "TPM2_Import", "storage key", err);
    }
    *ret_priv = *priv;
    return EDGE_OK;
}
