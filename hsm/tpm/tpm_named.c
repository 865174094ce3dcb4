/* SPDX-License-Identifier: MIT */
/*
 * Making, taking in and using signing keys. A key is written only after it has signed. Its file
 * carries a check value under the store key, so that a key of another store is told from a session
 * that went wrong, and a file that somebody changed is not loaded.
 */
#include "tpm/tpm_named.h"

#include "keypair.h"
#include "record.h"
#include "store_named.h"
#include "tpm/tpm_named_key.h"
#include "tpm/tpm_rc.h"
#include "tpm/tpm_store.h"
#include "tpm/tpm_store_key.h"

#include "base/secret.h"

#include <openssl/crypto.h>

#include <string.h>

static enum edge_code set_name(const char *name, struct hsm_key *key, struct edge_error *err) {
    return slice_to_array(slice_str(name), key->name, sizeof(key->name))
               ? EDGE_OK
               : edge_set(err, EDGE_INTERNAL, "name of a key");
}

static void keep_name(struct tpm *t, const struct hsm_key *key) {
    memcpy(t->named, key->name, sizeof(t->named));
    t->named_type = key->type;
}

static enum edge_code write_wrapped(struct tpm *t, const struct secret *store_key,
                                    const struct hsm_key *key, const struct tpm_wrapped *wrapped,
                                    struct edge_error *err) {
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0}, body EDGE_CLEANUP(buf_clear) = {0};
    uint8_t check[HSM_MAC_LEN];

    buf_init(&bytes, STORE_PAYLOAD_MAX);
    buf_init(&body, STORE_PAYLOAD_MAX);
    enum edge_code rc = tpm_store_wrapped_encode(wrapped, &bytes, err);
    if (rc == EDGE_OK) {
        rc = tpm_named_check(store_key, key, buf_slice(&bytes), check, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(&body, check, sizeof(check), err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append_slice(&body, buf_slice(&bytes), err);
    }
    return rc == EDGE_OK ? store_named_write(t->dirfd, key, buf_slice(&body), err) : rc;
}

/* Lets a loaded key sign, and looks at the signature with the public key alone. */
static enum edge_code try_key(struct tpm *t, ESYS_TR tr, const TPM2B_PUBLIC *pub,
                              enum hsm_key_type type, struct edge_error *err) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 0;

    enum edge_code rc = tpm_named_use(t, tr, type, keypair_test_digest, sig, &len, err);
    if (rc == EDGE_OK) {
        rc = tpm_named_public(pub, &key, err);
    }
    return rc == EDGE_OK ? keypair_check(key, sig, len, err) : rc;
}

/* Loads, tries, writes; the key stays loaded. */
static enum edge_code admit(struct tpm *t, const struct secret *store_key, const TPM2B_AUTH *auth,
                            const struct tpm_wrapped *wrapped, const struct hsm_key *key,
                            struct edge_error *err) {
    ESYS_TR tr = ESYS_TR_NONE;

    tpm_slot_flush(t, TPM_SLOT_NAMED);
    enum edge_code rc = tpm_named_load(t, &wrapped->pub, &wrapped->priv, auth, &tr, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = try_key(t, tr, &wrapped->pub, key->type, err);
    if (rc == EDGE_OK) {
        rc = write_wrapped(t, store_key, key, wrapped, err);
    }
    if (rc != EDGE_OK) {
        tpm_named_flush(t, &tr);
        return rc;
    }
    t->slot[TPM_SLOT_NAMED] = tr;
    keep_name(t, key);
    return EDGE_OK;
}

static enum edge_code describe(const TPM2B_PUBLIC *pub, struct hsm_key *ret,
                               struct edge_error *err) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;
    enum edge_code rc = tpm_named_public(pub, &key, err);

    return rc == EDGE_OK ? keypair_describe(key, ret, err) : rc;
}

enum edge_code tpm_named_make(struct tpm *t, const char *name, struct hsm_key *ret,
                              struct edge_error *err) {
    struct tpm_wrapped wrapped = {.parent = t->keys.srk.name};
    struct hsm_key key = {.place = HSM_KEY_IN_TPM}, old;
    const struct secret *store_key = NULL;
    TPM2B_AUTH auth = {0};
    TPM2B_PUBLIC tmpl;

    enum edge_code rc = store_named_room(t->dirfd, HSM_KEY_IN_TPM, name, &old, err);
    if (rc == EDGE_OK) {
        rc = set_name(name, &key, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_store_key_get(t, &store_key, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_named_auth(store_key, name, &auth, err);
    }
    if (rc == EDGE_OK) {
        tpm_named_tmpl(&tmpl);
        rc = tpm_create_with(t, &tmpl, &auth, NULL, &wrapped.pub, &wrapped.priv, err);
    }
    if (rc == EDGE_OK) {
        rc = describe(&wrapped.pub, &key, err);
    }
    if (rc == EDGE_OK) {
        rc = admit(t, store_key, &auth, &wrapped, &key, err);
    }
    secret_wipe(&auth, sizeof(auth));
    if (rc == EDGE_OK) {
        *ret = key;
    }
    return rc;
}

/* *ret_done when this very key is there already and signs; a file that turns out to be lost makes
 * way for it. */
static enum edge_code find_same(struct tpm *t, struct hsm_key *key, bool *ret_done,
                                struct edge_error *err) {
    uint8_t sig[HSM_SIGNATURE_MAX];
    struct hsm_key old;
    size_t len = 0;

    enum edge_code rc = store_named_room(t->dirfd, HSM_KEY_IN_TPM, key->name, &old, err);
    if (rc != EDGE_EXISTS || !keypair_is_same(key, &old)) {
        return rc;
    }
    rc = tpm_named_sign(t, key->name, keypair_test_digest, sig, &len, err);
    if (rc == EDGE_OK) {
        *ret_done = true;
        *key = old;
    }
    return rc == EDGE_PARSE ? EDGE_OK : rc;
}

static enum edge_code into_tpm(struct tpm *t, const struct secret *store_key,
                               const TPM2B_PUBLIC *pub, struct slice private, struct hsm_key *key,
                               struct edge_error *err) {
    struct tpm_wrapped wrapped = {.parent = t->keys.srk.name, .pub = *pub};
    TPM2B_AUTH auth = {0};

    key->place = HSM_KEY_IN_TPM;
    enum edge_code rc = tpm_named_auth(store_key, key->name, &auth, err);
    if (rc == EDGE_OK) {
        rc = tpm_named_import(t, pub, &auth, private, &wrapped.priv, err);
    }
    if (rc == EDGE_OK) {
        rc = admit(t, store_key, &auth, &wrapped, key, err);
    }
    secret_wipe(&auth, sizeof(auth));
    return rc;
}

static enum edge_code into_store(struct tpm *t, const struct secret *store_key,
                                 const struct secret *pkcs8, struct hsm_key *key,
                                 struct edge_error *err) {
    struct buf body EDGE_CLEANUP(buf_clear) = {0};
    struct secret back SECRET_CLEANUP = {0};
    char file[STORE_NAMED_FILE_MAX];

    key->place = HSM_KEY_SEALED;
    store_named_file(key->name, file);
    buf_init(&body, STORE_PAYLOAD_MAX);
    enum edge_code rc = record_encode(store_key, file, pkcs8, &body, err);
    if (rc == EDGE_OK) {
        rc = record_decode(store_key, file, buf_slice(&body), &back, err);
    }
    if (rc == EDGE_OK && !secret_equal(&back, pkcs8)) {
        rc = edge_set(err, EDGE_CRYPTO, "sealing a key failed");
    }
    return rc == EDGE_OK ? store_named_write(t->dirfd, key, buf_slice(&body), err) : rc;
}

static enum edge_code place_key(struct tpm *t, const struct secret *pkcs8, struct hsm_key *key,
                                struct edge_error *err) {
    struct secret pad SECRET_CLEANUP = {0};
    const struct secret *store_key = NULL;
    struct pkcs8_key numbers;
    struct slice private = {0};
    TPM2B_PUBLIC pub;
    bool fits = false;

    enum edge_code rc = tpm_store_key_get(t, &store_key, err);
    if (rc == EDGE_OK) {
        rc = pkcs8_parse(secret_slice(pkcs8), &numbers, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_named_given(&numbers, &pad, &pub, &private, &fits, err);
    }
    if (rc == EDGE_OK && fits) {
        rc = tpm_named_fits(t, &pub, &fits, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    return fits ? into_tpm(t, store_key, &pub, private, key, err)
                : into_store(t, store_key, pkcs8, key, err);
}

enum edge_code tpm_named_take_in(struct tpm *t, const char *name, const struct secret *pkcs8,
                                 struct hsm_key *ret, struct edge_error *err) {
    struct hsm_key key = {0};
    bool done = false;

    enum edge_code rc = keypair_examine(pkcs8, &key, err);
    if (rc == EDGE_OK) {
        rc = set_name(name, &key, err);
    }
    if (rc == EDGE_OK) {
        rc = find_same(t, &key, &done, err);
    }
    if (rc == EDGE_OK && !done) {
        rc = place_key(t, pkcs8, &key, err);
    }
    if (rc == EDGE_OK) {
        *ret = key;
    }
    return rc;
}

/* What the file of a key in the TPM tells. */
static enum edge_code unpack(struct tpm *t, const struct secret *store_key,
                             const struct hsm_key *key, struct slice body, struct tpm_wrapped *ret,
                             struct edge_error *err) {
    uint8_t check[HSM_MAC_LEN];

    if (body.len <= sizeof(check)) {
        return store_named_lost(t->dirfd, key->name, "the file is damaged", err);
    }
    const struct slice wrapped = slice_make(body.ptr + sizeof(check), body.len - sizeof(check));
    enum edge_code rc = tpm_named_check(store_key, key, wrapped, check, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    if (CRYPTO_memcmp(check, body.ptr, sizeof(check)) != 0) {
        return store_named_lost(t->dirfd, key->name,
                                "it was made under another store key, or the file was changed",
                                err);
    }
    rc = tpm_store_wrapped_decode(wrapped, ret, err);
    if (rc == EDGE_PARSE) {
        return store_named_lost(t->dirfd, key->name, "the file is damaged", err);
    }
    if (rc == EDGE_OK && !tpm_name_eq(&ret->parent, &t->keys.srk.name)) {
        return store_named_lost(t->dirfd, key->name,
                                "it belongs to another TPM, or to this one before it was cleared",
                                err);
    }
    return rc;
}

static enum edge_code load(struct tpm *t, const struct hsm_key *key, struct slice body,
                           struct edge_error *err) {
    const struct secret *store_key = NULL;
    struct edge_error why = {0};
    struct tpm_wrapped wrapped;
    TPM2B_AUTH auth = {0};

    enum edge_code rc = tpm_store_key_get(t, &store_key, err);
    if (rc == EDGE_OK) {
        rc = unpack(t, store_key, key, body, &wrapped, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_named_auth(store_key, key->name, &auth, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    tpm_slot_flush(t, TPM_SLOT_NAMED);
    rc = tpm_named_load(t, &wrapped.pub, &wrapped.priv, &auth, &t->slot[TPM_SLOT_NAMED], &why);
    secret_wipe(&auth, sizeof(auth));
    if (rc == EDGE_DENIED && tpm_rc_base((TSS2_RC)why.native) == TPM2_RC_INTEGRITY) {
        return store_named_lost(t->dirfd, key->name, "the TPM does not load it", err);
    }
    if (rc != EDGE_OK && err != NULL) {
        *err = why;
    }
    keep_name(t, key);
    return rc;
}

static enum edge_code sign_sealed(struct tpm *t, const struct hsm_key *key, struct slice body,
                                  const uint8_t digest[HSM_DIGEST_LEN],
                                  uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                                  struct edge_error *err) {
    struct secret pkcs8 SECRET_CLEANUP = {0};
    EVP_PKEY *pkey KEYPAIR_CLEANUP = NULL;
    const struct secret *store_key = NULL;
    char file[STORE_NAMED_FILE_MAX];

    store_named_file(key->name, file);
    enum edge_code rc = tpm_store_key_get(t, &store_key, err);
    if (rc == EDGE_OK) {
        rc = record_decode(store_key, file, body, &pkcs8, err);
    }
    if (rc == EDGE_PARSE) {
        return store_named_lost(t->dirfd, key->name,
                                "it was sealed under another store key, or the file was changed",
                                err);
    }
    if (rc == EDGE_OK) {
        rc = keypair_open_pkcs8(secret_slice(&pkcs8), &pkey, err);
    }
    return rc == EDGE_OK ? keypair_sign(pkey, digest, ret_sig, ret_len, err) : rc;
}

enum edge_code tpm_named_sign(struct tpm *t, const char *name, const uint8_t digest[HSM_DIGEST_LEN],
                              uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                              struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice body = {0};
    struct hsm_key key;

    if (t->slot[TPM_SLOT_NAMED] != ESYS_TR_NONE && strcmp(t->named, name) == 0) {
        return tpm_named_use(t, t->slot[TPM_SLOT_NAMED], t->named_type, digest, ret_sig, ret_len,
                             err);
    }
    buf_init_sensitive(&file, STORE_FILE_MAX);
    enum edge_code rc = store_named_read(t->dirfd, HSM_KEY_IN_TPM, name, &file, &key, &body, err);
    if (rc == EDGE_OK && key.place == HSM_KEY_SEALED) {
        return sign_sealed(t, &key, body, digest, ret_sig, ret_len, err);
    }
    if (rc == EDGE_OK) {
        rc = load(t, &key, body, err);
    }
    return rc == EDGE_OK
               ? tpm_named_use(t, t->slot[TPM_SLOT_NAMED], key.type, digest, ret_sig, ret_len, err)
               : rc;
}
