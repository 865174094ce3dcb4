/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 and HMAC-SHA256 in software.
 */
#ifndef BASE_MAC_H
#define BASE_MAC_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#define SHA256_LEN 32
#define SHA256_HEX 65 /* with NUL */

enum edge_code sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_LEN],
                      struct edge_error *err) EDGE_NODISCARD;

/* The same as text in lower case. Errors: NOMEM. */
enum edge_code sha256_hex(struct slice data, char ret[SHA256_HEX],
                          struct edge_error *err) EDGE_NODISCARD;

/* HMAC-SHA256 (RFC 2104) with a key of any length. Thread-safe. */
enum edge_code hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                           uint8_t ret_mac[SHA256_LEN], struct edge_error *err) EDGE_NODISCARD;

/* A key prepared for many signatures: the two pad blocks are hashed once. In locked memory; the key
 * itself is not kept. */
struct mac_key;

enum edge_code mac_key_new(const struct secret *key, struct mac_key **ret,
                           struct edge_error *err) EDGE_NODISCARD;
enum edge_code mac_key_sign(struct mac_key *k, const void *data, size_t len,
                            uint8_t ret_mac[SHA256_LEN], struct edge_error *err) EDGE_NODISCARD;
void mac_key_free(struct mac_key *k); /* wipes; NULL allowed */

#endif
