/* SPDX-License-Identifier: MIT */
/*
 * Sealed objects live outside the TPM as wrapped blobs and are loaded for one unseal only.
 */
#include "tpm/tpm_seal.h"

#include "tpm/tpm_public.h"
#include "tpm/tpm_rc.h"
#include "tpm/tpm_tmpl.h"

#include <string.h>

static const uint8_t magic[4] = {'E', 'K', 'T', 1}; /* last byte: version of the layout */

enum edge_code tpm_seal(struct tpm *t, const struct secret *plain, struct buf *ret_blob,
                        struct edge_error *err) {
    TPM2B_PUBLIC tmpl, pub;
    TPM2B_PRIVATE priv;
    struct buf blob EDGE_CLEANUP(buf_clear) = {0};

    buf_init(&blob, HSM_BLOB_MAX);
    tpm_tmpl_sealed(&tmpl);
    enum edge_code rc = tpm_create(t, &tmpl, plain, &pub, &priv, err);
    if (rc == EDGE_OK) {
        rc = buf_append(&blob, magic, sizeof(magic), err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_wrapped_write(&pub, &priv, &blob, err);
    }
    return rc == EDGE_OK ? buf_append_slice(ret_blob, buf_slice(&blob), err) : rc;
}

static enum edge_code parse(struct slice blob, TPM2B_PUBLIC *ret_pub, TPM2B_PRIVATE *ret_priv,
                            struct edge_error *err) {
    if (blob.len < sizeof(magic) || blob.len > HSM_BLOB_MAX ||
        memcmp(blob.ptr, magic, sizeof(magic)) != 0) {
        return edge_set(err, EDGE_PARSE, "not data sealed by a TPM");
    }
    return tpm_wrapped_parse(slice_make(blob.ptr + sizeof(magic), blob.len - sizeof(magic)),
                             ret_pub, ret_priv, err);
}

enum edge_code tpm_unseal(struct tpm *t, struct slice blob, struct secret *ret,
                          struct edge_error *err) {
    TPM2B_SENSITIVE_DATA *data EDGE_CLEANUP(tpm_cleanup) = NULL;
    TPM2B_PUBLIC pub;
    TPM2B_PRIVATE priv;
    ESYS_TR object = ESYS_TR_NONE;

    enum edge_code rc = parse(blob, &pub, &priv, err);
    if (rc == EDGE_OK) {
        rc = tpm_load(t, &pub, &priv, &object, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    TSS2_RC trc =
        Esys_Unseal(t->ctx.esys, object, t->ctx.session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
    tpm_ctx_flush(&t->ctx, &object);
    if (trc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(&t->ctx, trc, "TPM2_Unseal", err);
    }
    return secret_copy(ret, data->buffer, data->size, err);
}
