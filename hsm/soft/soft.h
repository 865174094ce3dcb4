/* SPDX-License-Identifier: MIT */
/*
 * Key store in plain files, for machines without a TPM and for tests.
 *
 * What it does not protect: whoever can read the state directory (root, the service user, the owner
 * of a stolen or copied disk) has every key, and can use them elsewhere without a trace. Nothing is
 * bound to this machine and nothing proves it: there is no attestation. Protection is the 0600 mode
 * of the files and whatever encrypts the disk.
 */
#ifndef HSM_SOFT_SOFT_H
#define HSM_SOFT_SOFT_H

#include "backend.h"
#include "store.h"

#include <openssl/types.h>
#include <sys/stat.h>

#define SOFT_KEY_LEN 32

/* The signing key that was used last. Opening one costs three times as much as a signature. */
struct soft_opened {
    EVP_PKEY_CTX *signer; /* NULL: none */
    char name[HSM_KEY_NAME_MAX + 1];
    struct stat file; /* as it was when it was read */
};

struct soft {
    struct hsm_backend base; /* first */
    int dirfd;
    enum hsm_state state;
    struct secret root; /* empty until used */
    struct secret store_key;
    struct soft_opened opened;
};

/* Reads a random key from its file, or makes it at first use. A damaged file is set aside:
 * `replace` tells whether a new key may take its place. */
enum edge_code soft_key_get(struct soft *s, const char *name, enum store_kind kind, bool replace,
                            struct secret *key, struct edge_error *err) EDGE_NODISCARD;

enum edge_code soft_identity_import(struct soft *s, const struct secret *key, struct slice label,
                                    uint64_t *ret_generation,
                                    struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_identity_sign(struct soft *s, uint64_t generation, struct slice data,
                                  uint8_t ret_mac[HSM_MAC_LEN],
                                  struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_root_hmac(struct soft *s, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                              struct edge_error *err) EDGE_NODISCARD;

/* Signing keys by name; store_named.h has the rest of their operations. */
enum edge_code soft_named_make(struct soft *s, const char *name, struct hsm_key *ret,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_named_import(struct soft *s, const char *name, const struct secret *pkcs8,
                                 struct hsm_key *ret, struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_named_sign(struct soft *s, const char *name,
                               const uint8_t digest[HSM_DIGEST_LEN],
                               uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                               struct edge_error *err) EDGE_NODISCARD;

/* Wipes the key that is kept open. */
void soft_named_forget(struct soft *s);

enum edge_code soft_record_put(struct soft *s, const char *name, const struct secret *value,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_record_get(struct soft *s, const char *name, struct secret *ret,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_record_drop(struct soft *s, const char *name,
                                struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_store_info(struct soft *s, struct hsm_store_info *ret,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_store_abandon(struct soft *s, struct edge_error *err) EDGE_NODISCARD;

#endif
