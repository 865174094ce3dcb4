/* SPDX-License-Identifier: MIT */
/*
 * The module root: a random HMAC key made in the TPM that never leaves it and does not rotate. A
 * new one is made only when there is none, when its file is damaged (kept aside) or when its parent
 * key is gone.
 */
#include "tpm/tpm_identity.h"

#include "tpm/tpm_rc.h"
#include "tpm/tpm_sign.h"
#include "tpm/tpm_store.h"
#include "tpm/tpm_tmpl.h"

#include "base/fs.h"

static enum edge_code make(struct tpm *t, struct edge_error *err) {
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0};
    struct tpm_wrapped key = {.parent = t->keys.srk.name};
    TPM2B_PUBLIC tmpl;
    ESYS_TR tr = ESYS_TR_NONE;

    buf_init(&bytes, STORE_PAYLOAD_MAX);
    tpm_tmpl_hmac_random(&tmpl);
    enum edge_code rc = tpm_create(t, &tmpl, NULL, &key.pub, &key.priv, err);
    if (rc == EDGE_OK) {
        rc = tpm_store_wrapped_encode(&key, &bytes, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_load(t, &key.pub, &key.priv, &tr, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = store_write(t->dirfd, TPM_ROOT_FILE, STORE_TPM_ROOT, buf_slice(&bytes), err);
    if (rc != EDGE_OK) {
        tpm_ctx_flush(&t->ctx, &tr);
        return rc;
    }
    t->slot[TPM_SLOT_ROOT] = tr;
    return EDGE_OK;
}

/* Reads the file. NOT_FOUND when a new root is due; what was there is then aside. */
static enum edge_code read_file(struct tpm *t, struct tpm_wrapped *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice payload;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc = store_read(t->dirfd, TPM_ROOT_FILE, STORE_TPM_ROOT, &file, &payload, err);
    if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
        return EDGE_NOT_FOUND;
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = tpm_store_wrapped_decode(payload, ret, err);
    if (rc == EDGE_PARSE || (rc == EDGE_OK && !tpm_name_eq(&ret->parent, &t->keys.srk.name))) {
        rc = fs_set_aside(t->dirfd, TPM_ROOT_FILE, NULL, 0, err);
        return rc == EDGE_OK ? EDGE_NOT_FOUND : rc;
    }
    return rc;
}

static enum edge_code load(struct tpm *t, struct edge_error *err) {
    struct edge_error why = {0};
    struct tpm_wrapped key;

    if (t->slot[TPM_SLOT_ROOT] != ESYS_TR_NONE) {
        return EDGE_OK;
    }
    enum edge_code rc = read_file(t, &key, err);
    if (rc == EDGE_NOT_FOUND) {
        return make(t, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = tpm_load(t, &key.pub, &key.priv, &t->slot[TPM_SLOT_ROOT], &why);
    if (rc == EDGE_DENIED && tpm_rc_base((TSS2_RC)why.native) == TPM2_RC_INTEGRITY) {
        /* Its checksum is right and its parent is the one we have: somebody changed it. */
        rc = fs_set_aside(t->dirfd, TPM_ROOT_FILE, NULL, 0, err);
        return rc == EDGE_OK ? make(t, err) : rc;
    }
    if (rc != EDGE_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

enum edge_code tpm_root_hmac(struct tpm *t, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                             struct edge_error *err) {
    enum edge_code rc = load(t, err);

    if (rc != EDGE_OK) {
        return rc;
    }
    return tpm_hmac(t, t->slot[TPM_SLOT_ROOT], TPM_SLOT_ROOT, data, ret_mac, err);
}
