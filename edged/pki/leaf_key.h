/* SPDX-License-Identifier: MIT */
/*
 * The private key of a module's certificate: made here, given out once, never kept. Its numbers are
 * in locked memory only. Worker thread (RSA takes a tenth of a second).
 */
#ifndef PKI_LEAF_KEY_H
#define PKI_LEAF_KEY_H

#include "base/error.h"
#include "base/secret.h"

#include <openssl/ec.h>

#include <stddef.h>
#include <stdint.h>

#define LEAF_KEY_SPKI_MAX 320 /* bytes; RSA-2048 takes 294 */

enum leaf_key_type {
    LEAF_KEY_P256,
    LEAF_KEY_RSA2048
};

struct leaf_key {
    struct secret pkcs8_der; /* empty: no key */
    uint8_t spki[LEAF_KEY_SPKI_MAX];
    size_t spki_len;
};

/* *ret is empty before. Errors: CRYPTO, NOMEM (also when the locked memory is full). */
enum edge_code leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                             struct edge_error *err) EDGE_NODISCARD;

/* The same for many P-256 keys: *group (NULL at first) is made at first use, which takes longer
 * than a key; the caller frees it (EC_GROUP_free, NULL allowed). */
enum edge_code leaf_key_make_p256(EC_GROUP **group, struct leaf_key *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* The key as PKCS#8 PEM ("PRIVATE KEY", not encrypted). *ret is empty before. */
enum edge_code leaf_key_pem(const struct leaf_key *key, struct secret *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Transfers ownership; `from` becomes empty. */
void leaf_key_take(struct leaf_key *from, struct leaf_key *ret);

/* Wipes; idempotent, NULL allowed. */
void leaf_key_clear(struct leaf_key *key);

#endif
