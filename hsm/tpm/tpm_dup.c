/* SPDX-License-Identifier: MIT */
/*
 * Outer wrapper only: a random seed, encrypted to the parent by RSA-OAEP, gives an AES key for the
 * sensitive area and an HMAC key for the integrity of both parts.
 */
#include "tpm/tpm_dup.h"

#include "keypair.h"
#include "tpm/tpm_public.h"

#include "base/mac.h"
#include "base/ossl.h"
#include "base/secret.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <string.h>

#define SEED_LEN      SHA256_LEN /* as long as a digest of the parent's name algorithm */
#define AES_LEN       16
#define KDF_TEXT_MAX  160
#define SENSITIVE_MAX 1024        /* authValue, and a prime of an RSA key of 4096 bits */
#define OAEP_LABEL    "DUPLICATE" /* its NUL is part of it */

static const uint8_t exponent_default[] = {1, 0, 1};

static void cipher_cleanup(EVP_CIPHER_CTX **ctx) {
    EVP_CIPHER_CTX_free(*ctx);
}

static void pkey_cleanup(EVP_PKEY_CTX **ctx) {
    EVP_PKEY_CTX_free(*ctx);
}

/* KDFa (TPM 2.0 Part 1, 11.4.10.2) for at most one digest: one round of the counter. */
static enum edge_code kdfa(const struct secret *seed, const char *label,
                           const struct tpm_name *context, size_t len, struct secret *ret,
                           struct edge_error *err) {
    const size_t label_len = strlen(label) + 1, context_len = context != NULL ? context->len : 0;
    const uint32_t bits = (uint32_t)len * 8;
    const uint8_t counter[4] = {0, 0, 0, 1}, size[4] = {0, 0, (uint8_t)(bits >> 8), (uint8_t)bits};
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    struct secret block SECRET_CLEANUP = {0};

    buf_init(&text, KDF_TEXT_MAX);
    enum edge_code rc = buf_append(&text, counter, sizeof(counter), err);
    if (rc == EDGE_OK) {
        rc = buf_append(&text, label, label_len, err);
    }
    if (rc == EDGE_OK && context_len > 0) {
        rc = buf_append(&text, context->bytes, context_len, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(&text, size, sizeof(size), err);
    }
    if (rc == EDGE_OK) {
        rc = secret_alloc(&block, SHA256_LEN, err);
    }
    if (rc == EDGE_OK) {
        rc = hmac_sha256(seed->data, seed->len, text.data, text.len, block.data, err);
    }
    return rc == EDGE_OK ? secret_copy(ret, block.data, len, err) : rc;
}

static uint8_t *put_16(uint8_t *at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)(value & 0xFF);
    return at + 2;
}

static uint8_t *put_2b(uint8_t *at, const void *data, size_t len) {
    at = put_16(at, len);
    if (len != 0) {
        memcpy(at, data, len);
    }
    return at + len;
}

/* TPM2B_SENSITIVE: type, authValue, no seedValue (only storage keys need one), the private part. */
static enum edge_code sensitive_area(const TPM2B_PUBLIC *object, const TPM2B_AUTH *auth,
                                     struct slice private, struct secret *ret,
                                     struct edge_error *err) {
    const size_t len = 4 * sizeof(UINT16) + auth->size + private.len;

    if (private.len == 0 || 2 + len > SENSITIVE_MAX) {
        return edge_set(err, EDGE_RANGE, "private part of %zu bytes", private.len);
    }
    enum edge_code rc = secret_alloc(ret, 2 + len, err);
    if (rc == EDGE_OK) {
        uint8_t *at = put_16(ret->data, len);
        at = put_16(at, object->publicArea.type);
        at = put_2b(at, auth->buffer, auth->size);
        at = put_2b(at, NULL, 0);
        (void)put_2b(at, private.ptr, private.len);
    }
    return rc;
}

static enum edge_code encrypt(const struct secret *key, struct secret *data,
                              struct edge_error *err) {
    EVP_CIPHER_CTX *ctx EDGE_CLEANUP(cipher_cleanup) = EVP_CIPHER_CTX_new();
    const uint8_t iv[AES_LEN] = {0};
    int n = 0;

    if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key->data, iv) != 1 ||
        EVP_EncryptUpdate(ctx, data->data, &n, data->data, (int)data->len) != 1 ||
        (size_t)n != data->len) {
        return ossl_failed(EDGE_CRYPTO, "wrapping a key failed", err);
    }
    return EDGE_OK;
}

/* The integrity value over the encrypted sensitive area and the object's name. */
static enum edge_code integrity(const struct secret *seed, const struct tpm_name *name,
                                const struct secret *cipher, uint8_t ret[SHA256_LEN],
                                struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    struct secret key SECRET_CLEANUP = {0};

    buf_init(&text, SENSITIVE_MAX + HSM_NAME_MAX);
    enum edge_code rc = kdfa(seed, "INTEGRITY", NULL, SHA256_LEN, &key, err);
    if (rc == EDGE_OK) {
        rc = buf_append(&text, cipher->data, cipher->len, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(&text, name->bytes, name->len, err);
    }
    return rc == EDGE_OK ? hmac_sha256(key.data, key.len, text.data, text.len, ret, err) : rc;
}

static enum edge_code wrap(const struct secret *seed, const struct tpm_name *name,
                           struct secret *sensitive, TPM2B_PRIVATE *ret, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};
    uint8_t mac[SHA256_LEN];

    enum edge_code rc = kdfa(seed, "STORAGE", name, AES_LEN, &key, err);
    if (rc == EDGE_OK) {
        rc = encrypt(&key, sensitive, err);
    }
    if (rc == EDGE_OK) {
        rc = integrity(seed, name, sensitive, mac, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    uint8_t *at = put_2b(ret->buffer, mac, sizeof(mac));
    memcpy(at, sensitive->data, sensitive->len);
    ret->size = (UINT16)(2 + sizeof(mac) + sensitive->len);
    return EDGE_OK;
}

static enum edge_code encrypt_seed(EVP_PKEY *parent, const struct secret *seed,
                                   TPM2B_ENCRYPTED_SECRET *ret, struct edge_error *err) {
    EVP_PKEY_CTX *ctx EDGE_CLEANUP(pkey_cleanup) = EVP_PKEY_CTX_new(parent, NULL);
    size_t len = sizeof(ret->secret);
    char *label = NULL;

    if (ctx == NULL || EVP_PKEY_encrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) != 1) {
        return ossl_failed(EDGE_CRYPTO, "preparing the parent's key failed", err);
    }
    label = OPENSSL_strdup(OAEP_LABEL);
    if (label == NULL ||
        EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, (int)sizeof(OAEP_LABEL)) != 1) {
        OPENSSL_free(label);
        return ossl_failed(EDGE_CRYPTO, "preparing the parent's key failed", err);
    }
    if (EVP_PKEY_encrypt(ctx, ret->secret, &len, seed->data, seed->len) != 1) {
        return ossl_failed(EDGE_CRYPTO, "encrypting to the parent's key failed", err);
    }
    ret->size = (UINT16)len;
    return EDGE_OK;
}

static enum edge_code open_parent(const TPM2B_PUBLIC *parent, EVP_PKEY **ret,
                                  struct edge_error *err) {
    const TPMT_PUBLIC *p = &parent->publicArea;
    const TPMT_SYM_DEF_OBJECT *sym = &p->parameters.rsaDetail.symmetric;
    const uint32_t e = p->parameters.rsaDetail.exponent;

    if (p->type != TPM2_ALG_RSA || p->nameAlg != TPM2_ALG_SHA256 ||
        sym->algorithm != TPM2_ALG_AES || sym->keyBits.aes != AES_LEN * 8 ||
        sym->mode.aes != TPM2_ALG_CFB || (e != 0 && e != 65537)) {
        return edge_set(err, EDGE_UNSUPPORTED, "a parent key of another kind");
    }
    return keypair_open_modulus(slice_make(p->unique.rsa.buffer, p->unique.rsa.size),
                                slice_make(exponent_default, sizeof(exponent_default)), ret, err);
}

enum edge_code tpm_dup_make(const TPM2B_PUBLIC *parent, const TPM2B_PUBLIC *object,
                            const TPM2B_AUTH *auth, struct slice private, struct tpm_dup *ret,
                            struct edge_error *err) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;
    struct secret seed SECRET_CLEANUP = {0}, sensitive SECRET_CLEANUP = {0};
    struct tpm_name name = {0};
    struct tpm_dup dup = {0};

    enum edge_code rc = open_parent(parent, &key, err);
    if (rc == EDGE_OK) {
        rc = tpm_public_name(object, &name, err);
    }
    if (rc == EDGE_OK) {
        rc = secret_alloc(&seed, SEED_LEN, err);
    }
    if (rc == EDGE_OK && RAND_priv_bytes(seed.data, SEED_LEN) != 1) {
        rc = ossl_failed(EDGE_CRYPTO, "getting random numbers failed", err);
    }
    if (rc == EDGE_OK) {
        rc = sensitive_area(object, auth, private, &sensitive, err);
    }
    if (rc == EDGE_OK) {
        rc = wrap(&seed, &name, &sensitive, &dup.duplicate, err);
    }
    if (rc == EDGE_OK) {
        rc = encrypt_seed(key, &seed, &dup.seed, err);
    }
    if (rc == EDGE_OK) {
        *ret = dup;
    }
    return rc;
}
