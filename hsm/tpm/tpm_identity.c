/* SPDX-License-Identifier: MIT */
/*
 * Keys that sign for the device. The order of steps in an import is what keeps a device reachable:
 * a key is written only after it has signed, under a number that no other key ever had, beside
 * those that are there; the persistent handle comes last and is never relied on.
 */
#include "tpm/tpm_identity.h"

#include "tpm/tpm_activate.h"
#include "tpm/tpm_adopt.h"
#include "tpm/tpm_rc.h"
#include "tpm/tpm_sign.h"
#include "tpm/tpm_store.h"
#include "tpm/tpm_tmpl.h"

#include "base/mac.h"
#include "base/secret.h"

#include <openssl/crypto.h>

#include <string.h>

enum edge_code tpm_challenge_load(struct tpm *t, struct slice bytes, struct edge_error *err) {
    struct tpm_blob blob;
    TPM2B_PRIVATE priv;

    enum edge_code rc = tpm_blob_parse(bytes, &blob, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    tpm_slot_flush(t, TPM_SLOT_CHALLENGE);
    rc = tpm_activate(t, &blob, &priv, err);
    if (rc == EDGE_OK) {
        rc = tpm_load(t, &blob.pub, &priv, &t->slot[TPM_SLOT_CHALLENGE], err);
    }
    return rc;
}

enum edge_code tpm_challenge_sign(struct tpm *t, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                                  struct edge_error *err) {
    if (t->slot[TPM_SLOT_CHALLENGE] == ESYS_TR_NONE) {
        return edge_set(err, EDGE_NOT_FOUND,
                        "no challenge key is loaded, or the TPM was reset since; register again");
    }
    return tpm_hmac(t, t->slot[TPM_SLOT_CHALLENGE], TPM_SLOT_CHALLENGE, data, ret_mac, err);
}

static enum edge_code write_key(struct tpm *t, const struct tpm_wrapped *key, struct slice label,
                                uint64_t *ret_generation, struct edge_error *err) {
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0};
    uint64_t generation;

    buf_init(&bytes, STORE_PAYLOAD_MAX);
    enum edge_code rc = tpm_store_wrapped_encode(key, &bytes, err);
    if (rc == EDGE_OK) {
        rc = store_identity_reserve(t->dirfd, &generation, err);
    }
    if (rc == EDGE_OK) {
        rc = store_identity_write(t->dirfd, STORE_TPM_IDENTITY, generation, label,
                                  buf_slice(&bytes), err);
    }
    if (rc == EDGE_OK) {
        *ret_generation = generation;
    }
    return rc;
}

/* Loads the candidate, lets it sign, writes it. `expect` (may be NULL) is the HMAC it must give. */
static enum edge_code admit(struct tpm *t, const struct tpm_wrapped *key, const uint8_t *expect,
                            struct slice label, uint64_t *ret_generation, struct edge_error *err) {
    uint8_t mac[HSM_MAC_LEN];
    ESYS_TR tr = ESYS_TR_NONE;

    enum edge_code rc = tpm_load(t, &key->pub, &key->priv, &tr, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = tpm_hmac(t, tr, TPM_SLOT_CNT_, SLICE_LIT(TPM_SELF_TEST_TEXT), mac, err);
    if (rc == EDGE_OK && expect != NULL && CRYPTO_memcmp(mac, expect, sizeof(mac)) != 0) {
        rc = edge_set(err, EDGE_HSM, "the imported key signs wrongly");
    }
    if (rc == EDGE_OK) {
        rc = write_key(t, key, label, ret_generation, err);
    }
    if (rc != EDGE_OK) {
        tpm_ctx_flush(&t->ctx, &tr);
        return rc;
    }
    tpm_slot_flush(t, TPM_SLOT_IDENTITY);
    t->slot[TPM_SLOT_IDENTITY] = tr;
    t->identity_generation = *ret_generation;
    tpm_make_room(t, 2, TPM_SLOT_IDENTITY);
    return EDGE_OK;
}

enum edge_code tpm_identity_import_blob(struct tpm *t, struct slice bytes, struct slice label,
                                        uint64_t *ret_generation, struct edge_error *err) {
    struct tpm_blob blob;
    struct tpm_wrapped key;

    enum edge_code rc = tpm_blob_parse(bytes, &blob, err);
    if (rc == EDGE_OK) {
        rc = store_identity_room(t->dirfd, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_activate(t, &blob, &key.priv, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    key.pub = blob.pub;
    key.parent = t->keys.srk.name;
    return admit(t, &key, NULL, label, ret_generation, err);
}

enum edge_code tpm_identity_import_key(struct tpm *t, const struct secret *bytes,
                                       struct slice label, uint64_t *ret_generation,
                                       struct edge_error *err) {
    TPM2B_PUBLIC tmpl;
    struct tpm_wrapped key;
    uint8_t expect[HSM_MAC_LEN];

    enum edge_code rc = store_identity_room(t->dirfd, err);
    if (rc == EDGE_OK) {
        rc = hmac_sha256(bytes->data, bytes->len, TPM_SELF_TEST_TEXT,
                         sizeof(TPM_SELF_TEST_TEXT) - 1, expect, err);
    }
    if (rc == EDGE_OK) {
        tpm_tmpl_hmac_given(&tmpl);
        rc = tpm_create(t, &tmpl, bytes, &key.pub, &key.priv, err);
    }
    if (rc == EDGE_OK) {
        key.parent = t->keys.srk.name;
        rc = admit(t, &key, expect, label, ret_generation, err);
    }
    secret_wipe(expect, sizeof(expect));
    return rc;
}

static enum edge_code load_generation(struct tpm *t, uint64_t generation, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice label = {0}, bytes = {0};
    struct tpm_wrapped key;

    if (t->slot[TPM_SLOT_IDENTITY] != ESYS_TR_NONE && t->identity_generation == generation) {
        return EDGE_OK;
    }
    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc =
        store_identity_read(t->dirfd, STORE_TPM_IDENTITY, generation, &file, &label, &bytes, err);
    if (rc == EDGE_OK) {
        rc = tpm_store_wrapped_decode(bytes, &key, err);
    }
    if (rc == EDGE_OK && !tpm_name_eq(&key.parent, &t->keys.srk.name)) {
        rc = edge_set(
            err, EDGE_DENIED,
            "identity key %llu belongs to another TPM, or to this one before it was cleared",
            (unsigned long long)generation);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    tpm_slot_flush(t, TPM_SLOT_IDENTITY);
    rc = tpm_load(t, &key.pub, &key.priv, &t->slot[TPM_SLOT_IDENTITY], err);
    t->identity_generation = generation;
    return rc;
}

enum edge_code tpm_identity_sign(struct tpm *t, uint64_t generation, struct slice data,
                                 uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    enum edge_code rc = load_generation(t, generation, err);

    if (rc == EDGE_CONFLICT) {
        return tpm_adopt_sign(t, generation, data, ret_mac, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    return tpm_hmac(t, t->slot[TPM_SLOT_IDENTITY], TPM_SLOT_IDENTITY, data, ret_mac, err);
}

enum edge_code tpm_identity_list(struct tpm *t, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) {
    struct hsm_identity own[HSM_IDENTITY_MAX], adopted[HSM_IDENTITY_MAX];
    size_t own_cnt = 0, adopted_cnt = 0, cnt = 0;

    enum edge_code rc = store_identity_list(t->dirfd, STORE_TPM_IDENTITY, own, &own_cnt, err);
    if (rc == EDGE_OK) {
        rc = store_identity_list(t->dirfd, STORE_TPM_ADOPTED, adopted, &adopted_cnt, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    for (size_t i = 0, j = 0; i + j < own_cnt + adopted_cnt && cnt < HSM_IDENTITY_MAX;) {
        bool take_own =
            j == adopted_cnt || (i < own_cnt && own[i].generation < adopted[j].generation);
        ret[cnt++] = take_own ? own[i++] : adopted[j++];
    }
    *ret_cnt = cnt;
    return EDGE_OK;
}

/* Empties the handle if what is there looks like a hub key of any origin. */
static enum edge_code evict_old(struct tpm *t, struct tpm_key *old, struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    ESYS_TR none = ESYS_TR_NONE;
    const char *why = tpm_tmpl_check_hub_key(&old->pub);

    if (why != NULL) {
        return edge_set(err, EDGE_CONFLICT,
                        "0x%08x holds an object of other software (%s); it was left alone",
                        TPM_HANDLE_HUB, why);
    }
    TSS2_RC rc = Esys_EvictControl(c->esys, ESYS_TR_RH_OWNER, old->tr, c->session, ESYS_TR_NONE,
                                   ESYS_TR_NONE, TPM_HANDLE_HUB, &none);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail_auth(c, rc, ESYS_TR_RH_OWNER, "TPM2_EvictControl", err);
    }
    return EDGE_OK;
}

/* An adopted key has no other copy than the one at the handle. */
static enum edge_code check_free(struct tpm *t, struct edge_error *err) {
    bool any = false;

    enum edge_code rc = tpm_adopt_any(t, &any, err);
    if (rc == EDGE_OK && any) {
        rc = edge_set(err, EDGE_CONFLICT,
                      "0x%08x holds the only copy of a key that is still kept; it was left alone",
                      TPM_HANDLE_HUB);
    }
    return rc;
}

enum edge_code tpm_identity_publish(struct tpm *t, uint64_t generation, struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    struct tpm_key old = {.tr = ESYS_TR_NONE};
    TPM2B_NAME *name EDGE_CLEANUP(tpm_cleanup) = NULL;
    ESYS_TR persistent = ESYS_TR_NONE;
    bool found = false;

    enum edge_code code = check_free(t, err);
    if (code == EDGE_OK) {
        code = load_generation(t, generation, err);
    }
    if (code == EDGE_OK) {
        tpm_make_room(t, 2, TPM_SLOT_IDENTITY);
        code = tpm_keys_read(c, TPM_HANDLE_HUB, &old, &found, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    TSS2_RC rc = Esys_TR_GetName(c->esys, t->slot[TPM_SLOT_IDENTITY], &name);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_ctx_forget(c, &old.tr);
        return tpm_ctx_fail(c, rc, "name of the identity key", err);
    }
    if (found && old.name.len == name->size &&
        memcmp(old.name.bytes, name->name, name->size) == 0) {
        tpm_ctx_forget(c, &old.tr);
        return EDGE_OK;
    }
    if (found) {
        code = evict_old(t, &old, err);
        /* Also after success: the library would go on to expect the old name at this handle. */
        tpm_ctx_forget(c, &old.tr);
        if (code != EDGE_OK) {
            return code;
        }
    }
    rc = Esys_EvictControl(c->esys, ESYS_TR_RH_OWNER, t->slot[TPM_SLOT_IDENTITY], c->session,
                           ESYS_TR_NONE, ESYS_TR_NONE, TPM_HANDLE_HUB, &persistent);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail_auth(c, rc, ESYS_TR_RH_OWNER, "TPM2_EvictControl", err);
    }
    tpm_ctx_forget(c, &persistent);
    return EDGE_OK;
}
