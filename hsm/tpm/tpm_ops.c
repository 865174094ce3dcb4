/* SPDX-License-Identifier: MIT */
/*
 * The table of operations of the TPM backend: each wrapper hands its arguments to an operation that
 * tpm_run may attempt more than once.
 */
#include "tpm/tpm_ops.h"

#include "tpm/tpm_adopt.h"
#include "tpm/tpm_identity.h"
#include "tpm/tpm_named.h"
#include "tpm/tpm_policy.h"
#include "tpm/tpm_sign.h"
#include "tpm/tpm_store_key.h"
#include "tpm/tpm_unbound_key.h"

#include "record.h"
#include "store.h"

#include "base/fs.h"

#include <stdio.h>

static struct tpm *self(struct hsm_backend *b) {
    return (struct tpm *)(void *)b;
}

static enum edge_code op_refresh(struct tpm *t, void *arg, struct edge_error *err) {
    uint32_t value;

    (void)arg;
    enum edge_code rc = tpm_ctx_property(&t->ctx, TPM2_PT_INPUT_BUFFER, &value, err);
    return rc == EDGE_NOT_FOUND ? EDGE_OK : rc;
}

static enum edge_code backend_refresh(struct hsm_backend *b, struct edge_error *err) {
    struct tpm *t = self(b);

    if (!t->managed || t->ctx.session == ESYS_TR_NONE) {
        return EDGE_OK; /* a session that nobody saves has no age; none has none */
    }
    return tpm_run(t, op_refresh, NULL, err);
}

static enum edge_code op_attestation(struct tpm *t, void *arg, struct edge_error *err) {
    struct hsm_attestation *out = arg;
    struct hsm_attestation a = {0};

    enum edge_code rc = tpm_public_marshal(&t->keys.ek.pub, a.ek, &a.ek_len, err);
    if (rc == EDGE_OK) {
        rc = tpm_public_marshal(&t->keys.srk.pub, a.srk, &a.srk_len, err);
    }
    if (rc == EDGE_OK) {
        *out = a;
    }
    return rc;
}

static enum edge_code backend_attestation(struct hsm_backend *b, struct hsm_attestation *ret,
                                          struct edge_error *err) {
    return tpm_run(self(b), op_attestation, ret, err);
}

/* Arguments of the operations below; each uses what it needs. */
struct op_args {
    struct slice data;
    struct slice label;
    const struct secret *key;
    uint64_t generation;
    uint8_t *bytes;
    size_t len;
    uint64_t *ret_generation;
};

static enum edge_code op_challenge_load(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_challenge_load(t, a->data, err);
}

static enum edge_code op_challenge_sign(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_challenge_sign(t, a->data, a->bytes, err);
}

static enum edge_code op_import_blob(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_identity_import_blob(t, a->data, a->label, a->ret_generation, err);
}

static enum edge_code op_import_key(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_identity_import_key(t, a->key, a->label, a->ret_generation, err);
}

static enum edge_code op_adopt(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_adopt(t, a->label, a->ret_generation, err);
}

static enum edge_code op_sign(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_identity_sign(t, a->generation, a->data, a->bytes, err);
}

static enum edge_code op_publish(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_identity_publish(t, a->generation, err);
}

static enum edge_code op_root(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_root_hmac(t, a->data, a->bytes, err);
}

static enum edge_code op_random(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_random(t, a->bytes, a->len, err);
}

static enum edge_code op_store_open(struct tpm *t, void *arg, struct edge_error *err) {
    const struct secret *key = NULL;

    (void)arg;
    return tpm_store_key_get(t, &key, err);
}

static enum edge_code op_unbound_open(struct tpm *t, void *arg, struct edge_error *err) {
    const struct secret *key = NULL;

    (void)arg;
    return tpm_unbound_key_get(t, &key, err);
}

static enum edge_code op_store_reseal(struct tpm *t, void *arg, struct edge_error *err) {
    const struct hsm_reseal *const *how = arg;

    return tpm_store_key_reseal(t, *how, err);
}

static enum edge_code op_store_recover(struct tpm *t, void *arg, struct edge_error *err) {
    const struct secret *const *recovery = arg;

    return tpm_store_key_recover(t, *recovery, err);
}

enum edge_code tpm_run_for_key(struct tpm *t, tpm_op_fn *fn, void *arg, struct edge_error *err) {
    struct edge_error why = {0};

    enum edge_code rc = tpm_run(t, fn, arg, &why);
    if (rc == EDGE_NOT_FOUND &&
        (t->ctx.state != HSM_STATE_READY || why.domain == EDGE_DOMAIN_TSS)) {
        rc = why.code = EDGE_HSM;
    }
    if (rc != EDGE_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

/* Once it is open, records need no TPM. */
static enum edge_code open_store(struct tpm *t, struct edge_error *err) {
    return t->store_key.data != NULL ? EDGE_OK : tpm_run_for_key(t, op_store_open, NULL, err);
}

/* The key of a record. */
static enum edge_code open_for(struct tpm *t, const char *name, const struct secret **ret,
                               struct edge_error *err) {
    if (!record_is_unbound(name)) {
        *ret = &t->store_key;
        return open_store(t, err);
    }
    *ret = &t->unbound_key;
    return t->unbound_key.data != NULL ? EDGE_OK : tpm_run_for_key(t, op_unbound_open, NULL, err);
}

static void file_of(const char *name, char ret[RECORD_FILE_MAX]) {
    if (record_is_unbound(name)) {
        record_file_unbound(name, ret);
    } else {
        record_file(name, ret);
    }
}

static enum edge_code backend_challenge_load(struct hsm_backend *b, struct slice blob,
                                             struct edge_error *err) {
    return tpm_run(self(b), op_challenge_load, &(struct op_args){.data = blob}, err);
}

static enum edge_code backend_challenge_sign(struct hsm_backend *b, struct slice data,
                                             uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    return tpm_run(self(b), op_challenge_sign, &(struct op_args){.data = data, .bytes = ret_mac},
                   err);
}

static void backend_challenge_drop(struct hsm_backend *b) {
    tpm_slot_flush(self(b), TPM_SLOT_CHALLENGE);
}

static enum edge_code backend_import_blob(struct hsm_backend *b, struct slice blob,
                                          struct slice label, uint64_t *ret_generation,
                                          struct edge_error *err) {
    struct op_args a = {.data = blob, .label = label, .ret_generation = ret_generation};

    return tpm_run(self(b), op_import_blob, &a, err);
}

static enum edge_code backend_import_key(struct hsm_backend *b, const struct secret *key,
                                         struct slice label, uint64_t *ret_generation,
                                         struct edge_error *err) {
    struct op_args a = {.key = key, .label = label, .ret_generation = ret_generation};

    return tpm_run(self(b), op_import_key, &a, err);
}

static enum edge_code backend_adopt(struct hsm_backend *b, struct slice label,
                                    uint64_t *ret_generation, struct edge_error *err) {
    struct op_args a = {.label = label, .ret_generation = ret_generation};

    return tpm_run(self(b), op_adopt, &a, err);
}

static enum edge_code backend_list(struct hsm_backend *b, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                   size_t *ret_cnt, struct edge_error *err) {
    return tpm_identity_list(self(b), ret, ret_cnt, err);
}

static enum edge_code backend_sign(struct hsm_backend *b, uint64_t generation, struct slice data,
                                   uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    struct op_args a = {.generation = generation, .data = data, .bytes = ret_mac};

    return tpm_run(self(b), op_sign, &a, err);
}

static enum edge_code backend_drop(struct hsm_backend *b, uint64_t generation,
                                   struct edge_error *err) {
    struct tpm *t = self(b);

    if (t->identity_generation == generation) {
        tpm_slot_flush(t, TPM_SLOT_IDENTITY);
    }
    return store_identity_drop(t->dirfd, generation, err);
}

static enum edge_code backend_publish(struct hsm_backend *b, uint64_t generation,
                                      struct edge_error *err) {
    return tpm_run(self(b), op_publish, &(struct op_args){.generation = generation}, err);
}

static enum edge_code backend_fingerprint(struct hsm_backend *b, uint8_t ret[HSM_FINGERPRINT_LEN],
                                          struct edge_error *err) {
    struct op_args a = {.data = SLICE_LIT(HSM_FINGERPRINT_CONTEXT), .bytes = ret};

    return tpm_run(self(b), op_root, &a, err);
}

static enum edge_code backend_derive(struct hsm_backend *b, struct slice context,
                                     struct secret *ret, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};

    enum edge_code rc = secret_alloc(&key, HSM_MAC_LEN, err);
    if (rc == EDGE_OK) {
        rc = tpm_run(self(b), op_root, &(struct op_args){.data = context, .bytes = key.data}, err);
    }
    if (rc == EDGE_OK) {
        *ret = secret_take(&key);
    }
    return rc;
}

static enum edge_code backend_random(struct hsm_backend *b, uint8_t *ret, size_t len,
                                     struct edge_error *err) {
    return tpm_run(self(b), op_random, &(struct op_args){.bytes = ret, .len = len}, err);
}

static enum edge_code backend_record_put(struct hsm_backend *b, const char *name,
                                         const struct secret *value, struct edge_error *err) {
    const struct secret *key = NULL;
    struct tpm *t = self(b);
    char file[RECORD_FILE_MAX];

    file_of(name, file);
    enum edge_code rc = open_for(t, name, &key, err);
    return rc == EDGE_OK ? record_write(t->dirfd, key, file, value, err) : rc;
}

static enum edge_code backend_record_get(struct hsm_backend *b, const char *name,
                                         struct secret *ret, struct edge_error *err) {
    const struct secret *key = NULL;
    struct tpm *t = self(b);
    char file[RECORD_FILE_MAX];

    file_of(name, file);
    if (!record_exists(t->dirfd, file)) {
        return edge_set(err, EDGE_NOT_FOUND, "there is no record '%s'", name);
    }
    enum edge_code rc = open_for(t, name, &key, err);
    return rc == EDGE_OK ? record_read(t->dirfd, key, file, ret, err) : rc;
}

static enum edge_code backend_record_drop(struct hsm_backend *b, const char *name,
                                          struct edge_error *err) {
    char file[RECORD_FILE_MAX];

    file_of(name, file);
    return fs_remove(self(b)->dirfd, file, err);
}

static enum edge_code backend_store_info(struct hsm_backend *b, struct hsm_store_info *ret,
                                         struct edge_error *err) {
    struct edge_error why = {0};
    struct tpm *t = self(b);
    char pcrs[96];

    enum edge_code rc = tpm_store_key_look(t, ret, err);
    if (rc != EDGE_OK || !ret->exists) {
        return rc;
    }
    ret->open = t->store_key.data != NULL || tpm_run(t, op_store_open, NULL, &why) == EDGE_OK;
    if (!ret->open) {
        (void)snprintf(ret->text, sizeof(ret->text), "%s", edge_error_text(&why));
    } else if (!ret->bound) {
        (void)snprintf(ret->text, sizeof(ret->text), "open; not bound to PCRs");
    } else {
        tpm_policy_pcr_text(ret->pcrs, pcrs, sizeof(pcrs));
        (void)snprintf(ret->text, sizeof(ret->text), "open; bound to PCR %s of the SHA-256 bank%s",
                       pcrs, ret->planned ? ", to values planned for later, too" : "");
    }
    return EDGE_OK;
}

static enum edge_code backend_store_reseal(struct hsm_backend *b, const struct hsm_reseal *how,
                                           struct edge_error *err) {
    return tpm_run_for_key(self(b), op_store_reseal, &how, err);
}

static enum edge_code backend_store_recover(struct hsm_backend *b, const struct secret *recovery,
                                            struct edge_error *err) {
    return tpm_run_for_key(self(b), op_store_recover, &recovery, err);
}

static enum edge_code backend_store_abandon(struct hsm_backend *b, struct edge_error *err) {
    struct tpm *t = self(b);

    tpm_store_key_forget(t);
    for (enum tpm_slot slot = 0; slot < TPM_SLOT_CNT_; slot++) {
        if (slot != TPM_SLOT_CHALLENGE) { /* named keys among them; the others are loaded again */
            tpm_slot_flush(t, slot);
        }
    }
    return record_set_all_aside(t->dirfd, "abandoned", err);
}

static enum hsm_state backend_state(const struct hsm_backend *b) {
    return ((const struct tpm *)(const void *)b)->ctx.state;
}

static uint64_t backend_command_cnt(const struct hsm_backend *b) {
    return ((const struct tpm *)(const void *)b)->ctx.command_cnt;
}

const struct hsm_backend_ops tpm_ops = {
    .close = tpm_close,
    .state = backend_state,
    .command_cnt = backend_command_cnt,
    .start = tpm_start,
    .accept_change = tpm_accept_change,
    .refresh = backend_refresh,
    .attestation = backend_attestation,
    .challenge_load = backend_challenge_load,
    .challenge_sign = backend_challenge_sign,
    .challenge_drop = backend_challenge_drop,
    .import_blob = backend_import_blob,
    .import_key = backend_import_key,
    .adopt = backend_adopt,
    .list = backend_list,
    .sign = backend_sign,
    .drop = backend_drop,
    .publish = backend_publish,
    .root_fingerprint = backend_fingerprint,
    .root_derive = backend_derive,
    .key_make = tpm_op_key_make,
    .key_import = tpm_op_key_import,
    .key_get = tpm_op_key_get,
    .key_list = tpm_op_key_list,
    .key_sign = tpm_op_key_sign,
    .key_drop = tpm_op_key_drop,
    .random = backend_random,
    .record_put = backend_record_put,
    .record_get = backend_record_get,
    .record_drop = backend_record_drop,
    .store_info = backend_store_info,
    .store_reseal = backend_store_reseal,
    .store_recover = backend_store_recover,
    .store_abandon = backend_store_abandon,
};
