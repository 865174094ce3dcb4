/* SPDX-License-Identifier: MIT */
/*
 * Reading NV indices. Their content is public and not trusted: it is checked by what is made from
 * it.
 */
#include "tpm/tpm_nv.h"

#include "tpm/tpm_rc.h"
#include "tpm/tpm_tmpl.h"

#include <tss2/tss2_mu.h>

#include <string.h>

#define CHUNK 512 /* bytes; below TPM_PT_NV_BUFFER_MAX of known devices */

static enum edge_code read_chunks(struct tpm_ctx *c, ESYS_TR index, size_t size, struct buf *out,
                                  struct edge_error *err) {
    for (size_t off = 0; off < size;) {
        TPM2B_MAX_NV_BUFFER *data EDGE_CLEANUP(tpm_cleanup) = NULL;
        size_t want = size - off < CHUNK ? size - off : CHUNK;
        TSS2_RC rc = Esys_NV_Read(c->esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, (UINT16)want, (UINT16)off, &data);
        if (rc != TSS2_RC_SUCCESS) {
            return tpm_ctx_fail(c, rc, "TPM2_NV_Read", err);
        }
        if (data->size == 0 || data->size > want) {
            return edge_set(err, EDGE_PROTO, "TPM2_NV_Read gave %u bytes for %zu",
                            (unsigned)data->size, want);
        }
        enum edge_code code = buf_append(out, data->buffer, data->size, err);
        if (code != EDGE_OK) {
            return code;
        }
        off += data->size;
    }
    return EDGE_OK;
}

enum edge_code tpm_nv_read(struct tpm_ctx *c, uint32_t index, struct buf *out,
                           struct edge_error *err) {
    TPM2B_NV_PUBLIC *pub EDGE_CLEANUP(tpm_cleanup) = NULL;
    ESYS_TR tr = ESYS_TR_NONE;
    enum edge_code code;

    TSS2_RC rc =
        Esys_TR_FromTPMPublic(c->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &tr);
    if (tpm_rc_base(rc) == TPM2_RC_HANDLE) {
        return edge_set(err, EDGE_NOT_FOUND, "no NV index 0x%08x", (unsigned)index);
    }
    if (rc == TSS2_RC_SUCCESS) {
        rc = Esys_NV_ReadPublic(c->esys, tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &pub, NULL);
    }
    if (rc != TSS2_RC_SUCCESS) {
        code = tpm_ctx_fail(c, rc, "TPM2_NV_ReadPublic", err);
    } else if ((pub->nvPublic.attributes & TPMA_NV_AUTHREAD) == 0 ||
               (pub->nvPublic.attributes & TPMA_NV_WRITTEN) == 0) {
        code = edge_set(err, EDGE_DENIED, "NV index 0x%08x is not readable without password",
                        (unsigned)index);
    } else {
        code = read_chunks(c, tr, pub->nvPublic.dataSize, out, err);
    }
    tpm_ctx_forget(c, &tr);
    return code;
}

bool tpm_nv_ek_template(struct tpm_ctx *c, TPM2B_PUBLIC *ret) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    struct buf nonce EDGE_CLEANUP(buf_clear) = {0};
    TPM2B_PUBLIC tmpl = {0};
    TPM2B_PUBLIC_KEY_RSA *unique = &tmpl.publicArea.unique.rsa;
    size_t off = 0;
    const enum hsm_state state = c->state;

    buf_init(&text, HSM_PUBLIC_MAX);
    buf_init(&nonce, sizeof(unique->buffer));
    bool found = tpm_nv_read(c, TPM_NV_EK_TEMPLATE, &text, NULL) == EDGE_OK &&
                 Tss2_MU_TPMT_PUBLIC_Unmarshal(text.data, text.len, &off, &tmpl.publicArea) ==
                     TSS2_RC_SUCCESS &&
                 off == text.len;
    if (found && tpm_nv_read(c, TPM_NV_EK_NONCE, &nonce, NULL) == EDGE_OK && nonce.len <= 256) {
        memset(unique->buffer, 0, sizeof(unique->buffer));
        if (nonce.len > 0) {
            memcpy(unique->buffer, nonce.data, nonce.len);
        }
        unique->size = 256;
    }
    c->state = state; /* an index that is not there says nothing about the device */
    if (!found) {
        return false;
    }
    TPM2B_PUBLIC made = tmpl;
    made.publicArea.unique.rsa.size = 256; /* of the key that comes out */
    if (tpm_tmpl_check_ek(&made) != NULL) {
        return false;
    }
    *ret = tmpl;
    return true;
}
