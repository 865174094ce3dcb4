/* SPDX-License-Identifier: MIT */
/*
 * What a backend offers: one table of operations, fixed at open. Arguments have been checked by
 * hsm.c (lengths, NULL, label text); semantics and errors are those of hsm/hsm.h.
 */
#ifndef HSM_BACKEND_H
#define HSM_BACKEND_H

#include "hsm/hsm.h"

struct hsm_backend;

struct hsm_backend_ops {
    void (*close)(struct hsm_backend *b);
    enum hsm_state (*state)(const struct hsm_backend *b);
    uint64_t (*command_cnt)(const struct hsm_backend *b);
    enum edge_code (*start)(struct hsm_backend *b, struct edge_error *err);
    enum edge_code (*accept_change)(struct hsm_backend *b, struct edge_error *err);
    enum edge_code (*refresh)(struct hsm_backend *b, struct edge_error *err);

    enum edge_code (*attestation)(struct hsm_backend *b, struct hsm_attestation *ret,
                                  struct edge_error *err);
    enum edge_code (*challenge_load)(struct hsm_backend *b, struct slice blob,
                                     struct edge_error *err);
    enum edge_code (*challenge_sign)(struct hsm_backend *b, struct slice data,
                                     uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err);
    void (*challenge_drop)(struct hsm_backend *b);

    enum edge_code (*import_blob)(struct hsm_backend *b, struct slice blob, struct slice label,
                                  uint64_t *ret_generation, struct edge_error *err);
    enum edge_code (*import_key)(struct hsm_backend *b, const struct secret *key,
                                 struct slice label, uint64_t *ret_generation,
                                 struct edge_error *err);
    enum edge_code (*adopt)(struct hsm_backend *b, struct slice label, uint64_t *ret_generation,
                            struct edge_error *err);
    enum edge_code (*list)(struct hsm_backend *b, struct hsm_identity ret[HSM_IDENTITY_MAX],
                           size_t *ret_cnt, struct edge_error *err);
    enum edge_code (*sign)(struct hsm_backend *b, uint64_t generation, struct slice data,
                           uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err);
    enum edge_code (*drop)(struct hsm_backend *b, uint64_t generation, struct edge_error *err);
    enum edge_code (*publish)(struct hsm_backend *b, uint64_t generation, struct edge_error *err);

    enum edge_code (*root_fingerprint)(struct hsm_backend *b, uint8_t ret[HSM_FINGERPRINT_LEN],
                                       struct edge_error *err);
    enum edge_code (*root_derive)(struct hsm_backend *b, struct slice context, struct secret *ret,
                                  struct edge_error *err);

    enum edge_code (*key_make)(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                               struct edge_error *err);
    enum edge_code (*key_import)(struct hsm_backend *b, const char *name,
                                 const struct secret *pkcs8, struct hsm_key *ret,
                                 struct edge_error *err);
    enum edge_code (*key_get)(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                              struct edge_error *err);
    enum edge_code (*key_list)(struct hsm_backend *b, struct hsm_key ret[HSM_KEYS_MAX],
                               size_t *ret_cnt, struct edge_error *err);
    enum edge_code (*key_sign)(struct hsm_backend *b, const char *name,
                               const uint8_t digest[HSM_DIGEST_LEN],
                               uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                               struct edge_error *err);
    enum edge_code (*key_drop)(struct hsm_backend *b, const char *name, struct edge_error *err);

    enum edge_code (*random)(struct hsm_backend *b, uint8_t *ret, size_t len,
                             struct edge_error *err);

    enum edge_code (*record_put)(struct hsm_backend *b, const char *name,
                                 const struct secret *value, struct edge_error *err);
    enum edge_code (*record_get)(struct hsm_backend *b, const char *name, struct secret *ret,
                                 struct edge_error *err);
    enum edge_code (*record_drop)(struct hsm_backend *b, const char *name, struct edge_error *err);
    enum edge_code (*store_info)(struct hsm_backend *b, struct hsm_store_info *ret,
                                 struct edge_error *err);
    enum edge_code (*store_reseal)(struct hsm_backend *b, const struct hsm_reseal *how,
                                   struct edge_error *err);
    enum edge_code (*store_recover)(struct hsm_backend *b, const struct secret *recovery,
                                    struct edge_error *err);
    enum edge_code (*store_abandon)(struct hsm_backend *b, struct edge_error *err);
};

/* First member of every backend object. */
struct hsm_backend {
    const struct hsm_backend_ops *ops;
};

/* Message under the module root whose HMAC is the fingerprint; contexts of modules never look like
 * it, because they begin with a length. */
#define HSM_FINGERPRINT_CONTEXT "edged module root fingerprint v1"

enum edge_code tpm_backend_open(const struct hsm_config *cfg, struct hsm_backend **ret,
                                struct edge_error *err);
enum edge_code soft_backend_open(const struct hsm_config *cfg, struct hsm_backend **ret,
                                 struct edge_error *err);

#endif
