/* SPDX-License-Identifier: MIT */
/*
 * Signing keys in the table of operations.
 */
#include "tpm/tpm_named.h"

#include "tpm/tpm_ops.h"

#include "store_named.h"

#include <string.h>

struct named_args {
    const char *name;
    const struct secret *pkcs8;
    const uint8_t *digest;
    struct hsm_key *ret;
    uint8_t *ret_sig;
    size_t *ret_len;
};

static struct tpm *self(struct hsm_backend *b) {
    return (struct tpm *)(void *)b;
}

static enum edge_code op_make(struct tpm *t, void *arg, struct edge_error *err) {
    const struct named_args *a = arg;

    return tpm_named_make(t, a->name, a->ret, err);
}

static enum edge_code op_import(struct tpm *t, void *arg, struct edge_error *err) {
    const struct named_args *a = arg;

    return tpm_named_take_in(t, a->name, a->pkcs8, a->ret, err);
}

static enum edge_code op_sign(struct tpm *t, void *arg, struct edge_error *err) {
    const struct named_args *a = arg;

    return tpm_named_sign(t, a->name, a->digest, a->ret_sig, a->ret_len, err);
}

enum edge_code tpm_op_key_make(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                               struct edge_error *err) {
    return tpm_run_for_key(self(b), op_make, &(struct named_args){.name = name, .ret = ret}, err);
}

enum edge_code tpm_op_key_import(struct hsm_backend *b, const char *name,
                                 const struct secret *pkcs8, struct hsm_key *ret,
                                 struct edge_error *err) {
    struct named_args a = {.name = name, .pkcs8 = pkcs8, .ret = ret};

    return tpm_run_for_key(self(b), op_import, &a, err);
}

enum edge_code tpm_op_key_get(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                              struct edge_error *err) {
    return store_named_get(self(b)->dirfd, HSM_KEY_IN_TPM, name, ret, err);
}

enum edge_code tpm_op_key_list(struct hsm_backend *b, struct hsm_key ret[HSM_KEYS_MAX],
                               size_t *ret_cnt, struct edge_error *err) {
    return store_named_list(self(b)->dirfd, HSM_KEY_IN_TPM, ret, ret_cnt, err);
}

enum edge_code tpm_op_key_sign(struct hsm_backend *b, const char *name,
                               const uint8_t digest[HSM_DIGEST_LEN],
                               uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                               struct edge_error *err) {
    struct named_args a = {.name = name, .digest = digest, .ret_sig = ret_sig, .ret_len = ret_len};

    return tpm_run_for_key(self(b), op_sign, &a, err);
}

enum edge_code tpm_op_key_drop(struct hsm_backend *b, const char *name, struct edge_error *err) {
    struct tpm *t = self(b);

    if (strcmp(t->named, name) == 0) {
        tpm_slot_flush(t, TPM_SLOT_NAMED);
    }
    return store_named_drop(t->dirfd, name, err);
}
