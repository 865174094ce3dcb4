/* SPDX-License-Identifier: MIT */
/*
 * Private keys made by OpenSSL, and signatures checked by it, independently of the key store. Each
 * function fails the cmocka test when it cannot.
 */
#ifndef SUPPORT_SIGNING_KEYS_H
#define SUPPORT_SIGNING_KEYS_H

#include "base/secret.h"
#include "hsm/hsm.h"

#include <stdbool.h>

/* PKCS#8 of a fresh key: "P-256", "RSA-3072", "ED25519", ... *ret must be empty. */
void signing_key_make(const char *kind, struct secret *ret);

/* The signature is one of this digest by the key with this private part. */
bool signing_key_verifies(const struct hsm_key *key, const uint8_t digest[HSM_DIGEST_LEN],
                          const uint8_t *sig, size_t len);

/* The public part is that of the private key. */
bool signing_key_is_public(const struct hsm_key *key, const struct secret *pkcs8);

/* Lets the store sign and checks the signature. */
void signing_key_check(struct hsm *h, const struct hsm_key *key);

#endif
