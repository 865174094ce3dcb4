/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 of OpenSSL, and HMAC on it. OpenSSL's own HMAC keeps a copy of the key in the ordinary
 * heap for as long as its context lives; here a prepared key is the two states after its pad
 * blocks, in locked memory. That takes the older interface of SHA-256, whose state can be told
 * where to live, and which costs less than the newer one.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/mac.h"

#include "base/b64.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_LEN  64
#define BLOCK_BITS (8 * BLOCK_LEN)

/* What the pads have made of the two hashes. As good as the key to one who finds it. */
struct states {
    SHA_LONG inner[8];
    SHA_LONG outer[8];
};

struct mac_key {
    struct secret states; /* struct states */
};

static void hash_pad(const uint8_t key[BLOCK_LEN], uint8_t pad, SHA_LONG ret[8]) {
    uint8_t block[BLOCK_LEN];
    SHA256_CTX c;
    for (size_t i = 0; i < BLOCK_LEN; i++) {
        block[i] = key[i] ^ pad;
    }
    SHA256_Init(&c);
    SHA256_Update(&c, block, sizeof(block));
    memcpy(ret, c.h, sizeof(c.h));
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&c, sizeof(c));
}

/* RFC 2104 section 2. */
static void prepare(const void *key, size_t key_len, struct states *ret) {
    uint8_t block[BLOCK_LEN] = {0};
    if (key_len > BLOCK_LEN) {
        (void)!sha256(key, key_len, block, NULL);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }
    hash_pad(block, 0x36, ret->inner);
    hash_pad(block, 0x5c, ret->outer);
    OPENSSL_cleanse(block, sizeof(block));
}

static void go_on(const SHA_LONG state[8], const void *data, size_t len, uint8_t ret[SHA256_LEN]) {
    SHA256_CTX c;
    SHA256_Init(&c);
    memcpy(c.h, state, sizeof(c.h));
    c.Nl = BLOCK_BITS;
    SHA256_Update(&c, data, len);
    SHA256_Final(ret, &c);
    OPENSSL_cleanse(&c, sizeof(c));
}

static void finish(const struct states *s, const void *data, size_t len,
                   uint8_t ret_mac[SHA256_LEN]) {
    uint8_t inner[SHA256_LEN];
    go_on(s->inner, data, len, inner);
    go_on(s->outer, inner, sizeof(inner), ret_mac);
    OPENSSL_cleanse(inner, sizeof(inner));
}

enum edge_code sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_LEN],
                      struct edge_error *err) {
    SHA256_CTX c;
    (void)err;
    SHA256_Init(&c);
    SHA256_Update(&c, data, len);
    SHA256_Final(ret_digest, &c);
    OPENSSL_cleanse(&c, sizeof(c));
    return EDGE_OK;
}

enum edge_code sha256_hex(struct slice data, char ret[SHA256_HEX], struct edge_error *err) {
    uint8_t digest[SHA256_LEN];
    struct buf hex EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&hex, SHA256_HEX - 1);
    enum edge_code code = sha256(data.ptr, data.len, digest, err);
    code = code != EDGE_OK ? code : hex_encode(digest, sizeof(digest), &hex, err);
    if (code == EDGE_OK && !slice_to_array(buf_slice(&hex), ret, SHA256_HEX)) {
        code = edge_set(err, EDGE_INTERNAL, "a SHA-256 of unexpected length");
    }
    return code;
}

enum edge_code hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                           uint8_t ret_mac[SHA256_LEN], struct edge_error *err) {
    struct states s;
    (void)err;
    prepare(key, key_len, &s);
    finish(&s, data, len, ret_mac);
    OPENSSL_cleanse(&s, sizeof(s));
    return EDGE_OK;
}

enum edge_code mac_key_new(const struct secret *key, struct mac_key **ret, struct edge_error *err) {
    struct mac_key *k = calloc(1, sizeof(*k));
    if (k == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a signing key");
    }
    enum edge_code code = secret_alloc(&k->states, sizeof(struct states), err);
    if (code != EDGE_OK) {
        mac_key_free(k);
        return code;
    }
    prepare(key->data, key->len, (struct states *)(void *)k->states.data);
    *ret = k;
    return EDGE_OK;
}

enum edge_code mac_key_sign(struct mac_key *k, const void *data, size_t len,
                            uint8_t ret_mac[SHA256_LEN], struct edge_error *err) {
    (void)err;
    finish((const struct states *)(const void *)k->states.data, data, len, ret_mac);
    return EDGE_OK;
}

void mac_key_free(struct mac_key *k) {
    if (k != NULL) {
        secret_clear(&k->states);
        free(k);
    }
}
