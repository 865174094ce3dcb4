/* SPDX-License-Identifier: MIT */
/*
 * What modules have encrypted: AES-256-GCM in three formats, told apart by the first byte.
 *
 *   1  0x01 || tag(16) || ciphertext               nonce: the caller's IV; AAD: the caller's
 *   2  0x02 || ciphertext || tag(16)               the same
 *   3  0x03 || nonce(12) || tag(16) || ciphertext  nonce: random; AAD: the caller's, which has to
 *                                                  hold the IV
 *
 * 1 is release 1.1's, 2 that of the 1.2+ line; only 3 is written. Thread-safe, except for struct
 * aead.
 */
#ifndef BASE_AEAD_H
#define BASE_AEAD_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#define AEAD_KEY_LEN  32
#define AEAD_IV_MAX   128           /* bytes; any number from 1 on */
#define AEAD_V1_EXTRA 17            /* bytes of a blob of format 1 or 2 besides the ciphertext */
#define AEAD_V3_EXTRA 29            /* of format 3 */
#define AEAD_LEN_MAX  (1024 * 1024) /* bytes of plaintext or AAD */

enum aead_format {
    AEAD_NONE = 0, /* not one of ours, or too short to hold anything */
    AEAD_V1 = 1,
    AEAD_V2 = 2,
    AEAD_V3 = 3,
};

enum aead_format aead_format_of(struct slice blob);

/* A context that many messages use one after the other; one thread at a time. Between two calls it
 * holds no key. */
struct aead;

enum edge_code aead_new(struct aead **ret, struct edge_error *err) EDGE_NODISCARD;
void aead_free(struct aead *a); /* NULL allowed */

/* Appends the blob of format 3 to out. Errors: INVALID (empty plaintext), RANGE, NOMEM, CRYPTO,
 * INTERNAL (key of another length); then out is as before. */
enum edge_code aead_seal(struct aead *a, const struct secret *key, struct slice aad,
                         struct slice plain, struct buf *out,
                         struct edge_error *err) EDGE_NODISCARD;

/* Appends the plaintext of a blob of the format that it must be of; iv: of formats 1 and 2. Errors:
 * PARSE (another format), RANGE (IV or blob too long), DENIED (made with another key, IV or AAD, or
 * changed), INVALID (empty IV), NOMEM, CRYPTO, INTERNAL (key of another length); then out is as
 * before. */
enum edge_code aead_open(struct aead *a, enum aead_format format, const struct secret *key,
                         struct slice iv, struct slice aad, struct slice blob, struct buf *out,
                         struct edge_error *err) EDGE_NODISCARD;

/* One message of format 1 into a secret; *ret must be empty. For keys: a few bytes, since the heap
 * of secrets is small. Errors as aead_open. */
enum edge_code aead_open_v1(const struct secret *key, struct slice iv, struct slice aad,
                            struct slice blob, struct secret *ret,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
