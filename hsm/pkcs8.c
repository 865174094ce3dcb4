/* SPDX-License-Identifier: MIT */
/*
 * The few DER forms that private keys take. Strict: definite lengths in their shortest form
 * (base/der), nothing behind the end.
 */
#include "pkcs8.h"

#include "base/der.h"

#include <string.h>

#define RSA_NUMBERS     8
#define P256_LEN        32
#define P256_HEADER_LEN 35

#define OID_RSA  "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
#define OID_PSS  "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
#define OID_EC   "\x2a\x86\x48\xce\x3d\x02\x01"
#define OID_P256 "\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define OID_P384 "\x2b\x81\x04\x00\x22"
#define OID_P521 "\x2b\x81\x04\x00\x23"

static const struct curve {
    struct slice oid;
    enum hsm_key_type type;
    unsigned bits;
} curves[] = {
    {SLICE_LIT(OID_P256), HSM_KEY_P256, 256},
    {SLICE_LIT(OID_P384), HSM_KEY_P384, 384},
    {SLICE_LIT(OID_P521), HSM_KEY_P521, 521},
};

/* All before the private value of a P-256 key: version 0, id-ecPublicKey with prime256v1, and an
 * ECPrivateKey of version 1 without the optional public key. */
static const uint8_t p256_header[P256_HEADER_LEN] = {
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20};

static enum edge_code malformed(struct edge_error *err) {
    return edge_set(err, EDGE_PARSE, "not an unencrypted private key in PKCS#8 form, or damaged");
}

/* A positive INTEGER, without the zero that keeps its sign. */
static bool take_number(struct slice *rest, struct slice *ret) {
    struct slice s;

    if (!der_take(rest, DER_INTEGER, &s) || s.len == 0 || (s.ptr[0] & 0x80) != 0) {
        return false;
    }
    if (s.ptr[0] == 0) {
        s = slice_make(s.ptr + 1, s.len - 1);
        if (s.len == 0 || (s.ptr[0] & 0x80) == 0) {
            return false; /* zero, or not the shortest form */
        }
    }
    *ret = s;
    return true;
}

static bool take_version(struct slice *rest, uint8_t version) {
    struct slice s;

    return der_take(rest, DER_INTEGER, &s) && s.len == 1 && (uint8_t)s.ptr[0] == version;
}

static unsigned bits_of(struct slice number) {
    const unsigned first = (uint8_t)number.ptr[0];

    return (unsigned)(number.len - 1) * 8 + (unsigned)(32 - __builtin_clz(first));
}

static enum edge_code parse_rsa(struct slice body, struct pkcs8_key *ret, struct edge_error *err) {
    struct slice seq, rest = body;
    struct slice *const numbers[RSA_NUMBERS] = {&ret->rsa.n,  &ret->rsa.e, &ret->rsa.d,
                                                &ret->rsa.p,  &ret->rsa.q, &ret->rsa.dp,
                                                &ret->rsa.dq, &ret->rsa.qi};

    if (!der_take(&rest, DER_SEQUENCE, &seq) || rest.len != 0) {
        return malformed(err);
    }
    if (take_version(&(struct slice){seq.ptr, seq.len}, 1)) {
        return edge_set(err, EDGE_UNSUPPORTED, "an RSA key of more than two primes");
    }
    if (!take_version(&seq, 0)) {
        return malformed(err);
    }
    for (size_t i = 0; i < RSA_NUMBERS; i++) {
        if (!take_number(&seq, numbers[i])) {
            return malformed(err);
        }
    }
    if (seq.len != 0) {
        return malformed(err);
    }
    ret->type = HSM_KEY_RSA;
    ret->bits = bits_of(ret->rsa.n);
    if (ret->bits < PKCS8_RSA_BITS_MIN || ret->bits > PKCS8_RSA_BITS_MAX) {
        return edge_set(err, EDGE_RANGE, "an RSA key of %u bits; %d to %d are possible", ret->bits,
                        PKCS8_RSA_BITS_MIN, PKCS8_RSA_BITS_MAX);
    }
    return EDGE_OK;
}

size_t pkcs8_ec_len(enum hsm_key_type type) {
    return type == HSM_KEY_P256 ? 32 : type == HSM_KEY_P384 ? 48 : type == HSM_KEY_P521 ? 66 : 0;
}

static enum edge_code parse_ec(struct slice curve, struct slice body, struct pkcs8_key *ret,
                               struct edge_error *err) {
    struct slice oid, seq, value, rest = body;
    const struct curve *found = NULL;

    if (!der_take(&curve, DER_OID, &oid) || curve.len != 0) {
        return edge_set(err, EDGE_UNSUPPORTED, "an EC key on a curve without a name");
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(curves); i++) {
        if (slice_eq(oid, curves[i].oid)) {
            found = &curves[i];
        }
    }
    if (found == NULL) {
        return edge_set(err, EDGE_UNSUPPORTED,
                        "an EC key on another curve than P-256, P-384 or "
                        "P-521");
    }
    /* What may follow, the name of the curve and the public key once more, is of no use to us. */
    if (!der_take(&rest, DER_SEQUENCE, &seq) || rest.len != 0 || !take_version(&seq, 1) ||
        !der_take(&seq, DER_OCTET_STRING, &value)) {
        return malformed(err);
    }
    while (value.len > 0 && value.ptr[0] == 0) {
        value = slice_make(value.ptr + 1, value.len - 1);
    }
    if (value.len == 0 || value.len > pkcs8_ec_len(found->type)) {
        return malformed(err);
    }
    ret->type = found->type;
    ret->bits = found->bits;
    ret->ec = value;
    return EDGE_OK;
}

enum edge_code pkcs8_parse(struct slice der, struct pkcs8_key *ret, struct edge_error *err) {
    struct slice rest = der, seq, algorithm, oid, body;
    struct pkcs8_key key = {0};
    enum edge_code rc;

    /* Attributes may follow the key. */
    if (der.len > PKCS8_MAX || !der_take(&rest, DER_SEQUENCE, &seq) || rest.len != 0 ||
        !take_version(&seq, 0) || !der_take(&seq, DER_SEQUENCE, &algorithm) ||
        !der_take(&algorithm, DER_OID, &oid) || !der_take(&seq, DER_OCTET_STRING, &body)) {
        return malformed(err);
    }
    if (slice_eq(oid, SLICE_LIT(OID_RSA))) {
        rc = parse_rsa(body, &key, err);
    } else if (slice_eq(oid, SLICE_LIT(OID_EC))) {
        rc = parse_ec(algorithm, body, &key, err);
    } else if (slice_eq(oid, SLICE_LIT(OID_PSS))) {
        rc = edge_set(err, EDGE_UNSUPPORTED, "an RSA key for PSS signatures only");
    } else {
        rc = edge_set(err, EDGE_UNSUPPORTED, "neither an RSA nor an EC key");
    }
    if (rc == EDGE_OK) {
        *ret = key;
    }
    return rc;
}

enum edge_code pkcs8_make_p256(const struct secret *value, struct secret *ret,
                               struct edge_error *err) {
    if (value->len != P256_LEN) {
        return edge_set(err, EDGE_INTERNAL, "private value of %zu bytes", value->len);
    }
    enum edge_code rc = secret_alloc(ret, P256_HEADER_LEN + P256_LEN, err);
    if (rc == EDGE_OK) {
        memcpy(ret->data, p256_header, P256_HEADER_LEN);
        memcpy(ret->data + P256_HEADER_LEN, value->data, P256_LEN);
    }
    return rc;
}
