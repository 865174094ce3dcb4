/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL's side of signing keys. Private numbers are put together from their parts in the secure
 * heap: the library's readers and writers of private keys leave copies behind.
 */
#include "keypair.h"

#include "base/ossl.h"
#include "base/secret.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#define P256_LEN   32
#define P256_TRIES 16 /* a random value is out of range once in 2^32 times */
#define PART_MAX   8

static void cleanup_bn(BIGNUM **bn) {
    BN_clear_free(*bn);
}
#define BN_CLEANUP EDGE_CLEANUP(cleanup_bn)

static void cleanup_bld(OSSL_PARAM_BLD **bld) {
    OSSL_PARAM_BLD_free(*bld);
}

static void cleanup_params(OSSL_PARAM **params) {
    OSSL_PARAM_free(*params); /* wipes what is in the secure heap */
}

static void cleanup_ctx(EVP_PKEY_CTX **ctx) {
    EVP_PKEY_CTX_free(*ctx);
}

static void cleanup_group(EC_GROUP **group) {
    EC_GROUP_free(*group);
}

static void cleanup_point(EC_POINT **point) {
    EC_POINT_free(*point);
}

static void cleanup_sig(ECDSA_SIG **sig) {
    ECDSA_SIG_free(*sig);
}

void keypair_cleanup(EVP_PKEY **key) {
    EVP_PKEY_free(*key);
}

const uint8_t keypair_test_digest[HSM_DIGEST_LEN] = "edged: does this key sign? 32 b.";

static const char *group_name(enum hsm_key_type type) {
    return type == HSM_KEY_P256 ? "P-256" : type == HSM_KEY_P384 ? "P-384" : "P-521";
}

static int group_nid(enum hsm_key_type type) {
    return type == HSM_KEY_P256   ? NID_X9_62_prime256v1
           : type == HSM_KEY_P384 ? NID_secp384r1
                                  : NID_secp521r1;
}

static BIGNUM *number_of(struct slice s, bool is_secret) {
    BIGNUM *bn = is_secret ? BN_secure_new() : BN_new();

    if (bn != NULL && BN_bin2bn((const uint8_t *)s.ptr, (int)s.len, bn) == NULL) {
        BN_clear_free(bn);
        bn = NULL;
    }
    return bn;
}

/* One number of a key and the name OpenSSL has for it. */
struct part {
    const char *name;
    struct slice value;
    bool is_secret;
};

struct parts {
    BIGNUM *bn[PART_MAX]; /* borrowed by the builder until it is done */
};

static void parts_clear(struct parts *p) {
    for (size_t i = 0; i < PART_MAX; i++) {
        BN_clear_free(p->bn[i]);
    }
}

static enum edge_code build(OSSL_PARAM_BLD *bld, const char *type, int selection, EVP_PKEY **ret,
                            struct edge_error *err) {
    OSSL_PARAM *params EDGE_CLEANUP(cleanup_params) = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx EDGE_CLEANUP(cleanup_ctx) = NULL;
    EVP_PKEY *key = NULL;

    if (params == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1) {
        return ossl_failed(EDGE_CRYPTO, "keys cannot be made", err);
    }
    if (EVP_PKEY_fromdata(ctx, &key, selection, params) != 1) {
        EVP_PKEY_free(key);
        return ossl_failed(EDGE_CONFLICT, "the numbers of the key do not make a key", err);
    }
    *ret = key;
    return EDGE_OK;
}

static enum edge_code build_rsa(const struct part *part, size_t cnt, EVP_PKEY **ret,
                                struct edge_error *err) {
    struct parts parts EDGE_CLEANUP(parts_clear) = {0};
    OSSL_PARAM_BLD *bld EDGE_CLEANUP(cleanup_bld) = OSSL_PARAM_BLD_new();

    for (size_t i = 0; i < cnt; i++) {
        parts.bn[i] = number_of(part[i].value, part[i].is_secret);
        if (bld == NULL || parts.bn[i] == NULL ||
            OSSL_PARAM_BLD_push_BN(bld, part[i].name, parts.bn[i]) != 1) {
            return ossl_failed(EDGE_NOMEM, "out of memory", err);
        }
    }
    return build(bld, "RSA", cnt > 2 ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, ret, err);
}

static enum edge_code open_rsa(const struct pkcs8_key *k, EVP_PKEY **ret, struct edge_error *err) {
    const struct part part[] = {
        {OSSL_PKEY_PARAM_RSA_N, k->rsa.n, false},
        {OSSL_PKEY_PARAM_RSA_E, k->rsa.e, false},
        {OSSL_PKEY_PARAM_RSA_D, k->rsa.d, true},
        {OSSL_PKEY_PARAM_RSA_FACTOR1, k->rsa.p, true},
        {OSSL_PKEY_PARAM_RSA_FACTOR2, k->rsa.q, true},
        {OSSL_PKEY_PARAM_RSA_EXPONENT1, k->rsa.dp, true},
        {OSSL_PKEY_PARAM_RSA_EXPONENT2, k->rsa.dq, true},
        {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, k->rsa.qi, true},
    };

    return build_rsa(part, EDGE_ARRAY_LEN(part), ret, err);
}

static enum edge_code build_ec(enum hsm_key_type type, struct slice point, struct slice value,
                               EVP_PKEY **ret, struct edge_error *err) {
    OSSL_PARAM_BLD *bld EDGE_CLEANUP(cleanup_bld) = OSSL_PARAM_BLD_new();
    BIGNUM *number BN_CLEANUP = NULL;

    if (bld == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group_name(type), 0) !=
            1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.ptr, point.len) != 1) {
        return ossl_failed(EDGE_NOMEM, "out of memory", err);
    }
    if (value.len == 0) {
        return build(bld, "EC", EVP_PKEY_PUBLIC_KEY, ret, err);
    }
    number = number_of(value, true);
    if (number == NULL || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, number) != 1) {
        return ossl_failed(EDGE_NOMEM, "out of memory", err);
    }
    return build(bld, "EC", EVP_PKEY_KEYPAIR, ret, err);
}

enum edge_code keypair_point(const struct pkcs8_key *k, uint8_t ret[KEYPAIR_POINT_MAX],
                             size_t *ret_len, struct edge_error *err) {
    EC_GROUP *group EDGE_CLEANUP(cleanup_group) = EC_GROUP_new_by_curve_name(group_nid(k->type));
    EC_POINT *point EDGE_CLEANUP(cleanup_point) = group != NULL ? EC_POINT_new(group) : NULL;
    BIGNUM *value BN_CLEANUP = number_of(k->ec, true);

    if (point == NULL || value == NULL) {
        return ossl_failed(EDGE_NOMEM, "out of memory", err);
    }
    if (BN_is_zero(value) || BN_cmp(value, EC_GROUP_get0_order(group)) >= 0) {
        return edge_set(err, EDGE_CONFLICT, "the private value is not one of the curve");
    }
    BN_set_flags(value, BN_FLG_CONSTTIME);
    if (EC_POINT_mul(group, point, value, NULL, NULL, NULL) != 1) {
        return ossl_failed(EDGE_CRYPTO, "computing a public key", err);
    }
    size_t len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret,
                                    KEYPAIR_POINT_MAX, NULL);
    if (len == 0) {
        return ossl_failed(EDGE_CRYPTO, "writing a public key", err);
    }
    *ret_len = len;
    return EDGE_OK;
}

enum edge_code keypair_open(const struct pkcs8_key *numbers, EVP_PKEY **ret,
                            struct edge_error *err) {
    uint8_t point[KEYPAIR_POINT_MAX];
    size_t len = 0;

    if (numbers->type == HSM_KEY_RSA) {
        return open_rsa(numbers, ret, err);
    }
    enum edge_code rc = keypair_point(numbers, point, &len, err);
    return rc == EDGE_OK ? build_ec(numbers->type, slice_make(point, len), numbers->ec, ret, err)
                         : rc;
}

enum edge_code keypair_open_pkcs8(struct slice pkcs8, EVP_PKEY **ret, struct edge_error *err) {
    struct pkcs8_key numbers;
    enum edge_code rc = pkcs8_parse(pkcs8, &numbers, err);

    return rc == EDGE_OK ? keypair_open(&numbers, ret, err) : rc;
}

enum edge_code keypair_open_point(enum hsm_key_type type, struct slice point, EVP_PKEY **ret,
                                  struct edge_error *err) {
    return build_ec(type, point, (struct slice){0}, ret, err);
}

enum edge_code keypair_open_modulus(struct slice n, struct slice e, EVP_PKEY **ret,
                                    struct edge_error *err) {
    const struct part part[] = {
        {OSSL_PKEY_PARAM_RSA_N, n, false},
        {OSSL_PKEY_PARAM_RSA_E, e, false},
    };

    return build_rsa(part, EDGE_ARRAY_LEN(part), ret, err);
}

enum edge_code keypair_describe(EVP_PKEY *key, struct hsm_key *ret, struct edge_error *err) {
    const bool is_rsa = EVP_PKEY_is_a(key, "RSA") == 1;
    const int bits = EVP_PKEY_get_bits(key);
    uint8_t *end = ret->spki;

    if (!is_rsa && (EVP_PKEY_is_a(key, "EC") != 1 || (bits != 256 && bits != 384 && bits != 521))) {
        return edge_set(err, EDGE_PARSE, "neither an RSA key nor one on P-256, P-384 or P-521");
    }
    int len = i2d_PUBKEY(key, NULL);
    if (len > HSM_SPKI_MAX) {
        return edge_set(err, EDGE_RANGE, "public key of %d bytes", len);
    }
    if (len <= 0 || i2d_PUBKEY(key, &end) != len) {
        return ossl_failed(EDGE_CRYPTO, "writing a public key", err);
    }
    ret->spki_len = (size_t)len;
    ret->bits = (unsigned)bits;
    ret->type = is_rsa        ? HSM_KEY_RSA
                : bits == 256 ? HSM_KEY_P256
                : bits == 384 ? HSM_KEY_P384
                              : HSM_KEY_P521;
    return EDGE_OK;
}

enum edge_code keypair_signer(EVP_PKEY *key, EVP_PKEY_CTX **ret, struct edge_error *err) {
    EVP_PKEY_CTX *ctx EDGE_CLEANUP(cleanup_ctx) = EVP_PKEY_CTX_new(key, NULL);

    if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1) {
        return ossl_failed(EDGE_CRYPTO, "signing failed", err);
    }
    *ret = TAKE_PTR(ctx);
    return EDGE_OK;
}

enum edge_code keypair_sign_by(EVP_PKEY_CTX *signer, const uint8_t digest[HSM_DIGEST_LEN],
                               uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                               struct edge_error *err) {
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = sizeof(sig);

    if (EVP_PKEY_sign(signer, sig, &len, digest, HSM_DIGEST_LEN) != 1) {
        return ossl_failed(EDGE_CRYPTO, "signing failed", err);
    }
    /* Short of memory, the library claims success with a length of (unsigned)-1. */
    if (len == 0 || len > sizeof(sig)) {
        return ossl_failed(EDGE_NOMEM, "out of memory", err);
    }
    memcpy(ret_sig, sig, len);
    *ret_len = len;
    return EDGE_OK;
}

enum edge_code keypair_sign(EVP_PKEY *key, const uint8_t digest[HSM_DIGEST_LEN],
                            uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                            struct edge_error *err) {
    EVP_PKEY_CTX *ctx EDGE_CLEANUP(cleanup_ctx) = NULL;
    enum edge_code rc = keypair_signer(key, &ctx, err);

    return rc == EDGE_OK ? keypair_sign_by(ctx, digest, ret_sig, ret_len, err) : rc;
}

enum edge_code keypair_ecdsa_der(struct slice r, struct slice s, uint8_t ret_sig[HSM_SIGNATURE_MAX],
                                 size_t *ret_len, struct edge_error *err) {
    ECDSA_SIG *sig EDGE_CLEANUP(cleanup_sig) = ECDSA_SIG_new();
    BIGNUM *first BN_CLEANUP = number_of(r, false), *second BN_CLEANUP = number_of(s, false);
    uint8_t *end = ret_sig;

    if (sig == NULL || first == NULL || second == NULL) {
        return ossl_failed(EDGE_NOMEM, "out of memory", err);
    }
    (void)ECDSA_SIG_set0(sig, TAKE_PTR(first), TAKE_PTR(second)); /* fails on NULL only */
    int len = i2d_ECDSA_SIG(sig, NULL);
    if (len <= 0 || len > HSM_SIGNATURE_MAX || i2d_ECDSA_SIG(sig, &end) != len) {
        return ossl_failed(EDGE_CRYPTO, "writing a signature", err);
    }
    *ret_len = (size_t)len;
    return EDGE_OK;
}

enum edge_code keypair_check(EVP_PKEY *key, const uint8_t *sig, size_t len,
                             struct edge_error *err) {
    EVP_PKEY_CTX *ctx EDGE_CLEANUP(cleanup_ctx) = EVP_PKEY_CTX_new(key, NULL);

    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1) {
        return ossl_failed(EDGE_CRYPTO, "checking a signature", err);
    }
    if (EVP_PKEY_verify(ctx, sig, len, keypair_test_digest, HSM_DIGEST_LEN) != 1) {
        return ossl_failed(EDGE_CONFLICT,
                           "the key signs wrongly: its numbers do not belong together", err);
    }
    return EDGE_OK;
}

enum edge_code keypair_try(EVP_PKEY *key, struct edge_error *err) {
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 0;

    enum edge_code rc = keypair_sign(key, keypair_test_digest, sig, &len, err);
    return rc == EDGE_OK ? keypair_check(key, sig, len, err) : rc;
}

enum edge_code keypair_examine(const struct secret *pkcs8, struct hsm_key *ret,
                               struct edge_error *err) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;

    enum edge_code rc = keypair_open_pkcs8(secret_slice(pkcs8), &key, err);
    if (rc == EDGE_OK) {
        rc = keypair_describe(key, ret, err);
    }
    return rc == EDGE_OK ? keypair_try(key, err) : rc;
}

bool keypair_is_same(const struct hsm_key *a, const struct hsm_key *b) {
    return a->spki_len == b->spki_len && memcmp(a->spki, b->spki, a->spki_len) == 0;
}

enum edge_code keypair_make_p256(struct secret *ret_pkcs8, struct edge_error *err) {
    struct pkcs8_key k = {.type = HSM_KEY_P256, .bits = P256_LEN * 8};
    struct secret value SECRET_CLEANUP = {0};
    uint8_t point[KEYPAIR_POINT_MAX];
    size_t len;

    enum edge_code rc = secret_alloc(&value, P256_LEN, err);
    for (int i = 0; rc == EDGE_OK && i < P256_TRIES; i++) {
        if (RAND_priv_bytes(value.data, P256_LEN) != 1) {
            return ossl_failed(EDGE_CRYPTO, "no random numbers", err);
        }
        k.ec = secret_slice(&value);
        rc = keypair_point(&k, point, &len, err);
        if (rc != EDGE_CONFLICT) {
            return rc == EDGE_OK ? pkcs8_make_p256(&value, ret_pkcs8, err) : rc;
        }
        rc = EDGE_OK;
    }
    return rc == EDGE_OK ? edge_set(err, EDGE_CRYPTO, "no random numbers") : rc;
}
