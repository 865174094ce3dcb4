/* SPDX-License-Identifier: MIT */
/*
 * Authenticated encryption, AES-256-GCM, in the format that release 1.1 wrote: byte 0x01, a tag of
 * 16 bytes, the ciphertext. Thread-safe.
 */
#ifndef BASE_AEAD_H
#define BASE_AEAD_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#define AEAD_KEY_LEN    32
#define AEAD_IV_MAX     128 /* bytes; any number from 1 on */
#define AEAD_V1_EXTRA   17  /* bytes of a blob besides the ciphertext */
#define AEAD_V1_LEN_MAX (1024 * 1024)

/* Checks the tag and decrypts into *ret, which must be empty. Errors: PARSE (another format),
 * RANGE (IV or blob too long), DENIED (made with another key, IV or aad, or changed), INVALID (key
 * of another length), NOMEM, CRYPTO. */
enum edge_code aead_open_v1(const struct secret *key, struct slice iv, struct slice aad,
                            struct slice blob, struct secret *ret,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
