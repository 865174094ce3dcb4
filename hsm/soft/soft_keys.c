/* SPDX-License-Identifier: MIT */
/*
 * Keys in files and what is signed with them.
 */
#include "soft/soft.h"

#include "base/mac.h"

#include <openssl/rand.h>

#define ROOT_FILE "module-root"

static enum edge_code make(struct soft *s, const char *name, enum store_kind kind,
                           struct secret *key, struct edge_error *err) {
    struct secret fresh SECRET_CLEANUP = {0};

    enum edge_code rc = secret_alloc(&fresh, SOFT_KEY_LEN, err);
    if (rc == EDGE_OK && RAND_priv_bytes(fresh.data, SOFT_KEY_LEN) != 1) {
        rc = edge_set(err, EDGE_CRYPTO, "no random numbers");
    }
    if (rc == EDGE_OK) {
        rc = store_write(s->dirfd, name, kind, secret_slice(&fresh), err);
    }
    if (rc == EDGE_OK) {
        *key = secret_take(&fresh);
    }
    return rc;
}

enum edge_code soft_key_get(struct soft *s, const char *name, enum store_kind kind, bool replace,
                            struct secret *key, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice bytes;

    if (key->data != NULL) {
        return EDGE_OK;
    }
    buf_init_sensitive(&file, STORE_FILE_MAX);
    enum edge_code rc = store_read(s->dirfd, name, kind, &file, &bytes, err);
    if (rc == EDGE_NOT_FOUND || (rc == EDGE_PARSE && replace)) {
        return make(s, name, kind, key, err);
    }
    if (rc == EDGE_OK && bytes.len != SOFT_KEY_LEN) {
        rc = edge_set(err, EDGE_HSM, "'%s' holds a key of %zu bytes", name, bytes.len);
    }
    return rc == EDGE_OK ? secret_copy(key, bytes.ptr, bytes.len, err) : rc;
}

enum edge_code soft_identity_import(struct soft *s, const struct secret *key, struct slice label,
                                    uint64_t *ret_generation, struct edge_error *err) {
    uint64_t generation;

    enum edge_code rc = store_identity_reserve(s->dirfd, &generation, err);
    if (rc == EDGE_OK) {
        rc = store_identity_write(s->dirfd, STORE_SOFT_IDENTITY, generation, label,
                                  secret_slice(key), err);
    }
    if (rc == EDGE_OK) {
        *ret_generation = generation;
    }
    return rc;
}

enum edge_code soft_identity_sign(struct soft *s, uint64_t generation, struct slice data,
                                  uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice label = {0}, key = {0};

    buf_init_sensitive(&file, STORE_FILE_MAX);
    enum edge_code rc =
        store_identity_read(s->dirfd, STORE_SOFT_IDENTITY, generation, &file, &label, &key, err);
    return rc == EDGE_OK ? hmac_sha256(key.ptr, key.len, data.ptr, data.len, ret_mac, err) : rc;
}

enum edge_code soft_root_hmac(struct soft *s, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                              struct edge_error *err) {
    enum edge_code rc = soft_key_get(s, ROOT_FILE, STORE_SOFT_ROOT, true, &s->root, err);

    if (rc != EDGE_OK) {
        return rc;
    }
    return hmac_sha256(s->root.data, s->root.len, data.ptr, data.len, ret_mac, err);
}
