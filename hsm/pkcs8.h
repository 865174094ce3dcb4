/* SPDX-License-Identifier: MIT */
/*
 * Private keys as PKCS#8 bytes (RFC 5208, with RFC 5915 and RFC 8017 A.1.2 inside). OpenSSL's own
 * reader leaves copies of what it reads in memory that it does not wipe; this one copies nothing.
 */
#ifndef HSM_PKCS8_H
#define HSM_PKCS8_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"

#include <stddef.h>

#define PKCS8_MAX          4096 /* bytes; RSA of 4096 bits takes 2375 */
#define PKCS8_RSA_BITS_MIN 2048
#define PKCS8_RSA_BITS_MAX 4096

/* Numbers of a private key, big endian without leading zeros; they point into the bytes read. */
struct pkcs8_key {
    enum hsm_key_type type;
    unsigned bits;
    struct slice ec; /* private value */
    struct {
        struct slice n, e, d, p, q, dp, dq, qi;
    } rsa;
};

/* Reads exactly one key. Checks the structure and the sizes, not that the numbers belong together.
 * Errors: PARSE, UNSUPPORTED (another kind of key), RANGE (size of an RSA key). */
enum edge_code pkcs8_parse(struct slice der, struct pkcs8_key *ret,
                           struct edge_error *err) EDGE_NODISCARD;

/* Bytes of the private value and of a coordinate on a curve. */
size_t pkcs8_ec_len(enum hsm_key_type type);

/* PKCS#8 of a P-256 key from its private value of 32 bytes. */
enum edge_code pkcs8_make_p256(const struct secret *value, struct secret *ret,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
