/* SPDX-License-Identifier: MIT */
/*
 * The kinds of certificates that this device issues, and the extensions of each (RFC 5280 4.2).
 * Pure.
 */
#ifndef PKI_PROFILE_H
#define PKI_PROFILE_H

#include "base/der.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum profile_kind {
    PROFILE_OWNER_CA,    /* self-signed root of a quickstart, path length 3 */
    PROFILE_DEVICE_CA,   /* path length 2 */
    PROFILE_WORKLOAD_CA, /* signs leaves only, path length 0 */
    PROFILE_CROSS_CA,    /* our owner CA under a former root, path length 2 */
    PROFILE_SERVER,      /* a module's TLS server certificate */
    PROFILE_IDENTITY,    /* a module's TLS client certificate */
    PROFILE_KIND_CNT_
};

/* Bits of the KeyUsage BIT STRING, first octet (RFC 5280 4.2.1.3). */
#define PROFILE_DIGITAL_SIGNATURE 0x80u
#define PROFILE_KEY_ENCIPHERMENT  0x20u
#define PROFILE_KEY_CERT_SIGN     0x04u
#define PROFILE_CRL_SIGN          0x02u

struct profile {
    const char *what; /* for texts: "the workload CA certificate" */
    bool is_ca;
    bool self_signed;
    bool inherits_subject; /* C, ST, L, O and OU of the issuer's subject come before its own CN */
    uint8_t path_len;      /* of a CA; less below an issuer with little room */
    uint8_t key_usage;     /* with any public key */
    uint8_t rsa_key_usage; /* and these with an RSA key */
    uint8_t eku;           /* last arc of id-kp: 1 serverAuth, 2 clientAuth; 0: no extension */
};

#define PROFILE_DNS_MAX    3
#define PROFILE_KEY_ID_LEN 20 /* bytes: first 160 bits of SHA-256 of the key (RFC 7093) */
#define PROFILE_KEY_ID_MAX 64 /* bytes of a foreign issuer's key id */

/* What differs between certificates of one kind. Checked by the caller. */
struct profile_values {
    bool is_rsa;      /* the subject's key */
    uint8_t path_len; /* of a CA: that of the profile or less */
    const uint8_t *subject_key_id;
    size_t subject_key_id_len;
    const uint8_t *authority_key_id; /* of length 0: no extension */
    size_t authority_key_id_len;
    struct slice dns[PROFILE_DNS_MAX]; /* empty ones are skipped */
    struct slice ip;                   /* 4 or 16 bytes, or empty */
    struct slice uri;
};

/* Never NULL. */
const struct profile *profile_get(enum profile_kind kind);

/* Writes the SEQUENCE of Extension. */
void profile_write(const struct profile *p, const struct profile_values *v, struct der *w);

#endif
