/* SPDX-License-Identifier: MIT */
/*
 * The private key of an operator's CA goes into the key store, under a name that is made of its
 * public key, so that its certificate finds it: `iotedge tpm import-ca` sends it to the daemon or,
 * when none runs, puts it there itself.
 */
#ifndef PROVISIONING_CA_KEY_H
#define PROVISIONING_CA_KEY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "base/x509_key.h"
#include "hsm/hsm.h"

#define CA_KEY_SIZE_MAX (8 * 1024) /* bytes of JSON: a PKCS#8 key in base64 */
#define CA_KEY_CNT_MAX  6          /* kept at once; of HSM_KEYS_MAX the device's own need up to 9 */

struct ca_key {
    char name[X509_KEY_LABEL];
    struct secret pkcs8;
};

void ca_key_clear(struct ca_key *k);

/* As JSON; pure. out should be sensitive. Errors of decoding: PARSE, RANGE, INVALID (a name that is
 * none). *ret is zero-initialised. */
enum edge_code ca_key_encode(const struct ca_key *k, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;
enum edge_code ca_key_decode(struct slice json, struct ca_key *ret,
                             struct edge_error *err) EDGE_NODISCARD;

/* Worker thread (blocking). Imports the key, reads it back, lets it sign and checks the signature
 * with its public key. Importing it again is fine. Errors: INVALID (the name is not that of the
 * key), CONFLICT (CA_KEY_CNT_MAX others are kept), those of hsm_key_import and hsm_key_sign. */
enum edge_code ca_key_import(struct hsm *h, const struct ca_key *k, struct hsm_key *ret,
                             struct edge_error *err) EDGE_NODISCARD;

/* {"name":"ca-...","kind":"RSA-4096","place":"tpm"}; place: KEY_PLACE_.... Pure. */
enum edge_code ca_key_answer(const struct hsm_key *key, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

#endif
