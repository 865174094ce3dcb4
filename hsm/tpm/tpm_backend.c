/* SPDX-License-Identifier: MIT */
/*
 * The TPM as a backend: brings it to working order, runs operations, and repairs what can be
 * repaired between two attempts of the same operation. Operations change nothing that lasts before
 * their last TPM command has succeeded, so a second attempt is always safe.
 */
#include "tpm/tpm_ops.h"

#include "tpm/tpm_adopt.h"
#include "tpm/tpm_rc.h"
#include "tpm/tpm_store.h"
#include "tpm/tpm_store_key.h"
#include "tpm/tpm_unbound_key.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPT_MAX   3
#define CHUNK_DEFAULT 1024 /* of every TPM known; used when it does not tell */

static struct tpm *self(struct hsm_backend *b) {
    return (struct tpm *)(void *)b;
}

static void forget_all(struct tpm *t, bool challenge) {
    tpm_slot_flush(t, TPM_SLOT_ROOT);
    tpm_slot_flush(t, TPM_SLOT_IDENTITY);
    tpm_slot_flush(t, TPM_SLOT_NAMED);
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
        tpm_slot_flush(t, TPM_SLOT_NAMED);
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

enum edge_code tpm_run(struct tpm *t, tpm_op_fn *fn, void *arg, struct edge_error *err) {
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

enum edge_code tpm_start(struct hsm_backend *b, struct edge_error *err) {
    return tpm_run(self(b), op_nothing, NULL, err);
}

static enum edge_code op_dead_aside(struct tpm *t, void *arg, struct edge_error *err) {
    enum edge_code rc = tpm_adopt_set_dead_aside(t, arg, err);

    return rc == EDGE_OK ? tpm_store_key_set_dead_aside(t, arg, err) : rc;
}

/* The pins go first: with them aside the TPM is ours as it is, whatever happens next, and a second
 * call finds the keys that are still to be moved. */
enum edge_code tpm_accept_change(struct hsm_backend *b, struct edge_error *err) {
    struct tpm *t = self(b);
    static char replaced[] = "replaced", cleared[] = "cleared", lost[] = "lost";
    char *word = lost;

    tpm_unbound_key_forget(t);
    disconnect(t); /* also what an earlier TPM has left in our memory */
    enum edge_code rc = tpm_start(b, err);
    if (t->ctx.state == HSM_STATE_CLEARED || t->ctx.state == HSM_STATE_REPLACED) {
        word = t->ctx.state == HSM_STATE_REPLACED ? replaced : cleared;
        rc = fs_set_aside_as(t->dirfd, TPM_PINS_FILE, word, NULL, 0, err);
    }
    return rc == EDGE_OK ? tpm_run(t, op_dead_aside, word, err) : rc;
}

void tpm_close(struct hsm_backend *b) {
    struct tpm *t = self(b);

    tpm_store_key_forget(t);
    tpm_unbound_key_forget(t);
    disconnect(t);
    tpm_ctx_clear(&t->ctx);
    edge_cleanup_fd(&t->dirfd);
    free(t);
}

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
        tpm_close(&t->base);
        return rc;
    }
    fs_sweep(t->dirfd);
    t->managed = tpm_node_is_managed(t->ctx.tcti_conf);
    (void)snprintf(t->pins_path, sizeof(t->pins_path), "%s/%s", cfg->state_dir, TPM_PINS_FILE);
    *ret = &t->base;
    return EDGE_OK;
}
