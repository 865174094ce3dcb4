/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL makes the key and keeps its numbers in the secure heap; its writers of private keys would
 * leave copies elsewhere. The numbers are taken one by one into locked memory, and PKCS#8 (RFC
 * 5208) is put together there. A P-256 key takes the steps of EC_KEY_generate_key, on numbers of
 * our own: the objects that the library puts around them take half as long as the arithmetic.
 */
#include "pki/leaf_key.h"

#include "base/attr.h"
#include "base/der.h"
#include "base/ossl.h"
#include "pki/pem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <string.h>

#define P256_NUMBER_LEN 32
#define P256_POINT_LEN  65 /* 0x04, x, y */
#define RSA_BITS        2048
#define RSA_NUMBER_MAX  256  /* bytes */
#define P256_PKCS8_MAX  256  /* takes 138 */
#define RSA_PKCS8_MAX   1400 /* takes 1219 at most */

/* AlgorithmIdentifier: id-ecPublicKey with prime256v1 (RFC 5480 2.1), rsaEncryption with NULL. */
static const uint8_t alg_p256[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                   0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t alg_rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

static void cleanup_key(EVP_PKEY **key) {
    EVP_PKEY_free(*key);
}

static void cleanup_ctx(EVP_PKEY_CTX **ctx) {
    EVP_PKEY_CTX_free(*ctx);
}

static void cleanup_group(EC_GROUP **group) {
    EC_GROUP_free(*group);
}

static enum edge_code failed(struct edge_error *err) {
    return ossl_failed(EDGE_CRYPTO, "a key could not be made", err);
}

static enum edge_code generate_rsa(EVP_PKEY **ret, struct edge_error *err) {
    ERR_clear_error();
    EVP_PKEY_CTX *ctx EDGE_CLEANUP(cleanup_ctx) = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    return ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 &&
                   EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, RSA_BITS) == 1 &&
                   EVP_PKEY_generate(ctx, ret) == 1
               ? EDGE_OK
               : failed(err);
}

/* A number from 1 to the order less 1, and the generator that often. */
static bool draw_pair(const EC_GROUP *group, BIGNUM *number, EC_POINT *point, BN_CTX *ctx) {
    do {
        if (BN_priv_rand_range(number, EC_GROUP_get0_order(group)) != 1) {
            return false;
        }
    } while (BN_is_zero(number));
    return EC_POINT_mul(group, point, number, NULL, NULL, ctx) == 1;
}

static enum edge_code generate_p256(EC_GROUP **group, uint8_t ret_number[P256_NUMBER_LEN],
                                    uint8_t ret_point[P256_POINT_LEN], struct edge_error *err) {
    ERR_clear_error();
    if (*group == NULL) {
        *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    }
    BN_CTX *ctx = BN_CTX_secure_new();
    BIGNUM *number = BN_secure_new();
    EC_POINT *point = *group != NULL ? EC_POINT_new(*group) : NULL;
    bool ok = ctx != NULL && number != NULL && point != NULL &&
              draw_pair(*group, number, point, ctx) &&
              BN_bn2binpad(number, ret_number, P256_NUMBER_LEN) == P256_NUMBER_LEN &&
              EC_POINT_point2oct(*group, point, POINT_CONVERSION_UNCOMPRESSED, ret_point,
                                 P256_POINT_LEN, ctx) == P256_POINT_LEN;
    EC_POINT_free(point);
    BN_clear_free(number);
    BN_CTX_free(ctx);
    return ok ? EDGE_OK : failed(err);
}

/* A number of the key, big-endian, `len` bytes at `to`. */
static bool get_number(const EVP_PKEY *key, const char *name, uint8_t *to, size_t len) {
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(name, to, len), OSSL_PARAM_construct_end()};
    if (EVP_PKEY_get_params(key, params) != 1 || !OSSL_PARAM_modified(params)) {
        return false;
    }
    /* Parameters have the byte order of the machine. */
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        for (size_t i = 0; i < len / 2; i++) {
            uint8_t byte = to[i];
            to[i] = to[len - 1 - i];
            to[len - 1 - i] = byte;
        }
    }
    return true;
}

/* PrivateKeyInfo around what was written since the start of w. */
static void wrap_private(struct der *w, const uint8_t *alg, size_t alg_len) {
    size_t mark = w->cap;
    der_wrap(w, mark, DER_OCTET_STRING);
    der_raw(w, alg, alg_len);
    der_small(w, 0);
    der_wrap(w, mark, DER_SEQUENCE);
}

static enum edge_code finish(struct leaf_key *key, const struct der *private,
                             const struct der *public, struct edge_error *err) {
    struct slice from = der_result(private);
    struct slice spki = der_result(public);
    if (from.len == 0 || spki.len == 0 || spki.len > sizeof(key->spki)) {
        return edge_set(err, EDGE_INTERNAL, "a key of unexpected size");
    }
    enum edge_code code = secret_copy(&key->pkcs8_der, from.ptr, from.len, err);
    if (code == EDGE_OK) {
        memcpy(key->spki, spki.ptr, spki.len);
        key->spki_len = spki.len;
    }
    return code;
}

/* Locked memory for one number and for the whole. */
struct space {
    struct secret number;
    struct secret whole;
    uint8_t spki[LEAF_KEY_SPKI_MAX];
};

static void space_clear(struct space *s) {
    secret_clear(&s->number);
    secret_clear(&s->whole);
}

/* ECPrivateKey (RFC 5915) with the public key, which some readers do not compute. */
static enum edge_code write_p256(const uint8_t point[P256_POINT_LEN], struct space *s,
                                 struct leaf_key *ret, struct edge_error *err) {
    struct der private, public;
    der_init(&public, s->spki, sizeof(s->spki));
    size_t mark = der_mark(&public);
    der_raw(&public, point, P256_POINT_LEN);
    der_wrap_bits(&public, mark);
    der_raw(&public, alg_p256, sizeof(alg_p256));
    der_wrap(&public, mark, DER_SEQUENCE);

    der_init(&private, s->whole.data, s->whole.len);
    mark = der_mark(&private);
    der_raw(&private, point, P256_POINT_LEN);
    der_wrap_bits(&private, mark);
    der_wrap(&private, mark, (uint8_t)DER_CONTEXT(1));
    der_element(&private, DER_OCTET_STRING, s->number.data, P256_NUMBER_LEN);
    der_small(&private, 1);
    der_wrap(&private, mark, DER_SEQUENCE);
    wrap_private(&private, alg_p256, sizeof(alg_p256));
    return finish(ret, &private, &public, err);
}

static bool put_number(const EVP_PKEY *pkey, const char *name, size_t len, struct space *s,
                       struct der *w) {
    if (!get_number(pkey, name, s->number.data, len)) {
        return false;
    }
    der_uint(w, s->number.data, len);
    return true;
}

/* RSAPrivateKey (RFC 8017 A.1.2), last number first. */
static enum edge_code write_rsa(const EVP_PKEY *pkey, struct space *s, struct leaf_key *ret,
                                struct edge_error *err) {
    static const struct {
        const char *name;
        size_t len;
    } numbers[] = {
        {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, RSA_NUMBER_MAX / 2},
        {OSSL_PKEY_PARAM_RSA_EXPONENT2, RSA_NUMBER_MAX / 2},
        {OSSL_PKEY_PARAM_RSA_EXPONENT1, RSA_NUMBER_MAX / 2},
        {OSSL_PKEY_PARAM_RSA_FACTOR2, RSA_NUMBER_MAX / 2},
        {OSSL_PKEY_PARAM_RSA_FACTOR1, RSA_NUMBER_MAX / 2},
        {OSSL_PKEY_PARAM_RSA_D, RSA_NUMBER_MAX},
        {OSSL_PKEY_PARAM_RSA_E, sizeof(uint64_t)},
        {OSSL_PKEY_PARAM_RSA_N, RSA_NUMBER_MAX},
    };
    struct der private, public;
    der_init(&private, s->whole.data, s->whole.len);
    der_init(&public, s->spki, sizeof(s->spki));
    size_t mark = der_mark(&private);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(numbers); i++) {
        if (!put_number(pkey, numbers[i].name, numbers[i].len, s, &private)) {
            return failed(err);
        }
    }
    der_small(&private, 0);
    der_wrap(&private, mark, DER_SEQUENCE);
    wrap_private(&private, alg_rsa, sizeof(alg_rsa));

    mark = der_mark(&public);
    if (!put_number(pkey, OSSL_PKEY_PARAM_RSA_E, sizeof(uint64_t), s, &public) ||
        !put_number(pkey, OSSL_PKEY_PARAM_RSA_N, RSA_NUMBER_MAX, s, &public)) {
        return failed(err);
    }
    der_wrap(&public, mark, DER_SEQUENCE);
    der_wrap_bits(&public, mark);
    der_raw(&public, alg_rsa, sizeof(alg_rsa));
    der_wrap(&public, mark, DER_SEQUENCE);
    return finish(ret, &private, &public, err);
}

static enum edge_code space_init(struct space *s, size_t number_len, size_t whole_len,
                                 struct edge_error *err) {
    enum edge_code code = secret_alloc(&s->number, number_len, err);
    return code != EDGE_OK ? code : secret_alloc(&s->whole, whole_len, err);
}

enum edge_code leaf_key_make_p256(EC_GROUP **group, struct leaf_key *ret, struct edge_error *err) {
    struct space s EDGE_CLEANUP(space_clear) = {.number = {0}};
    uint8_t point[P256_POINT_LEN];
    enum edge_code code = space_init(&s, P256_NUMBER_LEN, P256_PKCS8_MAX, err);
    code = code != EDGE_OK ? code : generate_p256(group, s.number.data, point, err);
    return code != EDGE_OK ? code : write_p256(point, &s, ret, err);
}

static enum edge_code make_rsa(struct leaf_key *ret, struct edge_error *err) {
    EVP_PKEY *pkey EDGE_CLEANUP(cleanup_key) = NULL;
    struct space s EDGE_CLEANUP(space_clear) = {.number = {0}};
    enum edge_code code = space_init(&s, RSA_NUMBER_MAX, RSA_PKCS8_MAX, err);
    code = code != EDGE_OK ? code : generate_rsa(&pkey, err);
    return code != EDGE_OK ? code : write_rsa(pkey, &s, ret, err);
}

enum edge_code leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                             struct edge_error *err) {
    EC_GROUP *group EDGE_CLEANUP(cleanup_group) = NULL;
    return type == LEAF_KEY_RSA2048 ? make_rsa(ret, err) : leaf_key_make_p256(&group, ret, err);
}

enum edge_code leaf_key_pem(const struct leaf_key *key, struct secret *ret,
                            struct edge_error *err) {
    return pem_secret(&key->pkcs8_der, "PRIVATE KEY", ret, err);
}

void leaf_key_take(struct leaf_key *from, struct leaf_key *ret) {
    memcpy(ret->spki, from->spki, sizeof(ret->spki));
    ret->spki_len = from->spki_len;
    ret->pkcs8_der = secret_take(&from->pkcs8_der);
    from->spki_len = 0;
}

void leaf_key_clear(struct leaf_key *key) {
    if (key != NULL) {
        secret_clear(&key->pkcs8_der);
        key->spki_len = 0;
    }
}
