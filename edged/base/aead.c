/* SPDX-License-Identifier: MIT */
#include "base/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#define VERSION 0x01
#define TAG_LEN 16

static void ctx_cleanup(EVP_CIPHER_CTX **ctx) {
    EVP_CIPHER_CTX_free(*ctx);
}

static void cipher_cleanup(EVP_CIPHER **cipher) {
    EVP_CIPHER_free(*cipher);
}

static enum edge_code failed(struct edge_error *err, const char *what) {
    unsigned long number = ERR_peek_last_error();
    ERR_clear_error();
    return edge_set_native(err, EDGE_CRYPTO, EDGE_DOMAIN_OPENSSL, (int64_t)number, "%s failed",
                           what);
}

static enum edge_code check(const struct secret *key, struct slice iv, struct slice blob,
                            struct edge_error *err) {
    if (key->len != AEAD_KEY_LEN) {
        return edge_set(err, EDGE_INVALID, "the key has %zu bytes instead of %d", key->len,
                        AEAD_KEY_LEN);
    }
    if (iv.len > AEAD_IV_MAX || blob.len > AEAD_V1_LEN_MAX) {
        return edge_set(err, EDGE_RANGE,
                        "the encrypted data or its initialization vector is too "
                        "long");
    }
    if (iv.len == 0 || blob.len <= AEAD_V1_EXTRA || (uint8_t)blob.ptr[0] != VERSION) {
        return edge_set(err, EDGE_PARSE, "not encrypted in format 1");
    }
    return EDGE_OK;
}

/* Sets up the context up to the ciphertext. */
static bool start(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const struct secret *key,
                  struct slice iv, struct slice aad, struct slice tag) {
    int n = 0;
    return EVP_DecryptInit_ex(ctx, cipher, NULL, NULL, NULL) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) > 0 &&
           EVP_DecryptInit_ex(ctx, NULL, NULL, key->data, (const uint8_t *)iv.ptr) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag.len, (void *)tag.ptr) > 0 &&
           (aad.len == 0 ||
            EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.ptr, (int)aad.len));
}

enum edge_code aead_open_v1(const struct secret *key, struct slice iv, struct slice aad,
                            struct slice blob, struct secret *ret, struct edge_error *err) {
    EVP_CIPHER_CTX *ctx EDGE_CLEANUP(ctx_cleanup) = NULL;
    EVP_CIPHER *cipher EDGE_CLEANUP(cipher_cleanup) = NULL;
    struct secret plain SECRET_CLEANUP = {0};
    int n = 0;
    enum edge_code code = check(key, iv, blob, err);
    if (code == EDGE_OK && aad.len > AEAD_V1_LEN_MAX) {
        code = edge_set(err, EDGE_RANGE, "the associated data is too long");
    }
    if (code == EDGE_OK) {
        code = secret_alloc(&plain, blob.len - AEAD_V1_EXTRA, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    struct slice tag = slice_make(blob.ptr + 1, TAG_LEN);
    const uint8_t *text = (const uint8_t *)blob.ptr + AEAD_V1_EXTRA;
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    ctx = EVP_CIPHER_CTX_new();
    if (cipher == NULL || ctx == NULL || !start(ctx, cipher, key, iv, aad, tag) ||
        !EVP_DecryptUpdate(ctx, plain.data, &n, text, (int)plain.len)) {
        return failed(err, "decrypting with AES-256-GCM");
    }
    if (!EVP_DecryptFinal_ex(ctx, plain.data + n, &n)) {
        ERR_clear_error();
        return edge_set(err, EDGE_DENIED, "made with another key or for somebody else, or damaged");
    }
    *ret = secret_take(&plain);
    return EDGE_OK;
}
