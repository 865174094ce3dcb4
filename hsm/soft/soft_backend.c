/* SPDX-License-Identifier: MIT */
/*
 * Key files as a backend. Operations that prove a machine's identity are not offered.
 */
#include "soft/soft.h"

#include "store_named.h"

#include "base/fs.h"

#include <openssl/rand.h>

#include <stdlib.h>

static struct soft *self(struct hsm_backend *b) {
    return (struct soft *)(void *)b;
}

static enum edge_code done(struct hsm_backend *b, enum edge_code rc) {
    /* Refusals concern one operation; the rest says that the files cannot be used. */
    if (rc == EDGE_OK) {
        self(b)->state = HSM_STATE_READY;
    } else if (rc == EDGE_IO || rc == EDGE_HSM) {
        self(b)->state = HSM_STATE_FAILED;
    }
    return rc;
}

static enum edge_code no_tpm(struct edge_error *err) {
    return edge_set(err, EDGE_UNSUPPORTED,
                    "keys are kept in files; attestation needs a TPM (hsm.backend: tpm)");
}

static enum edge_code backend_start(struct hsm_backend *b, struct edge_error *err) {
    (void)err;
    return done(b, EDGE_OK);
}

static enum edge_code backend_refresh(struct hsm_backend *b, struct edge_error *err) {
    (void)b;
    (void)err;
    return EDGE_OK;
}

static enum edge_code backend_attestation(struct hsm_backend *b, struct hsm_attestation *ret,
                                          struct edge_error *err) {
    (void)b;
    (void)ret;
    return no_tpm(err);
}

static enum edge_code backend_challenge_load(struct hsm_backend *b, struct slice blob,
                                             struct edge_error *err) {
    (void)b;
    (void)blob;
    return no_tpm(err);
}

static enum edge_code backend_challenge_sign(struct hsm_backend *b, struct slice data,
                                             uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    (void)b;
    (void)data;
    (void)ret_mac;
    return no_tpm(err);
}

static void backend_challenge_drop(struct hsm_backend *b) {
    (void)b;
}

static enum edge_code backend_import_blob(struct hsm_backend *b, struct slice blob,
                                          struct slice label, uint64_t *ret_generation,
                                          struct edge_error *err) {
    (void)b;
    (void)blob;
    (void)label;
    (void)ret_generation;
    return no_tpm(err);
}

static enum edge_code backend_import_key(struct hsm_backend *b, const struct secret *key,
                                         struct slice label, uint64_t *ret_generation,
                                         struct edge_error *err) {
    return done(b, soft_identity_import(self(b), key, label, ret_generation, err));
}

static enum edge_code backend_adopt(struct hsm_backend *b, struct slice label,
                                    uint64_t *ret_generation, struct edge_error *err) {
    (void)b;
    (void)label;
    (void)ret_generation;
    return edge_set(err, EDGE_UNSUPPORTED,
                    "keys are kept in files; there is no TPM whose key could be taken over");
}

static enum edge_code backend_list(struct hsm_backend *b, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                   size_t *ret_cnt, struct edge_error *err) {
    return done(b, store_identity_list(self(b)->dirfd, STORE_SOFT_IDENTITY, ret, ret_cnt, err));
}

static enum edge_code backend_sign(struct hsm_backend *b, uint64_t generation, struct slice data,
                                   uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    return done(b, soft_identity_sign(self(b), generation, data, ret_mac, err));
}

static enum edge_code backend_drop(struct hsm_backend *b, uint64_t generation,
                                   struct edge_error *err) {
    return done(b, store_identity_drop(self(b)->dirfd, generation, err));
}

static enum edge_code backend_publish(struct hsm_backend *b, uint64_t generation,
                                      struct edge_error *err) {
    (void)b;
    (void)generation;
    (void)err;
    return EDGE_OK;
}

static enum edge_code backend_fingerprint(struct hsm_backend *b, uint8_t ret[HSM_FINGERPRINT_LEN],
                                          struct edge_error *err) {
    return done(b, soft_root_hmac(self(b), SLICE_LIT(HSM_FINGERPRINT_CONTEXT), ret, err));
}

static enum edge_code backend_derive(struct hsm_backend *b, struct slice context,
                                     struct secret *ret, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};

    enum edge_code rc = secret_alloc(&key, HSM_MAC_LEN, err);
    if (rc == EDGE_OK) {
        rc = soft_root_hmac(self(b), context, key.data, err);
    }
    if (rc == EDGE_OK) {
        *ret = secret_take(&key);
    }
    return done(b, rc);
}

static enum edge_code backend_key_make(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                                       struct edge_error *err) {
    return done(b, soft_named_make(self(b), name, ret, err));
}

static enum edge_code backend_key_import(struct hsm_backend *b, const char *name,
                                         const struct secret *pkcs8, struct hsm_key *ret,
                                         struct edge_error *err) {
    return done(b, soft_named_import(self(b), name, pkcs8, ret, err));
}

static enum edge_code backend_key_get(struct hsm_backend *b, const char *name, struct hsm_key *ret,
                                      struct edge_error *err) {
    return done(b, store_named_get(self(b)->dirfd, HSM_KEY_IN_FILE, name, ret, err));
}

static enum edge_code backend_key_list(struct hsm_backend *b, struct hsm_key ret[HSM_KEYS_MAX],
                                       size_t *ret_cnt, struct edge_error *err) {
    return done(b, store_named_list(self(b)->dirfd, HSM_KEY_IN_FILE, ret, ret_cnt, err));
}

static enum edge_code backend_key_sign(struct hsm_backend *b, const char *name,
                                       const uint8_t digest[HSM_DIGEST_LEN],
                                       uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                                       struct edge_error *err) {
    return done(b, soft_named_sign(self(b), name, digest, ret_sig, ret_len, err));
}

static enum edge_code backend_key_drop(struct hsm_backend *b, const char *name,
                                       struct edge_error *err) {
    soft_named_forget(self(b));
    return done(b, store_named_drop(self(b)->dirfd, name, err));
}

static enum edge_code backend_random(struct hsm_backend *b, uint8_t *ret, size_t len,
                                     struct edge_error *err) {
    if (RAND_priv_bytes(ret, (int)len) != 1) {
        return edge_set(err, EDGE_CRYPTO, "no random numbers");
    }
    return done(b, EDGE_OK);
}

/* A lost store key concerns the sealed store only. */
static enum edge_code store_done(struct hsm_backend *b, enum edge_code rc) {
    return rc == EDGE_HSM ? rc : done(b, rc);
}

static enum edge_code backend_record_put(struct hsm_backend *b, const char *name,
                                         const struct secret *value, struct edge_error *err) {
    return store_done(b, soft_record_put(self(b), name, value, err));
}

static enum edge_code backend_record_get(struct hsm_backend *b, const char *name,
                                         struct secret *ret, struct edge_error *err) {
    return store_done(b, soft_record_get(self(b), name, ret, err));
}

static enum edge_code backend_record_drop(struct hsm_backend *b, const char *name,
                                          struct edge_error *err) {
    return store_done(b, soft_record_drop(self(b), name, err));
}

static enum edge_code backend_store_info(struct hsm_backend *b, struct hsm_store_info *ret,
                                         struct edge_error *err) {
    return store_done(b, soft_store_info(self(b), ret, err));
}

static enum edge_code no_pcrs(struct edge_error *err) {
    return edge_set(err, EDGE_UNSUPPORTED,
                    "keys are kept in files; binding them to PCRs needs a TPM (hsm.backend: tpm)");
}

static enum edge_code backend_store_reseal(struct hsm_backend *b, const struct hsm_reseal *how,
                                           struct edge_error *err) {
    (void)b;
    (void)how;
    return no_pcrs(err);
}

static enum edge_code backend_store_recover(struct hsm_backend *b, const struct secret *recovery,
                                            struct edge_error *err) {
    (void)b;
    (void)recovery;
    return no_pcrs(err);
}

static enum edge_code backend_store_abandon(struct hsm_backend *b, struct edge_error *err) {
    return store_done(b, soft_store_abandon(self(b), err));
}

static enum hsm_state backend_state(const struct hsm_backend *b) {
    return ((const struct soft *)(const void *)b)->state;
}

static uint64_t backend_command_cnt(const struct hsm_backend *b) {
    (void)b;
    return 0;
}

static void backend_close(struct hsm_backend *b) {
    struct soft *s = self(b);

    secret_clear(&s->root);
    secret_clear(&s->store_key);
    soft_named_forget(s);
    edge_cleanup_fd(&s->dirfd);
    free(s);
}

static const struct hsm_backend_ops soft_ops = {
    .close = backend_close,
    .state = backend_state,
    .command_cnt = backend_command_cnt,
    .start = backend_start,
    .accept_change = backend_start, /* files are neither cleared nor replaced */
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
    .key_make = backend_key_make,
    .key_import = backend_key_import,
    .key_get = backend_key_get,
    .key_list = backend_key_list,
    .key_sign = backend_key_sign,
    .key_drop = backend_key_drop,
    .random = backend_random,
    .record_put = backend_record_put,
    .record_get = backend_record_get,
    .record_drop = backend_record_drop,
    .store_info = backend_store_info,
    .store_reseal = backend_store_reseal,
    .store_recover = backend_store_recover,
    .store_abandon = backend_store_abandon,
};

enum edge_code soft_backend_open(const struct hsm_config *cfg, struct hsm_backend **ret,
                                 struct edge_error *err) {
    struct soft *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    s->base.ops = &soft_ops;
    s->dirfd = -1;
    enum edge_code rc = fs_dir_open(cfg->state_dir, true, 0700, &s->dirfd, err);
    if (rc != EDGE_OK) {
        backend_close(&s->base);
        return rc;
    }
    fs_sweep(s->dirfd);
    *ret = &s->base;
    return EDGE_OK;
}
