/* SPDX-License-Identifier: MIT */
/*
 * Sealed data: magic and version, nonce, ciphertext, tag. The header is authenticated with the
 * rest.
 */
#include "soft/soft.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <string.h>

#define SEAL_FILE  "seal-key"
#define MAGIC_LEN  4
#define NONCE_LEN  12
#define TAG_LEN    16
#define HEADER_LEN (MAGIC_LEN + NONCE_LEN)

static const uint8_t magic[MAGIC_LEN] = {'E', 'K', 'S', 1};

static void cipher_cleanup(EVP_CIPHER_CTX **ctx) {
    EVP_CIPHER_CTX_free(*ctx);
}

/* A lost sealing key is not replaced while its damaged file is new: what was sealed would silently
 * be gone. The file is set aside and the next start makes a new key. */
static enum edge_code seal_key(struct soft *s, struct edge_error *err) {
    return soft_key_get(s, SEAL_FILE, STORE_SOFT_SEAL, false, &s->seal, err);
}

static bool encrypt(const struct soft *s, const struct secret *plain, uint8_t *out) {
    EVP_CIPHER_CTX *ctx EDGE_CLEANUP(cipher_cleanup) = EVP_CIPHER_CTX_new();
    int n;

    return ctx != NULL &&
           EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, s->seal.data, out + MAGIC_LEN) == 1 &&
           EVP_EncryptUpdate(ctx, NULL, &n, out, HEADER_LEN) == 1 &&
           EVP_EncryptUpdate(ctx, out + HEADER_LEN, &n, plain->data, (int)plain->len) == 1 &&
           EVP_EncryptFinal_ex(ctx, out + HEADER_LEN + plain->len, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, out + HEADER_LEN + plain->len) ==
               1;
}

enum edge_code soft_seal(struct soft *s, const struct secret *plain, struct buf *ret_blob,
                         struct edge_error *err) {
    uint8_t out[HEADER_LEN + HSM_SEAL_MAX + TAG_LEN];

    enum edge_code rc = seal_key(s, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    memcpy(out, magic, MAGIC_LEN);
    if (RAND_bytes(out + MAGIC_LEN, NONCE_LEN) != 1 || !encrypt(s, plain, out)) {
        return edge_set(err, EDGE_CRYPTO, "sealing failed");
    }
    return buf_append(ret_blob, out, HEADER_LEN + plain->len + TAG_LEN, err);
}

static bool decrypt(const struct soft *s, const uint8_t *in, size_t len, struct secret *plain) {
    EVP_CIPHER_CTX *ctx EDGE_CLEANUP(cipher_cleanup) = EVP_CIPHER_CTX_new();
    uint8_t tag[TAG_LEN];
    int n;

    memcpy(tag, in + HEADER_LEN + len, TAG_LEN);
    return ctx != NULL &&
           EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, s->seal.data, in + MAGIC_LEN) == 1 &&
           EVP_DecryptUpdate(ctx, NULL, &n, in, HEADER_LEN) == 1 &&
           EVP_DecryptUpdate(ctx, plain->data, &n, in + HEADER_LEN, (int)len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, plain->data + len, &n) == 1;
}

enum edge_code soft_unseal(struct soft *s, struct slice blob, struct secret *ret,
                           struct edge_error *err) {
    struct secret plain SECRET_CLEANUP = {0};

    if (blob.len <= HEADER_LEN + TAG_LEN || blob.len > HEADER_LEN + HSM_SEAL_MAX + TAG_LEN ||
        memcmp(blob.ptr, magic, MAGIC_LEN) != 0) {
        return edge_set(err, EDGE_PARSE, "not data sealed by key files");
    }
    const size_t len = blob.len - HEADER_LEN - TAG_LEN;
    enum edge_code rc = seal_key(s, err);
    if (rc == EDGE_OK) {
        rc = secret_alloc(&plain, len, err);
    }
    if (rc == EDGE_OK && !decrypt(s, (const uint8_t *)blob.ptr, len, &plain)) {
        rc = edge_set(err, EDGE_DENIED, "sealed with another key, or changed");
    }
    if (rc == EDGE_OK) {
        *ret = secret_take(&plain);
    }
    return rc;
}
