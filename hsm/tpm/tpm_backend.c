/* SPDX-License-Identifier: MIT */
/*
 * The TPM as a backend: brings it to working order, runs operations, and repairs what can be
 * repaired between two attempts of the same operation. Operations change nothing that lasts before
 * their last TPM command has succeeded, so a second attempt is always safe.
 */
#include "tpm/tpm.h"

#include "tpm/tpm_adopt.h"
#include "tpm/tpm_identity.h"
#include "tpm/tpm_rc.h"
#include "tpm/tpm_seal.h"
#include "tpm/tpm_sign.h"
#include "tpm/tpm_store.h"
#include "tpm/tpm_tmpl.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPT_MAX   3
#define CHUNK_DEFAULT 1024 /* of every TPM known; used when it does not tell */

typedef enum edge_code (*tpm_op_fn)(struct tpm *t, void *arg, struct edge_error *err);

static struct tpm *self(struct hsm_backend *b) {
    return (struct tpm *)(void *)b;
}

static void forget_all(struct tpm *t, bool challenge) {
    tpm_slot_flush(t, TPM_SLOT_ROOT);
    tpm_slot_flush(t, TPM_SLOT_IDENTITY);
    if (challenge) {
        tpm_slot_flush(t, TPM_SLOT_CHALLENGE);
    }
    tpm_ctx_flush(&t->ctx, &t->ctx.session);
    tpm_keys_clear(&t->ctx, &t->keys);
}

static void disconnect(struct tpm *t) {
    forget_all(t, true);
    tpm_ctx_close(&t->ctx);
}

static enum edge_code ask_chunk(struct tpm *t, struct edge_error *err) {
    uint32_t value;

    if (t->chunk != 0) {
        return EDGE_OK;
    }
    enum edge_code rc = tpm_ctx_property(&t->ctx, TPM2_PT_INPUT_BUFFER, &value, err);
    if (rc == EDGE_NOT_FOUND || (rc == EDGE_OK && value == 0)) {
        value = CHUNK_DEFAULT;
        rc = EDGE_OK;
    }
    if (rc == EDGE_OK) {
        t->chunk = value < TPM2_MAX_DIGEST_BUFFER ? value : TPM2_MAX_DIGEST_BUFFER;
    }
    return rc;
}

static enum edge_code open_session(struct tpm *t, const struct tpm_pins *pins,
                                   struct edge_error *err) {
    enum edge_code rc =
        tpm_ctx_session(&t->ctx, t->keys.srk.tr, TPM2_SE_HMAC, &t->ctx.session, err);

    if (rc == EDGE_OK) {
        rc = tpm_keys_confirm(&t->ctx, &t->keys, err);
    }
    if (rc == EDGE_OK) {
        rc = ask_chunk(t, err);
    }
    if (rc == EDGE_OK && pins->srk.len == 0) {
        const struct tpm_pins now = {.ek = t->keys.ek.name, .srk = t->keys.srk.name};
        rc = tpm_store_pins_write(t->dirfd, &now, err);
    }
    return rc;
}

enum edge_code tpm_ready(struct tpm *t, struct edge_error *err) {
    struct tpm_pins pins;

    if (t->ctx.esys != NULL && t->ctx.session != ESYS_TR_NONE) {
        return EDGE_OK;
    }
    enum edge_code rc = tpm_ctx_open(&t->ctx, err);
    if (rc == EDGE_OK) {
        rc = tpm_store_pins_read(t->dirfd, &pins, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_keys_establish(&t->ctx, &t->keys, t->ek_template, &pins, t->pins_path, err);
    }
    if (rc == EDGE_OK) {
        rc = open_session(t, &pins, err);
    }
    if (rc != EDGE_OK) {
        tpm_ctx_flush(&t->ctx, &t->ctx.session);
        tpm_keys_clear(&t->ctx, &t->keys);
    }
    return rc;
}

static enum tpm_recovery recovery_of(const struct tpm *t, const struct edge_error *err) {
    /* A wrong password is not tried twice. Refused authorizations of our own keys, which have none,
     * mean that the handle of the session or key belongs to somebody else since a reset. */
    if (err->domain != EDGE_DOMAIN_TSS || t->ctx.state == HSM_STATE_AUTH_WRONG) {
        return TPM_RECOVERY_NONE;
    }
    return tpm_rc_describe((TSS2_RC)err->native).recovery;
}

/* Repairs what the error tells. False when another attempt would be pointless. */
static bool repair(struct tpm *t, const struct edge_error *err, int attempt) {
    bool gone;

    switch (recovery_of(t, err)) {
    case TPM_RECOVERY_NONE:
        return false;
    case TPM_RECOVERY_FLUSH:
        tpm_slot_flush(t, TPM_SLOT_ROOT);
        tpm_slot_flush(t, TPM_SLOT_IDENTITY);
        if (attempt > 0 && t->managed) {
            return false;
        }
        if (attempt > 0) {
            /* Nobody else has the device open: what fills it was left by programs that are gone, or
             * by ourselves before we were killed. */
            forget_all(t, true);
            tpm_ctx_flush_leftovers(&t->ctx);
        }
        return true;
    case TPM_RECOVERY_REBUILD:
        /* After a reset the challenge is gone and its handle may belong to another object. */
        gone = tpm_rc_base((TSS2_RC)err->native) != TPM2_RC_CONTEXT_GAP;
        forget_all(t, gone || attempt > 0);
        return attempt == 0;
    case TPM_RECOVERY_STARTUP:
        forget_all(t, true);
        return attempt == 0 && !t->managed &&
               Esys_Startup(t->ctx.esys, TPM2_SU_CLEAR) == TSS2_RC_SUCCESS;
    case TPM_RECOVERY_REOPEN:
        disconnect(t);
        return attempt == 0;
    }
    return false;
}

static enum edge_code run(struct tpm *t, tpm_op_fn fn, void *arg, struct edge_error *err) {
    struct edge_error local = {0};
    enum edge_code rc = EDGE_INTERNAL;

    for (int attempt = 0; attempt < ATTEMPT_MAX; attempt++) {
        edge_error_clear(&local);
        t->ctx.state = HSM_STATE_UNTRIED;
        rc = tpm_ready(t, &local);
        if (rc == EDGE_OK) {
            t->ctx.state = HSM_STATE_READY;
            rc = fn(t, arg, &local);
        }
        if (rc == EDGE_OK) {
            t->ctx.state = HSM_STATE_READY;
            return rc;
        }
        if (!repair(t, &local, attempt)) {
            break;
        }
    }
    if (t->ctx.state == HSM_STATE_UNTRIED) {
        t->ctx.state = HSM_STATE_FAILED;
    }
    if (err != NULL) {
        *err = local;
    }
    return rc;
}

static enum edge_code op_nothing(struct tpm *t, void *arg, struct edge_error *err) {
    (void)t;
    (void)arg;
    (void)err;
    return EDGE_OK;
}

static enum edge_code backend_start(struct hsm_backend *b, struct edge_error *err) {
    return run(self(b), op_nothing, NULL, err);
}

static enum edge_code op_dead_aside(struct tpm *t, void *arg, struct edge_error *err) {
    return tpm_adopt_set_dead_aside(t, arg, err);
}

/* The pins go first: with them aside the TPM is ours as it is, whatever happens next, and a second
 * call finds the keys that are still to be moved. */
static enum edge_code backend_accept_change(struct hsm_backend *b, struct edge_error *err) {
    struct tpm *t = self(b);
    static char replaced[] = "replaced", cleared[] = "cleared", lost[] = "lost";
    char *word = lost;

    disconnect(t); /* also what an earlier TPM has left in our memory */
    enum edge_code rc = run(t, op_nothing, NULL, err);
    if (t->ctx.state == HSM_STATE_CLEARED || t->ctx.state == HSM_STATE_REPLACED) {
        word = t->ctx.state == HSM_STATE_REPLACED ? replaced : cleared;
        rc = fs_set_aside_as(t->dirfd, TPM_PINS_FILE, word, NULL, 0, err);
    }
    return rc == EDGE_OK ? run(t, op_dead_aside, word, err) : rc;
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
    return run(t, op_refresh, NULL, err);
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
    return run(self(b), op_attestation, ret, err);
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
    struct secret *ret_secret;
    struct buf *ret_buf;
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

static enum edge_code op_seal(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_seal(t, a->key, a->ret_buf, err);
}

static enum edge_code op_unseal(struct tpm *t, void *arg, struct edge_error *err) {
    const struct op_args *a = arg;

    return tpm_unseal(t, a->data, a->ret_secret, err);
}

static enum edge_code backend_challenge_load(struct hsm_backend *b, struct slice blob,
                                             struct edge_error *err) {
    return run(self(b), op_challenge_load, &(struct op_args){.data = blob}, err);
}

static enum edge_code backend_challenge_sign(struct hsm_backend *b, struct slice data,
                                             uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    return run(self(b), op_challenge_sign, &(struct op_args){.data = data, .bytes = ret_mac}, err);
}

static void backend_challenge_drop(struct hsm_backend *b) {
    tpm_slot_flush(self(b), TPM_SLOT_CHALLENGE);
}

static enum edge_code backend_import_blob(struct hsm_backend *b, struct slice blob,
                                          struct slice label, uint64_t *ret_generation,
                                          struct edge_error *err) {
    struct op_args a = {.data = blob, .label = label, .ret_generation = ret_generation};

    return run(self(b), op_import_blob, &a, err);
}

static enum edge_code backend_import_key(struct hsm_backend *b, const struct secret *key,
                                         struct slice label, uint64_t *ret_generation,
                                         struct edge_error *err) {
    struct op_args a = {.key = key, .label = label, .ret_generation = ret_generation};

    return run(self(b), op_import_key, &a, err);
}

static enum edge_code backend_adopt(struct hsm_backend *b, struct slice label,
                                    uint64_t *ret_generation, struct edge_error *err) {
    struct op_args a = {.label = label, .ret_generation = ret_generation};

    return run(self(b), op_adopt, &a, err);
}

static enum edge_code backend_list(struct hsm_backend *b, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                   size_t *ret_cnt, struct edge_error *err) {
    return tpm_identity_list(self(b), ret, ret_cnt, err);
}

static enum edge_code backend_sign(struct hsm_backend *b, uint64_t generation, struct slice data,
                                   uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    struct op_args a = {.generation = generation, .data = data, .bytes = ret_mac};

    return run(self(b), op_sign, &a, err);
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
    return run(self(b), op_publish, &(struct op_args){.generation = generation}, err);
}

static enum edge_code backend_fingerprint(struct hsm_backend *b, uint8_t ret[HSM_FINGERPRINT_LEN],
                                          struct edge_error *err) {
    struct op_args a = {.data = SLICE_LIT(HSM_FINGERPRINT_CONTEXT), .bytes = ret};

    return run(self(b), op_root, &a, err);
}

static enum edge_code backend_derive(struct hsm_backend *b, struct slice context,
                                     struct secret *ret, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};

    enum edge_code rc = secret_alloc(&key, HSM_MAC_LEN, err);
    if (rc == EDGE_OK) {
        rc = run(self(b), op_root, &(struct op_args){.data = context, .bytes = key.data}, err);
    }
    if (rc == EDGE_OK) {
        *ret = secret_take(&key);
    }
    return rc;
}

static enum edge_code backend_random(struct hsm_backend *b, uint8_t *ret, size_t len,
                                     struct edge_error *err) {
    return run(self(b), op_random, &(struct op_args){.bytes = ret, .len = len}, err);
}

static enum edge_code backend_seal(struct hsm_backend *b, const struct secret *plain,
                                   struct buf *ret_blob, struct edge_error *err) {
    return run(self(b), op_seal, &(struct op_args){.key = plain, .ret_buf = ret_blob}, err);
}

static enum edge_code backend_unseal(struct hsm_backend *b, struct slice blob, struct secret *ret,
                                     struct edge_error *err) {
    return run(self(b), op_unseal, &(struct op_args){.data = blob, .ret_secret = ret}, err);
}

static enum hsm_state backend_state(const struct hsm_backend *b) {
    return ((const struct tpm *)(const void *)b)->ctx.state;
}

static uint64_t backend_command_cnt(const struct hsm_backend *b) {
    return ((const struct tpm *)(const void *)b)->ctx.command_cnt;
}

static void backend_close(struct hsm_backend *b) {
    struct tpm *t = self(b);

    disconnect(t);
    tpm_ctx_clear(&t->ctx);
    edge_cleanup_fd(&t->dirfd);
    free(t);
}

static const struct hsm_backend_ops tpm_ops = {
    .close = backend_close,
    .state = backend_state,
    .command_cnt = backend_command_cnt,
    .start = backend_start,
    .accept_change = backend_accept_change,
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
    .random = backend_random,
    .seal = backend_seal,
    .unseal = backend_unseal,
};

enum edge_code tpm_backend_open(const struct hsm_config *cfg, struct hsm_backend **ret,
                                struct edge_error *err) {
    struct tpm *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    *t = (struct tpm){.base.ops = &tpm_ops, .dirfd = -1, .ek_template = cfg->ek_template};
    for (size_t i = 0; i < TPM_SLOT_CNT_; i++) {
        t->slot[i] = ESYS_TR_NONE;
    }
    tpm_keys_init(&t->keys);
    enum edge_code rc = tpm_ctx_init(&t->ctx, cfg, err);
    if (rc == EDGE_OK) {
        rc = fs_dir_open(cfg->state_dir, true, 0700, &t->dirfd, err);
    }
    if (rc != EDGE_OK) {
        backend_close(&t->base);
        return rc;
    }
    fs_sweep(t->dirfd);
    t->managed = tpm_node_is_managed(t->ctx.tcti_conf);
    (void)snprintf(t->pins_path, sizeof(t->pins_path), "%s/%s", cfg->state_dir, TPM_PINS_FILE);
    *ret = &t->base;
    return EDGE_OK;
}
