/* SPDX-License-Identifier: MIT */
/*
 * Signing keys in files: PKCS#8 in clear.
 */
#include "soft/soft.h"

#include "base/fs.h"
#include "keypair.h"
#include "store_named.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

/* Lets the key sign, then writes it. */
static enum edge_code admit(struct soft *s, const char *name, const struct secret *pkcs8,
                            bool may_exist, struct hsm_key *ret, struct edge_error *err) {
    struct hsm_key key = {.place = HSM_KEY_IN_FILE}, old;

    enum edge_code rc = keypair_examine(pkcs8, &key, err);
    if (rc == EDGE_OK && !slice_to_array(slice_str(name), key.name, sizeof(key.name))) {
        rc = edge_set(err, EDGE_INTERNAL, "name of a key");
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = store_named_room(s->dirfd, HSM_KEY_IN_FILE, name, &old, err);
    if (rc == EDGE_EXISTS && may_exist && keypair_is_same(&old, &key)) {
        *ret = old;
        return EDGE_OK;
    }
    if (rc == EDGE_OK) {
        rc = store_named_write(s->dirfd, &key, secret_slice(pkcs8), err);
    }
    if (rc == EDGE_OK) {
        *ret = key;
    }
    return rc;
}

enum edge_code soft_named_make(struct soft *s, const char *name, struct hsm_key *ret,
                               struct edge_error *err) {
    struct secret pkcs8 SECRET_CLEANUP = {0};
    enum edge_code rc = keypair_make_p256(&pkcs8, err);

    return rc == EDGE_OK ? admit(s, name, &pkcs8, false, ret, err) : rc;
}

enum edge_code soft_named_import(struct soft *s, const char *name, const struct secret *pkcs8,
                                 struct hsm_key *ret, struct edge_error *err) {
    return admit(s, name, pkcs8, true, ret, err);
}

void soft_named_forget(struct soft *s) {
    EVP_PKEY_CTX_free(s->opened.signer);
    s->opened.signer = NULL;
}

/* A key that was opened counts as long as its file is the one that was read. An RSA key is not
 * kept: the library holds its numbers outside of the secure heap. */
static void keep(struct soft *s, const char *name, const struct stat *file, EVP_PKEY *key,
                 EVP_PKEY_CTX **signer) {
    if (EVP_PKEY_is_a(key, "EC") == 1 &&
        slice_to_array(slice_str(name), s->opened.name, sizeof(s->opened.name))) {
        s->opened.file = *file;
        s->opened.signer = TAKE_PTR(*signer);
    }
}

static void cleanup_signer(EVP_PKEY_CTX **signer) {
    EVP_PKEY_CTX_free(*signer);
}

static enum edge_code read_key(struct soft *s, const char *name, EVP_PKEY **ret,
                               struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct hsm_key info;
    struct slice body = {0};

    buf_init_sensitive(&file, STORE_FILE_MAX);
    enum edge_code rc = store_named_read(s->dirfd, HSM_KEY_IN_FILE, name, &file, &info, &body, err);
    return rc == EDGE_OK ? keypair_open_pkcs8(body, ret, err) : rc;
}

enum edge_code soft_named_sign(struct soft *s, const char *name,
                               const uint8_t digest[HSM_DIGEST_LEN],
                               uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                               struct edge_error *err) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;
    EVP_PKEY_CTX *signer EDGE_CLEANUP(cleanup_signer) = NULL;
    char file_name[STORE_NAMED_FILE_MAX];
    struct stat file;

    store_named_file(name, file_name);
    const bool is_there = fstatat(s->dirfd, file_name, &file, AT_SYMLINK_NOFOLLOW) == 0;
    if (s->opened.signer != NULL && is_there && strcmp(s->opened.name, name) == 0 &&
        fs_is_unchanged(&file, &s->opened.file)) {
        return keypair_sign_by(s->opened.signer, digest, ret_sig, ret_len, err);
    }
    soft_named_forget(s);
    enum edge_code rc = read_key(s, name, &key, err);
    if (rc == EDGE_OK) {
        rc = keypair_signer(key, &signer, err);
    }
    if (rc == EDGE_OK) {
        rc = keypair_sign_by(signer, digest, ret_sig, ret_len, err);
    }
    if (rc == EDGE_OK && is_there) {
        keep(s, name, &file, key, &signer);
    }
    return rc;
}
