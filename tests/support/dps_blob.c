/* SPDX-License-Identifier: MIT */
/*
 * The service's side of the activation, after TPM 2.0 Part 1, 22 to 24 (credential and duplication
 * protection) and B.10 (secret sharing by RSA-OAEP).
 */
#include "support/dps_blob.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <stdlib.h>
#include <string.h>

#define AREA_MAX 512

static void must(bool ok) {
    if (!ok) {
        abort();
    }
}

static size_t put2b(uint8_t *out, const void *data, size_t len) {
    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    if (len > 0) {
        memmove(out + 2, data, len);
    }
    return len + 2;
}

static void hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                 uint8_t *out) {
    unsigned n = 32;

    must(HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n) != NULL);
}

void dps_kdfa(const uint8_t *key, size_t key_len, const char *label, const uint8_t *context,
              size_t context_len, size_t bits, uint8_t *out) {
    uint8_t block[32], text[256];
    size_t len = bits / 8, label_len = strlen(label) + 1;

    must(4 + label_len + context_len + 4 <= sizeof(text));
    for (uint32_t i = 1; len > 0; i++) {
        size_t n = 4, take = len < sizeof(block) ? len : sizeof(block);
        text[0] = text[1] = 0;
        text[2] = (uint8_t)(i >> 8);
        text[3] = (uint8_t)i;
        memcpy(text + n, label, label_len);
        n += label_len;
        if (context_len > 0) {
            memcpy(text + n, context, context_len);
            n += context_len;
        }
        text[n++] = 0;
        text[n++] = 0;
        text[n++] = (uint8_t)(bits >> 8);
        text[n++] = (uint8_t)bits;
        hmac(key, key_len, text, n, block);
        memcpy(out, block, take);
        out += take;
        len -= take;
    }
}

static void cfb(const uint8_t *key, size_t key_len, uint8_t *data, size_t len) {
    const uint8_t iv[16] = {0};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *cipher = key_len == 16   ? EVP_aes_128_cfb128()
                               : key_len == 24 ? EVP_aes_192_cfb128()
                                               : EVP_aes_256_cfb128();
    int n = 0;

    must(ctx != NULL && EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv) == 1);
    must(EVP_EncryptUpdate(ctx, data, &n, data, (int)len) == 1 && (size_t)n == len);
    EVP_CIPHER_CTX_free(ctx);
}

void dps_name(const uint8_t *public_area, size_t len, uint8_t out[34]) {
    out[0] = 0;
    out[1] = 0x0B;
    SHA256(public_area, len, out + 2);
}

/* TPM2B( TPM2B(HMAC over cipher and name) || cipher ) in place behind the length fields. */
static size_t integrity(const uint8_t seed[32], const uint8_t name[34], const uint8_t *cipher,
                        size_t len, uint8_t *out) {
    uint8_t key[32], text[AREA_MAX], mac[32];

    must(len + 34 <= sizeof(text));
    dps_kdfa(seed, 32, "INTEGRITY", NULL, 0, 256, key);
    memcpy(text, cipher, len);
    memcpy(text + len, name, 34);
    hmac(key, sizeof(key), text, len + 34, mac);
    uint8_t body[AREA_MAX];
    size_t n = put2b(body, mac, sizeof(mac));
    memcpy(body + n, cipher, len);
    return put2b(out, body, n + len);
}

size_t dps_credential(const uint8_t seed[32], const uint8_t name[34], const uint8_t *inner,
                      size_t inner_len, uint8_t *out) {
    uint8_t key[16], cipher[64];

    dps_kdfa(seed, 32, "STORAGE", name, 34, 128, key);
    size_t len = put2b(cipher, inner, inner_len);
    cfb(key, sizeof(key), cipher, len);
    return integrity(seed, name, cipher, len, out);
}

size_t dps_public(const uint8_t seed_value[32], const uint8_t key[32],
                  const struct dps_blob_opts *opts, uint8_t *out) {
    const uint32_t attr = opts->attributes != 0 ? opts->attributes : DPS_ATTR_NORMAL;
    const uint16_t hash = opts->scheme_hash != 0 ? opts->scheme_hash : 0x000B;
    const uint8_t head[8] = {0,
                             0x08,
                             0,
                             0x0B,
                             (uint8_t)(attr >> 24),
                             (uint8_t)(attr >> 16),
                             (uint8_t)(attr >> 8),
                             (uint8_t)attr};
    const uint8_t scheme[4] = {0, 0x05, (uint8_t)(hash >> 8), (uint8_t)hash};
    uint8_t both[64], unique[32];
    size_t n = sizeof(head);

    memcpy(out, head, sizeof(head));
    n += put2b(out + n, opts->policy, opts->policy != NULL ? 32 : 0);
    memcpy(out + n, scheme, sizeof(scheme));
    n += sizeof(scheme);
    memcpy(both, seed_value, 32);
    memcpy(both + 32, key, 32);
    SHA256(both, sizeof(both), unique);
    return n + put2b(out + n, unique, sizeof(unique));
}

size_t dps_inner(const uint8_t name[34], const uint8_t *inner, size_t inner_len,
                 const uint8_t seed_value[32], const uint8_t key[32],
                 const struct dps_blob_opts *opts, uint8_t *out) {
    uint8_t sensitive[AREA_MAX] = {0, 0x08}, sized[AREA_MAX], text[AREA_MAX + 34], digest[32];
    size_t n = 2;

    n += put2b(sensitive + n, opts->auth, opts->auth_len);
    n += put2b(sensitive + n, seed_value, 32);
    n += put2b(sensitive + n, key, 32);
    size_t len = put2b(sized, sensitive, n);
    memcpy(text, sized, len);
    memcpy(text + len, name, 34);
    SHA256(text, len + 34, digest);
    size_t total = put2b(out, digest, sizeof(digest));
    memcpy(out + total, sized, len);
    total += len;
    cfb(inner, inner_len, out, total);
    return total;
}

size_t dps_duplicate(const uint8_t seed[32], const uint8_t name[34], const uint8_t *wrapped,
                     size_t wrapped_len, uint8_t *out) {
    uint8_t key[16], cipher[AREA_MAX];

    dps_kdfa(seed, 32, "STORAGE", name, 34, 128, key);
    memcpy(cipher, wrapped, wrapped_len);
    cfb(key, sizeof(key), cipher, wrapped_len);
    return integrity(seed, name, cipher, wrapped_len, out);
}

/* RSA public key of a marshalled TPM2B_PUBLIC, whose modulus is its last 256 bytes. */
static EVP_PKEY *rsa_key(const uint8_t *pub) {
    size_t len = (size_t)pub[0] << 8 | pub[1];
    BIGNUM *n = BN_bin2bn(pub + 2 + len - 256, 256, NULL), *e = BN_new();
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;

    must(n != NULL && e != NULL && build != NULL && ctx != NULL && BN_set_word(e, 65537) == 1);
    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1);
    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    must(EVP_PKEY_fromdata_init(ctx) == 1);
    must(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    BN_free(e);
    return key;
}

/* The label's terminating NUL is part of it. */
static size_t oaep(const uint8_t *pub, const char *label, const uint8_t seed[32], uint8_t *out) {
    EVP_PKEY *key = rsa_key(pub);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    char *copy = OPENSSL_strdup(label);
    uint8_t cipher[256];
    size_t len = sizeof(cipher);

    must(ctx != NULL && copy != NULL && EVP_PKEY_encrypt_init(ctx) == 1);
    must(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1);
    must(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1);
    must(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1);
    must(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)strlen(label) + 1) == 1);
    must(EVP_PKEY_encrypt(ctx, cipher, &len, seed, 32) == 1 && len == sizeof(cipher));
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return put2b(out, cipher, len);
}

size_t dps_blob_make(const uint8_t *ek, const uint8_t *srk, const uint8_t key[32],
                     const struct dps_blob_opts *opts, uint8_t out[DPS_BLOB_MAX]) {
    static const struct dps_blob_opts normal = {0};
    uint8_t inner[32], seed_value[32], seed1[32], seed2[32], srk_name[34], name[34];
    uint8_t pub[AREA_MAX], wrapped[AREA_MAX], extra[1024] = {0};
    const struct dps_blob_opts *o = opts != NULL ? opts : &normal;
    const size_t inner_len = o->inner_len != 0 ? o->inner_len : 16;

    must(RAND_bytes(inner, 32) == 1 && RAND_bytes(seed_value, 32) == 1 &&
         RAND_bytes(seed1, 32) == 1 && RAND_bytes(seed2, 32) == 1);
    dps_name(srk + 2, (size_t)srk[0] << 8 | srk[1], srk_name);
    size_t n = dps_credential(seed1, srk_name, inner, inner_len, out);
    n += oaep(ek, "IDENTITY", seed1, out + n);
    size_t pub_len = dps_public(seed_value, key, o, pub);
    dps_name(pub, pub_len, name);
    size_t len = dps_inner(name, inner, inner_len, seed_value, key, o, wrapped);
    n += dps_duplicate(seed2, name, wrapped, len, out + n);
    n += oaep(srk, "DUPLICATE", seed2, out + n);
    n += put2b(out + n, pub, pub_len);
    if (!o->no_extra) {
        must(o->extra_len <= sizeof(extra));
        n += put2b(out + n, extra, o->extra_len);
    }
    return n;
}

size_t dps_blob_field(const uint8_t *blob, unsigned number) {
    size_t at = 0;

    for (unsigned i = 1; i < number; i++) {
        at += ((size_t)blob[at] << 8 | blob[at + 1]) + 2;
    }
    return at;
}
