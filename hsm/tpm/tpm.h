/* SPDX-License-Identifier: MIT */
/*
 * The TPM backend's object, shared by the files of this folder.
 */
#ifndef HSM_TPM_TPM_H
#define HSM_TPM_TPM_H

#include "backend.h"
#include "tpm/tpm_ctx.h"
#include "tpm/tpm_keys.h"

#include <limits.h>

/* Transient objects that may stay loaded. A TPM without resource manager has three slots and needs
 * two of them for every command that uses a persistent parent, so at most two of these are loaded
 * at once. */
enum tpm_slot {
    TPM_SLOT_ROOT,
    TPM_SLOT_IDENTITY,
    TPM_SLOT_CHALLENGE,
    TPM_SLOT_NAMED, /* a signing key */
    TPM_SLOT_CNT_,
};

struct tpm {
    struct hsm_backend base; /* first */
    struct tpm_ctx ctx;
    struct tpm_keys keys;
    enum hsm_ek_template ek_template;
    bool managed;             /* a resource manager gives us objects of our own */
    int dirfd;                /* state directory */
    char pins_path[PATH_MAX]; /* for texts */
    size_t chunk;             /* bytes per TPM2_HMAC; 0: not asked yet */
    ESYS_TR slot[TPM_SLOT_CNT_];
    uint64_t identity_generation;     /* of the key in its slot */
    char named[HSM_KEY_NAME_MAX + 1]; /* of the signing key in its slot */
    enum hsm_key_type named_type;
    struct secret store_key;   /* empty until unsealed; see tpm_store_key.h */
    struct secret unbound_key; /* the same; see tpm_unbound_key.h */
    uint64_t store_locked_ms;  /* until then a locked store is said to be locked still */
    struct edge_error store_locked;
};

/* Ready to work: context open, keys established and pinned, session up. Cheap when it is so
 * already. */
enum edge_code tpm_ready(struct tpm *t, struct edge_error *err) EDGE_NODISCARD;

/* Flushes cached keys until at most `keep_cnt` are loaded; `keep` stays (TPM_SLOT_CNT_: none is
 * special), the challenge goes last of all the others because it cannot be loaded again. */
void tpm_make_room(struct tpm *t, size_t keep_cnt, enum tpm_slot keep);

void tpm_slot_flush(struct tpm *t, enum tpm_slot slot);

/* Loads a wrapped key under the SRK into an empty slot variable. */
enum edge_code tpm_load(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                        ESYS_TR *ret, struct edge_error *err) EDGE_NODISCARD;

/* TPM2_Create under the SRK; data may be NULL (the TPM chooses), auth may be NULL (empty). */
enum edge_code tpm_create_with(struct tpm *t, const TPM2B_PUBLIC *tmpl, const TPM2B_AUTH *auth,
                               const struct secret *data, TPM2B_PUBLIC *ret_pub,
                               TPM2B_PRIVATE *ret_priv, struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_create(struct tpm *t, const TPM2B_PUBLIC *tmpl, const struct secret *data,
                          TPM2B_PUBLIC *ret_pub, TPM2B_PRIVATE *ret_priv,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
