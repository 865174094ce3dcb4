/* SPDX-License-Identifier: MIT */
/*
 * An adopted key exists once, at its persistent handle: it was imported by other software, which
 * kept no wrapped copy, and a TPM gives none out. So the file holds the name of the object, and
 * before each use the name of what is at the handle is compared with it. The handle may have got
 * another key meanwhile, from the other software or from whoever may open the TPM.
 */
#include "tpm/tpm_adopt.h"

#include "tpm/tpm_sign.h"
#include "tpm/tpm_store.h"
#include "tpm/tpm_tmpl.h"

#include "base/fs.h"

/* Opens what is at a handle; the caller forgets ret->tr. NOT_FOUND when nothing is. */
static enum edge_code open_handle(struct tpm *t, TPM2_HANDLE handle, struct tpm_key *ret,
                                  struct edge_error *err) {
    bool found = false;

    enum edge_code rc = tpm_keys_read(&t->ctx, handle, ret, &found, err);
    if (rc == EDGE_OK && !found) {
        rc =
            edge_set(err, EDGE_NOT_FOUND, "there is no key at 0x%08x of the TPM", (unsigned)handle);
    }
    return rc;
}

static enum edge_code read_file(struct tpm *t, uint64_t generation, struct buf *file,
                                struct slice *ret_label, struct tpm_adopted *ret,
                                struct edge_error *err) {
    struct slice bytes = {0};

    buf_init(file, STORE_FILE_MAX);
    enum edge_code rc =
        store_identity_read(t->dirfd, STORE_TPM_ADOPTED, generation, file, ret_label, &bytes, err);
    return rc == EDGE_OK ? tpm_store_adopted_decode(bytes, ret, err) : rc;
}

/* The generation that adopted this very key with this label before; 0: none. An attempt that was
 * cut short is so completed, not repeated. */
static enum edge_code find_same(struct tpm *t, const struct tpm_name *name, struct slice label,
                                uint64_t *ret_generation, struct edge_error *err) {
    struct hsm_identity all[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    uint64_t found = 0;

    enum edge_code rc = store_identity_list(t->dirfd, STORE_TPM_ADOPTED, all, &cnt, err);
    for (size_t i = 0; rc == EDGE_OK && found == 0 && i < cnt; i++) {
        struct buf file EDGE_CLEANUP(buf_clear) = {0};
        struct tpm_adopted key;
        struct slice text;
        rc = read_file(t, all[i].generation, &file, &text, &key, err);
        if (rc == EDGE_OK && key.handle == TPM_HANDLE_HUB && tpm_name_eq(&key.name, name) &&
            slice_eq(text, label)) {
            found = all[i].generation;
        }
    }
    if (rc == EDGE_OK) {
        *ret_generation = found;
    }
    return rc;
}

static enum edge_code write_file(struct tpm *t, const struct tpm_name *name, struct slice label,
                                 uint64_t *ret_generation, struct edge_error *err) {
    const struct tpm_adopted key = {.handle = TPM_HANDLE_HUB, .name = *name};
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0};
    uint64_t generation;

    buf_init(&bytes, STORE_PAYLOAD_MAX);
    enum edge_code rc = tpm_store_adopted_encode(&key, &bytes, err);
    if (rc == EDGE_OK) {
        rc = store_identity_reserve(t->dirfd, &generation, err);
    }
    if (rc == EDGE_OK) {
        rc = store_identity_write(t->dirfd, STORE_TPM_ADOPTED, generation, label, buf_slice(&bytes),
                                  err);
    }
    if (rc == EDGE_OK) {
        *ret_generation = generation;
    }
    return rc;
}

/* Checks the object, lets it sign, writes the file that names it. */
static enum edge_code admit(struct tpm *t, const struct tpm_key *key, struct slice label,
                            uint64_t *ret_generation, struct edge_error *err) {
    const char *why = tpm_tmpl_check_hub_key(&key->pub);
    uint8_t mac[HSM_MAC_LEN];
    uint64_t same = 0;

    if (why != NULL || key->name.len == 0) {
        return edge_set(err, EDGE_CONFLICT, "the object at 0x%08x is not the key of a hub: %s",
                        TPM_HANDLE_HUB, why != NULL ? why : "its name cannot be told");
    }
    enum edge_code rc = find_same(t, &key->name, label, &same, err);
    if (rc == EDGE_OK && same != 0) {
        *ret_generation = same;
        return EDGE_OK;
    }
    if (rc == EDGE_OK) {
        rc = store_identity_room(t->dirfd, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_hmac(t, key->tr, TPM_SLOT_CNT_, SLICE_LIT(TPM_SELF_TEST_TEXT), mac, err);
    }
    return rc == EDGE_OK ? write_file(t, &key->name, label, ret_generation, err) : rc;
}

enum edge_code tpm_adopt(struct tpm *t, struct slice label, uint64_t *ret_generation,
                         struct edge_error *err) {
    struct tpm_key key = {.tr = ESYS_TR_NONE};

    enum edge_code rc = open_handle(t, TPM_HANDLE_HUB, &key, err);
    if (rc == EDGE_OK) {
        rc = admit(t, &key, label, ret_generation, err);
    }
    tpm_ctx_forget(&t->ctx, &key.tr);
    return rc;
}

enum edge_code tpm_adopt_sign(struct tpm *t, uint64_t generation, struct slice data,
                              uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct tpm_key key = {.tr = ESYS_TR_NONE};
    struct tpm_adopted adopted;
    struct slice label;

    enum edge_code rc = read_file(t, generation, &file, &label, &adopted, err);
    if (rc == EDGE_OK) {
        rc = open_handle(t, adopted.handle, &key, err);
    }
    if (rc == EDGE_OK && !tpm_name_eq(&key.name, &adopted.name)) {
        rc = edge_set(err, EDGE_DENIED,
                      "the key at 0x%08x of the TPM is not the one that identity %llu took over; "
                      "other software has replaced it",
                      (unsigned)adopted.handle, (unsigned long long)generation);
    }
    if (rc == EDGE_OK) {
        rc = tpm_hmac(t, key.tr, TPM_SLOT_CNT_, data, ret_mac, err);
    }
    tpm_ctx_forget(&t->ctx, &key.tr);
    return rc;
}

enum edge_code tpm_adopt_any(struct tpm *t, bool *ret_any, struct edge_error *err) {
    struct hsm_identity all[HSM_IDENTITY_MAX];
    size_t cnt = 0;

    enum edge_code rc = store_identity_list(t->dirfd, STORE_TPM_ADOPTED, all, &cnt, err);
    if (rc == EDGE_OK) {
        *ret_any = cnt > 0;
    }
    return rc;
}

static enum edge_code adopted_is_dead(struct tpm *t, uint64_t generation, bool *ret_dead,
                                      struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct tpm_key key = {.tr = ESYS_TR_NONE};
    struct tpm_adopted adopted;
    struct slice label;
    bool found = false;

    enum edge_code rc = read_file(t, generation, &file, &label, &adopted, err);
    if (rc == EDGE_OK) {
        rc = tpm_keys_read(&t->ctx, adopted.handle, &key, &found, err);
    }
    if (rc == EDGE_OK) {
        *ret_dead = !found || !tpm_name_eq(&key.name, &adopted.name);
    }
    tpm_ctx_forget(&t->ctx, &key.tr);
    return rc;
}

static enum edge_code wrapped_is_dead(struct tpm *t, uint64_t generation, bool *ret_dead,
                                      struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice label = {0}, bytes = {0};
    struct tpm_wrapped key;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc =
        store_identity_read(t->dirfd, STORE_TPM_IDENTITY, generation, &file, &label, &bytes, err);
    if (rc == EDGE_OK) {
        rc = tpm_store_wrapped_decode(bytes, &key, err);
    }
    if (rc == EDGE_OK) {
        *ret_dead = !tpm_name_eq(&key.parent, &t->keys.srk.name);
    }
    return rc;
}

static enum edge_code identities_aside(struct tpm *t, enum store_kind kind, const char *word,
                                       struct edge_error *err) {
    struct hsm_identity all[HSM_IDENTITY_MAX];
    size_t cnt = 0;

    enum edge_code rc = store_identity_list(t->dirfd, kind, all, &cnt, err);
    for (size_t i = 0; rc == EDGE_OK && i < cnt; i++) {
        bool dead = false;
        rc = kind == STORE_TPM_ADOPTED ? adopted_is_dead(t, all[i].generation, &dead, err)
                                       : wrapped_is_dead(t, all[i].generation, &dead, err);
        if (rc == EDGE_PARSE) { /* whole, but not a key that we could ever load */
            dead = true;
            rc = EDGE_OK;
        }
        if (rc == EDGE_OK && dead) {
            rc = store_identity_set_aside(t->dirfd, all[i].generation, word, err);
        }
    }
    return rc;
}

static enum edge_code root_aside(struct tpm *t, const char *word, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice payload = {0};
    struct tpm_wrapped key;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc = store_read(t->dirfd, TPM_ROOT_FILE, STORE_TPM_ROOT, &file, &payload, err);
    if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
        return EDGE_OK; /* none, or none any more: a damaged one has been set aside */
    }
    if (rc == EDGE_OK) {
        rc = tpm_store_wrapped_decode(payload, &key, err);
    }
    if (rc == EDGE_PARSE || (rc == EDGE_OK && !tpm_name_eq(&key.parent, &t->keys.srk.name))) {
        rc = fs_set_aside_as(t->dirfd, TPM_ROOT_FILE, word, NULL, 0, err);
    }
    return rc;
}

enum edge_code tpm_adopt_set_dead_aside(struct tpm *t, const char *word, struct edge_error *err) {
    enum edge_code rc = identities_aside(t, STORE_TPM_IDENTITY, word, err);

    if (rc == EDGE_OK) {
        rc = identities_aside(t, STORE_TPM_ADOPTED, word, err);
    }
    return rc == EDGE_OK ? root_aside(t, word, err) : rc;
}
