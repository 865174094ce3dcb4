/* SPDX-License-Identifier: MIT */
/*
 * Activation blobs as the provisioning service builds them: TPM2_MakeCredential for the EK and
 * TPM2_Duplicate for the SRK, in software. Aborts instead of reporting errors.
 */
#ifndef SUPPORT_DPS_BLOB_H
#define SUPPORT_DPS_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DPS_BLOB_MAX    4096
#define DPS_ATTR_NORMAL 0x40440u /* userWithAuth, noDA, sign */

struct dps_blob_opts {
    uint32_t attributes;   /* 0: DPS_ATTR_NORMAL */
    size_t inner_len;      /* 0: 16 */
    const uint8_t *auth;   /* authValue of the key, with auth_len; NULL: empty */
    size_t auth_len;       /* 32 zero bytes give the 174 byte private of TPM2_Duplicate */
    size_t extra_len;      /* bytes of field 6 */
    bool no_extra;         /* leave field 6 out */
    uint16_t scheme_hash;  /* 0: SHA-256 */
    const uint8_t *policy; /* 32 bytes, or NULL */
};

/* ek and srk are marshalled TPM2B_PUBLIC (RSA 2048). Returns the length. */
size_t dps_blob_make(const uint8_t *ek, const uint8_t *srk, const uint8_t key[32],
                     const struct dps_blob_opts *opts, uint8_t out[DPS_BLOB_MAX]);

/* Where field `number` (1 to 6) starts, its size field included. */
size_t dps_blob_field(const uint8_t *blob, unsigned number);

/* The parts, for known-answer tests. Lengths are returned. */
void dps_kdfa(const uint8_t *key, size_t key_len, const char *label, const uint8_t *context,
              size_t context_len, size_t bits, uint8_t *out);
size_t dps_credential(const uint8_t seed[32], const uint8_t name[34], const uint8_t *inner,
                      size_t inner_len, uint8_t *out);
size_t dps_public(const uint8_t seed_value[32], const uint8_t key[32],
                  const struct dps_blob_opts *opts, uint8_t *out);
size_t dps_inner(const uint8_t name[34], const uint8_t *inner, size_t inner_len,
                 const uint8_t seed_value[32], const uint8_t key[32],
                 const struct dps_blob_opts *opts, uint8_t *out);
size_t dps_duplicate(const uint8_t seed[32], const uint8_t name[34], const uint8_t *wrapped,
                     size_t wrapped_len, uint8_t *out);
void dps_name(const uint8_t *public_area, size_t len, uint8_t out[34]);

#endif
