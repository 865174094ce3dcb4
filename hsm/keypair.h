/* SPDX-License-Identifier: MIT */
/*
 * Signing keys in software, for both backends: public forms, signatures, and the private keys that
 * no TPM holds. Leaves OpenSSL's error queue empty.
 */
#ifndef HSM_KEYPAIR_H
#define HSM_KEYPAIR_H

#include "hsm/hsm.h"
#include "pkcs8.h"

#include <openssl/types.h>

void keypair_cleanup(EVP_PKEY **key);
#define KEYPAIR_CLEANUP EDGE_CLEANUP(keypair_cleanup)

/* Makes a usable key of its numbers. Short-lived: freed, and so wiped, after one use. Errors:
 * CONFLICT (numbers that cannot be a key), NOMEM, CRYPTO. */
enum edge_code keypair_open(const struct pkcs8_key *numbers, EVP_PKEY **ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* The same of PKCS#8 bytes. Errors: as well those of pkcs8_parse. */
enum edge_code keypair_open_pkcs8(struct slice pkcs8, EVP_PKEY **ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* A public key from an uncompressed point (0x04, x, y). */
enum edge_code keypair_open_point(enum hsm_key_type type, struct slice point, EVP_PKEY **ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* A public key from modulus and exponent. */
enum edge_code keypair_open_modulus(struct slice n, struct slice e, EVP_PKEY **ret,
                                    struct edge_error *err) EDGE_NODISCARD;

/* The point that belongs to a private value; *ret_len bytes, 0x04 first. */
#define KEYPAIR_POINT_MAX 133
enum edge_code keypair_point(const struct pkcs8_key *numbers, uint8_t ret[KEYPAIR_POINT_MAX],
                             size_t *ret_len, struct edge_error *err) EDGE_NODISCARD;

/* Fills type, bits and public bytes; name and place are the caller's. */
enum edge_code keypair_describe(EVP_PKEY *key, struct hsm_key *ret,
                                struct edge_error *err) EDGE_NODISCARD;

enum edge_code keypair_sign(EVP_PKEY *key, const uint8_t digest[HSM_DIGEST_LEN],
                            uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                            struct edge_error *err) EDGE_NODISCARD;

/* The same in two steps, for a key that signs again and again; EVP_PKEY_CTX_free the signer. */
enum edge_code keypair_signer(EVP_PKEY *key, EVP_PKEY_CTX **ret,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code keypair_sign_by(EVP_PKEY_CTX *signer, const uint8_t digest[HSM_DIGEST_LEN],
                               uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                               struct edge_error *err) EDGE_NODISCARD;

/* DER of an ECDSA signature from its two numbers. */
enum edge_code keypair_ecdsa_der(struct slice r, struct slice s, uint8_t ret_sig[HSM_SIGNATURE_MAX],
                                 size_t *ret_len, struct edge_error *err) EDGE_NODISCARD;

/* What a key signs before it is kept. */
extern const uint8_t keypair_test_digest[HSM_DIGEST_LEN];

/* CONFLICT when the signature of the test digest does not verify with the public part. */
enum edge_code keypair_check(EVP_PKEY *key, const uint8_t *sig, size_t len,
                             struct edge_error *err) EDGE_NODISCARD;

/* Lets a private key sign it, and checks. */
enum edge_code keypair_try(EVP_PKEY *key, struct edge_error *err) EDGE_NODISCARD;

/* Describes and tries a key that comes in. */
enum edge_code keypair_examine(const struct secret *pkcs8, struct hsm_key *ret,
                               struct edge_error *err) EDGE_NODISCARD;

/* Whether both have the same public part. */
bool keypair_is_same(const struct hsm_key *a, const struct hsm_key *b);

/* A fresh P-256 key as PKCS#8. */
enum edge_code keypair_make_p256(struct secret *ret_pkcs8, struct edge_error *err) EDGE_NODISCARD;

#endif
