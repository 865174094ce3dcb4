/* SPDX-License-Identifier: MIT */
/*
 * Encoded as the store key is, bound to nothing. What it protects comes again from whoever
 * provisions the device, so a lost one is replaced at once.
 */
#include "tpm/tpm_unbound_key.h"

#include "tpm/tpm_seal.h"
#include "tpm/tpm_sign.h"
#include "tpm/tpm_store.h"

#include "record.h"

#include "base/fs.h"

/* NOT_FOUND when a new key is due; what was there is aside then. */
static enum edge_code read_file(struct tpm *t, struct tpm_kek *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice payload;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc = store_read(t->dirfd, UNBOUND_KEY_FILE, STORE_TPM_KEK, &file, &payload, err);
    if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
        return EDGE_NOT_FOUND;
    }
    if (rc == EDGE_CONFLICT) {
        return edge_set(err, EDGE_HSM,
                        "'" UNBOUND_KEY_FILE "' was made without a TPM or by later software");
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = tpm_store_kek_decode(payload, ret, err);
    if (rc == EDGE_PARSE ||
        (rc == EDGE_OK &&
         (ret->binding.pcrs != 0 || !tpm_name_eq(&ret->key.parent, &t->keys.srk.name)))) {
        rc = fs_set_aside(t->dirfd, UNBOUND_KEY_FILE, NULL, 0, err);
        return rc == EDGE_OK ? EDGE_NOT_FOUND : rc;
    }
    return rc;
}

static enum edge_code make(struct tpm *t, struct edge_error *err) {
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0};
    struct secret key SECRET_CLEANUP = {0}, back SECRET_CLEANUP = {0};
    struct tpm_kek kek = {.key.parent = t->keys.srk.name};

    buf_init(&bytes, STORE_PAYLOAD_MAX);
    enum edge_code rc = secret_alloc(&key, STORE_KEY_LEN, err);
    if (rc == EDGE_OK) {
        rc = tpm_random(t, key.data, key.len, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_seal(t, &key, &kek.binding, NULL, &kek.key.pub, &kek.key.priv, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_unseal(t, &kek.key.pub, &kek.key.priv, &kek.binding, NULL, &back, err);
    }
    if (rc == EDGE_OK && !secret_equal(&back, &key)) {
        rc = edge_set(err, EDGE_HSM, "the TPM gives another key than it sealed");
    }
    if (rc == EDGE_OK) {
        rc = tpm_store_kek_encode(&kek, &bytes, err);
    }
    if (rc == EDGE_OK) {
        rc = store_write(t->dirfd, UNBOUND_KEY_FILE, STORE_TPM_KEK, buf_slice(&bytes), err);
    }
    if (rc == EDGE_OK) {
        t->unbound_key = secret_take(&key);
    }
    return rc;
}

enum edge_code tpm_unbound_key_get(struct tpm *t, const struct secret **ret,
                                   struct edge_error *err) {
    struct tpm_kek kek;
    enum edge_code rc = EDGE_OK;

    if (t->unbound_key.data == NULL) {
        rc = read_file(t, &kek, err);
        if (rc == EDGE_OK) {
            rc = tpm_unseal(t, &kek.key.pub, &kek.key.priv, &kek.binding, NULL, &t->unbound_key,
                            err);
        } else if (rc == EDGE_NOT_FOUND) {
            rc = make(t, err);
        }
    }
    if (rc == EDGE_OK) {
        *ret = &t->unbound_key;
    }
    return rc;
}

void tpm_unbound_key_forget(struct tpm *t) {
    secret_clear(&t->unbound_key);
}
