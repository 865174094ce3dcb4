/* SPDX-License-Identifier: MIT */
/*
 * One context serves all messages: setting it up costs as much as encrypting a kilobyte. It lies in
 * ordinary memory and holds the schedule of the last key, so a key that everybody knows is set
 * after every message.
 */
#include "base/aead.h"

#include "base/ossl.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define TAG_LEN    16
#define NONCE_LEN  12
#define NONCES_CNT 16 /* asked for at once: a call of the generator costs as much as 16 nonces */

struct aead {
    EVP_CIPHER_CTX *ctx;
    size_t iv_len;                         /* that the context is set to */
    uint8_t nonces[NONCES_CNT][NONCE_LEN]; /* no secrets: they go out with the texts */
    size_t nonce_cnt;                      /* of them not used yet, the first ones */
};

/* Where the parts of one message lie. */
struct message {
    struct slice nonce;
    struct slice aad;
    const uint8_t *in;
    uint8_t *out;
    size_t len; /* of in and out */
};

static bool forget_key(struct aead *a) {
    static const uint8_t no_key[AEAD_KEY_LEN];
    return EVP_CipherInit_ex(a->ctx, NULL, NULL, no_key, NULL, 1);
}

enum edge_code aead_new(struct aead **ret, struct edge_error *err) {
    struct aead *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for encryption");
    }
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    a->ctx = cipher != NULL ? EVP_CIPHER_CTX_new() : NULL;
    bool ok =
        a->ctx != NULL && EVP_CipherInit_ex(a->ctx, cipher, NULL, NULL, NULL, 1) && forget_key(a);
    EVP_CIPHER_free(cipher);
    if (!ok) {
        aead_free(a);
        return ossl_failed(EDGE_CRYPTO, "setting up AES-256-GCM failed", err);
    }
    *ret = a;
    return EDGE_OK;
}

void aead_free(struct aead *a) {
    if (a != NULL) {
        EVP_CIPHER_CTX_free(a->ctx);
        free(a);
    }
}

/* Most nonces have the same length, and to set it takes a tenth of a microsecond. */
static bool set_iv_len(struct aead *a, size_t len) {
    if (len != a->iv_len) {
        a->iv_len = 0;
        if (EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)len, NULL) <= 0) {
            return false;
        }
        a->iv_len = len;
    }
    return true;
}

/* Up to the end of the text; what remains is the tag. */
static bool run(struct aead *a, const struct secret *key, const struct message *m, int encrypts) {
    int n = 0;
    return set_iv_len(a, m->nonce.len) &&
           EVP_CipherInit_ex(a->ctx, NULL, NULL, key->data, (const uint8_t *)m->nonce.ptr,
                             encrypts) &&
           (m->aad.len == 0 ||
            EVP_CipherUpdate(a->ctx, NULL, &n, (const uint8_t *)m->aad.ptr, (int)m->aad.len)) &&
           EVP_CipherUpdate(a->ctx, m->out, &n, m->in, (int)m->len);
}

static enum edge_code check_key(const struct secret *key, struct edge_error *err) {
    if (key->len != AEAD_KEY_LEN) {
        return edge_set(err, EDGE_INTERNAL, "the key has %zu bytes instead of %d", key->len,
                        AEAD_KEY_LEN);
    }
    return EDGE_OK;
}

/* --- Sealing --- */

static bool take_nonce(struct aead *a, uint8_t ret[NONCE_LEN]) {
    if (a->nonce_cnt == 0) {
        if (RAND_bytes(a->nonces[0], sizeof(a->nonces)) != 1) {
            return false;
        }
        a->nonce_cnt = NONCES_CNT;
    }
    memcpy(ret, a->nonces[--a->nonce_cnt], NONCE_LEN);
    return true;
}

static enum edge_code seal_into(struct aead *a, const struct secret *key, struct slice aad,
                                struct slice plain, uint8_t *out, struct edge_error *err) {
    uint8_t *nonce = out + 1;
    uint8_t *tag = nonce + NONCE_LEN;
    uint8_t none[TAG_LEN];
    int n = 0;
    if (!take_nonce(a, nonce)) {
        return ossl_failed(EDGE_CRYPTO, "making a nonce failed", err);
    }
    const struct message m = {slice_make(nonce, NONCE_LEN), aad, (const uint8_t *)plain.ptr,
                              tag + TAG_LEN, plain.len};
    bool ok = run(a, key, &m, 1) && EVP_CipherFinal_ex(a->ctx, none, &n) &&
              EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, tag) > 0;
    out[0] = AEAD_V3;
    return forget_key(a) && ok
               ? EDGE_OK
               : ossl_failed(EDGE_CRYPTO, "encrypting with AES-256-GCM failed", err);
}

enum edge_code aead_seal(struct aead *a, const struct secret *key, struct slice aad,
                         struct slice plain, struct buf *out, struct edge_error *err) {
    uint8_t *room = NULL;
    enum edge_code code = check_key(key, err);
    if (code == EDGE_OK && plain.len == 0) {
        code = edge_set(err, EDGE_INVALID, "there is nothing to encrypt");
    }
    if (code == EDGE_OK && (plain.len > AEAD_LEN_MAX || aad.len > AEAD_LEN_MAX)) {
        code = edge_set(err, EDGE_RANGE, "more than %d bytes to encrypt", AEAD_LEN_MAX);
    }
    if (code == EDGE_OK) {
        code = buf_reserve(out, AEAD_V3_EXTRA + plain.len, &room, err);
    }
    if (code == EDGE_OK) {
        code = seal_into(a, key, aad, plain, room, err);
    }
    if (code == EDGE_OK) {
        buf_added(out, AEAD_V3_EXTRA + plain.len);
    }
    return code;
}

/* --- Opening --- */

enum aead_format aead_format_of(struct slice blob) {
    if (blob.len > AEAD_V1_EXTRA && (blob.ptr[0] == AEAD_V1 || blob.ptr[0] == AEAD_V2)) {
        return (enum aead_format)blob.ptr[0];
    }
    return blob.len > AEAD_V3_EXTRA && blob.ptr[0] == AEAD_V3 ? AEAD_V3 : AEAD_NONE;
}

static size_t extra_of(enum aead_format format) {
    return format == AEAD_V3 ? AEAD_V3_EXTRA : AEAD_V1_EXTRA;
}

static enum edge_code check(enum aead_format format, const struct secret *key, struct slice iv,
                            struct slice aad, struct slice blob, struct edge_error *err) {
    enum edge_code code = check_key(key, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (iv.len > AEAD_IV_MAX || aad.len > AEAD_LEN_MAX ||
        blob.len > AEAD_LEN_MAX + extra_of(format)) {
        return edge_set(err, EDGE_RANGE,
                        "the encrypted data or its initialization vector is too long");
    }
    if (format == AEAD_NONE || aead_format_of(blob) != format) {
        return edge_set(err, EDGE_PARSE, "not encrypted in format %d", (int)format);
    }
    if (format != AEAD_V3 && iv.len == 0) {
        return edge_set(err, EDGE_INVALID, "there is no initialization vector");
    }
    return EDGE_OK;
}

/* Decrypts into extra_of(format) bytes less than the blob has; they are wiped on failure. */
static enum edge_code open_into(struct aead *a, enum aead_format format, const struct secret *key,
                                struct slice iv, struct slice aad, struct slice blob, uint8_t *out,
                                struct edge_error *err) {
    const uint8_t *at = (const uint8_t *)blob.ptr + 1;
    struct message m = {.nonce = iv, .aad = aad, .out = out, .len = blob.len - extra_of(format)};
    uint8_t tag[TAG_LEN], none[TAG_LEN];
    int n = 0;
    if (format == AEAD_V3) {
        m.nonce = slice_make(at, NONCE_LEN);
        at += NONCE_LEN;
    }
    m.in = format == AEAD_V2 ? at : at + TAG_LEN;
    memcpy(tag, format == AEAD_V2 ? at + m.len : at, TAG_LEN);
    bool ran =
        run(a, key, &m, 0) && EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) > 0;
    bool fits = ran && EVP_CipherFinal_ex(a->ctx, none, &n);
    if (!fits) {
        secret_wipe(out, m.len);
    }
    if (!forget_key(a) || !ran) {
        return ossl_failed(EDGE_CRYPTO, "decrypting with AES-256-GCM failed", err);
    }
    if (!fits) {
        ERR_clear_error();
        return edge_set(err, EDGE_DENIED, "made with another key or for somebody else, or damaged");
    }
    return EDGE_OK;
}

enum edge_code aead_open(struct aead *a, enum aead_format format, const struct secret *key,
                         struct slice iv, struct slice aad, struct slice blob, struct buf *out,
                         struct edge_error *err) {
    uint8_t *room = NULL;
    enum edge_code code = check(format, key, iv, aad, blob, err);
    if (code == EDGE_OK) {
        code = buf_reserve(out, blob.len - extra_of(format), &room, err);
    }
    if (code == EDGE_OK) {
        code = open_into(a, format, key, iv, aad, blob, room, err);
    }
    if (code == EDGE_OK) {
        buf_added(out, blob.len - extra_of(format));
    }
    return code;
}

enum edge_code aead_open_v1(const struct secret *key, struct slice iv, struct slice aad,
                            struct slice blob, struct secret *ret, struct edge_error *err) {
    struct secret plain SECRET_CLEANUP = {0};
    struct aead *a = NULL;
    enum edge_code code = check(AEAD_V1, key, iv, aad, blob, err);
    if (code == EDGE_OK) {
        code = secret_alloc(&plain, blob.len - AEAD_V1_EXTRA, err);
    }
    if (code == EDGE_OK) {
        code = aead_new(&a, err);
    }
    if (code == EDGE_OK) {
        code = open_into(a, AEAD_V1, key, iv, aad, blob, plain.data, err);
    }
    aead_free(a);
    if (code == EDGE_OK) {
        *ret = secret_take(&plain);
    }
    return code;
}
