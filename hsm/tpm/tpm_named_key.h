/* SPDX-License-Identifier: MIT */
/*
 * Signing keys as the TPM sees them: their templates, their authValues, and their use. All need
 * tpm_ready but for the pure ones.
 */
#ifndef HSM_TPM_NAMED_KEY_H
#define HSM_TPM_NAMED_KEY_H

#include "pkcs8.h"
#include "tpm/tpm.h"

#include <openssl/types.h>

/* Template of a P-256 key that the TPM makes and never gives out. Pure. */
void tpm_named_tmpl(TPM2B_PUBLIC *ret);

/* Public area and private part of a key that comes in; *ret_private points into the numbers or into
 * `pad`, which then holds a padded private value. *ret_possible: false when no TPM holds such a
 * key. Pure but for memory. */
enum edge_code tpm_named_given(const struct pkcs8_key *numbers, struct secret *pad,
                               TPM2B_PUBLIC *ret_pub, struct slice *ret_private, bool *ret_possible,
                               struct edge_error *err) EDGE_NODISCARD;

/* The public key of an object, for OpenSSL. Pure. */
enum edge_code tpm_named_public(const TPM2B_PUBLIC *pub, EVP_PKEY **ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* The authValue of a key, and the check value of its file: HMACs under the store key. Whoever
 * cannot open the store cannot use the keys. Wipe *ret. Pure. */
enum edge_code tpm_named_auth(const struct secret *store_key, const char *name, TPM2B_AUTH *ret,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_named_check(const struct secret *store_key, const struct hsm_key *key,
                               struct slice wrapped, uint8_t ret[HSM_MAC_LEN],
                               struct edge_error *err) EDGE_NODISCARD;

/* Whether this TPM takes keys of this kind. */
enum edge_code tpm_named_fits(struct tpm *t, const TPM2B_PUBLIC *pub, bool *ret_fits,
                              struct edge_error *err) EDGE_NODISCARD;

/* Takes a key in as a child of the SRK; wrapped in software, so that it does not cross the bus in
 * clear. */
enum edge_code tpm_named_import(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_AUTH *auth,
                                struct slice private, TPM2B_PRIVATE *ret_priv,
                                struct edge_error *err) EDGE_NODISCARD;

/* Loads with the authValue set. */
enum edge_code tpm_named_load(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                              const TPM2B_AUTH *auth, ESYS_TR *ret,
                              struct edge_error *err) EDGE_NODISCARD;

/* Wipes the authValue in the library, then flushes. */
void tpm_named_flush(struct tpm *t, ESYS_TR *key);

enum edge_code tpm_named_use(struct tpm *t, ESYS_TR key, enum hsm_key_type type,
                             const uint8_t digest[HSM_DIGEST_LEN],
                             uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                             struct edge_error *err) EDGE_NODISCARD;

#endif
