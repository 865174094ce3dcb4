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

#define SOFT_KEY_LEN 32

struct soft {
    struct hsm_backend base; /* first */
    int dirfd;
    enum hsm_state state;
    struct secret root; /* empty until used */
    struct secret seal;
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

/* AES-256-GCM under the sealing key. */
enum edge_code soft_seal(struct soft *s, const struct secret *plain, struct buf *ret_blob,
                         struct edge_error *err) EDGE_NODISCARD;
enum edge_code soft_unseal(struct soft *s, struct slice blob, struct secret *ret,
                           struct edge_error *err) EDGE_NODISCARD;

#endif
