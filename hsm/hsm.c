/* SPDX-License-Identifier: MIT */
/*
 * The public face: checks arguments and the calling thread, then hands over to the backend.
 */
#include "hsm/hsm.h"

#include "backend.h"
#include "pkcs8.h"
#include "store.h"

#include "base/b64.h"
#include "base/mac.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_KEY_MAX 64 /* one block of SHA-256 */
#define RANDOM_MAX       4096
#define CONTEXT_MAX      4096

struct hsm {
    struct hsm_backend *backend;
    pthread_t thread; /* of the first operation */
    bool thread_known;
};

static struct hsm_backend *enter(struct hsm *h) {
    if (!h->thread_known) {
        h->thread = pthread_self();
        h->thread_known = true;
    }
    assert(pthread_equal(h->thread, pthread_self()) && "hsm used from two threads");
    return h->backend;
}

enum edge_code hsm_open(const struct hsm_config *cfg, struct hsm **ret, struct edge_error *err) {
    if (cfg->state_dir == NULL || cfg->state_dir[0] == '\0') {
        return edge_set(err, EDGE_INVALID, "no directory for the key files is configured");
    }
    struct hsm *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    enum edge_code rc = cfg->backend == HSM_BACKEND_TPM ? tpm_backend_open(cfg, &h->backend, err)
                                                        : soft_backend_open(cfg, &h->backend, err);
    if (rc != EDGE_OK) {
        free(h);
        return rc;
    }
    *ret = h;
    return EDGE_OK;
}

void hsm_close(struct hsm *h) {
    if (h == NULL) {
        return;
    }
    h->backend->ops->close(h->backend);
    free(h);
}

enum edge_code hsm_start(struct hsm *h, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->start(b, err);
}

enum edge_code hsm_accept_change(struct hsm *h, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->accept_change(b, err);
}

enum edge_code hsm_refresh(struct hsm *h, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->refresh(b, err);
}

enum hsm_state hsm_get_state(const struct hsm *h) {
    return h->backend->ops->state(h->backend);
}

uint64_t hsm_command_cnt(const struct hsm *h) {
    return h->backend->ops->command_cnt(h->backend);
}

const char *hsm_state_name(enum hsm_state state) {
    switch (state) {
    case HSM_STATE_UNTRIED:
        return "untried";
    case HSM_STATE_READY:
        return "ready";
    case HSM_STATE_NO_DEVICE:
        return "no_device";
    case HSM_STATE_NO_PERMISSION:
        return "no_permission";
    case HSM_STATE_BUSY:
        return "busy";
    case HSM_STATE_LOCKOUT:
        return "lockout";
    case HSM_STATE_CLEARED:
        return "cleared";
    case HSM_STATE_REPLACED:
        return "replaced";
    case HSM_STATE_AUTH_WRONG:
        return "auth_wrong";
    case HSM_STATE_BAD_OBJECT:
        return "bad_object";
    case HSM_STATE_FAILED:
        return "failed";
    }
    return "unknown";
}

static enum edge_code check_len(const char *what, size_t len, size_t min, size_t max,
                                struct edge_error *err) {
    if (len < min || len > max) {
        return edge_set(err, EDGE_RANGE, "%s of %zu bytes; %zu to %zu are possible", what, len, min,
                        max);
    }
    return EDGE_OK;
}

static enum edge_code check_label(struct slice label, struct edge_error *err) {
    enum edge_code rc = check_len("label", label.len, 0, HSM_LABEL_MAX, err);

    if (rc == EDGE_OK && label.len != 0 && memchr(label.ptr, '\0', label.len) != NULL) {
        return edge_set(err, EDGE_INVALID, "label contains a NUL");
    }
    return rc;
}

enum edge_code hsm_attestation_get(struct hsm *h, struct hsm_attestation *ret,
                                   struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->attestation(b, ret, err);
}

enum edge_code hsm_challenge_load(struct hsm *h, struct slice blob, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->challenge_load(b, blob, err);
}

enum edge_code hsm_challenge_sign(struct hsm *h, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                                  struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_len("data to sign", data.len, 0, HSM_DATA_MAX, err);

    return rc == EDGE_OK ? b->ops->challenge_sign(b, data, ret_mac, err) : rc;
}

void hsm_challenge_drop(struct hsm *h) {
    struct hsm_backend *b = enter(h);

    b->ops->challenge_drop(b);
}

enum edge_code hsm_identity_import_blob(struct hsm *h, struct slice blob, struct slice label,
                                        uint64_t *ret_generation, struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_label(label, err);

    return rc == EDGE_OK ? b->ops->import_blob(b, blob, label, ret_generation, err) : rc;
}

enum edge_code hsm_identity_import_key(struct hsm *h, const struct secret *key, struct slice label,
                                       uint64_t *ret_generation, struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_label(label, err);

    if (rc == EDGE_OK) {
        rc = check_len("identity key", key->len, 1, IDENTITY_KEY_MAX, err);
    }
    return rc == EDGE_OK ? b->ops->import_key(b, key, label, ret_generation, err) : rc;
}

enum edge_code hsm_identity_adopt(struct hsm *h, struct slice label, uint64_t *ret_generation,
                                  struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_label(label, err);

    return rc == EDGE_OK ? b->ops->adopt(b, label, ret_generation, err) : rc;
}

enum edge_code hsm_identity_list(struct hsm *h, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->list(b, ret, ret_cnt, err);
}

enum edge_code hsm_identity_sign(struct hsm *h, uint64_t generation, struct slice data,
                                 uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_len("data to sign", data.len, 0, HSM_DATA_MAX, err);

    return rc == EDGE_OK ? b->ops->sign(b, generation, data, ret_mac, err) : rc;
}

enum edge_code hsm_identity_drop(struct hsm *h, uint64_t generation, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->drop(b, generation, err);
}

enum edge_code hsm_identity_publish(struct hsm *h, uint64_t generation, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->publish(b, generation, err);
}

enum edge_code hsm_root_fingerprint(struct hsm *h, uint8_t ret[HSM_FINGERPRINT_LEN],
                                    struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->root_fingerprint(b, ret, err);
}

enum edge_code hsm_root_derive(struct hsm *h, struct slice context, struct secret *ret,
                               struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_len("derivation context", context.len, 1, CONTEXT_MAX, err);

    return rc == EDGE_OK ? b->ops->root_derive(b, context, ret, err) : rc;
}

static enum edge_code check_name(const char *what, const char *name, size_t max,
                                 struct edge_error *err) {
    if (!store_is_name(name, max)) {
        return edge_set(err, EDGE_INVALID,
                        "'%.40s' cannot name a %s: 1 to %zu of a-z, 0-9 and '-' can", name, what,
                        max);
    }
    return EDGE_OK;
}

static enum edge_code check_key_name(const char *name, struct edge_error *err) {
    return check_name("key", name, HSM_KEY_NAME_MAX, err);
}

static enum edge_code check_record_name(const char *name, struct edge_error *err) {
    return check_name("record", name, HSM_RECORD_NAME_MAX, err);
}

enum edge_code hsm_key_make(struct hsm *h, const char *name, struct hsm_key *ret,
                            struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_key_name(name, err);

    return rc == EDGE_OK ? b->ops->key_make(b, name, ret, err) : rc;
}

enum edge_code hsm_key_import(struct hsm *h, const char *name, const struct secret *pkcs8_der,
                              struct hsm_key *ret, struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_key_name(name, err);

    if (rc == EDGE_OK) {
        rc = check_len("private key", pkcs8_der->len, 1, PKCS8_MAX, err);
    }
    return rc == EDGE_OK ? b->ops->key_import(b, name, pkcs8_der, ret, err) : rc;
}

enum edge_code hsm_key_get(struct hsm *h, const char *name, struct hsm_key *ret,
                           struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_key_name(name, err);

    return rc == EDGE_OK ? b->ops->key_get(b, name, ret, err) : rc;
}

enum edge_code hsm_key_list(struct hsm *h, struct hsm_key ret[HSM_KEYS_MAX], size_t *ret_cnt,
                            struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->key_list(b, ret, ret_cnt, err);
}

enum edge_code hsm_key_sign(struct hsm *h, const char *name, const uint8_t digest[HSM_DIGEST_LEN],
                            uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                            struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_key_name(name, err);

    return rc == EDGE_OK ? b->ops->key_sign(b, name, digest, ret_sig, ret_len, err) : rc;
}

enum edge_code hsm_key_drop(struct hsm *h, const char *name, struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_key_name(name, err);

    return rc == EDGE_OK ? b->ops->key_drop(b, name, err) : rc;
}

enum edge_code hsm_random(struct hsm *h, uint8_t *ret, size_t len, struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_len("random number", len, 0, RANDOM_MAX, err);

    return rc == EDGE_OK ? b->ops->random(b, ret, len, err) : rc;
}

enum edge_code hsm_record_put(struct hsm *h, const char *name, const struct secret *value,
                              struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_record_name(name, err);

    if (rc == EDGE_OK) {
        rc = check_len("record", value->len, 1, HSM_RECORD_MAX, err);
    }
    return rc == EDGE_OK ? b->ops->record_put(b, name, value, err) : rc;
}

enum edge_code hsm_record_get(struct hsm *h, const char *name, struct secret *ret,
                              struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_record_name(name, err);

    return rc == EDGE_OK ? b->ops->record_get(b, name, ret, err) : rc;
}

enum edge_code hsm_record_drop(struct hsm *h, const char *name, struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_record_name(name, err);

    return rc == EDGE_OK ? b->ops->record_drop(b, name, err) : rc;
}

enum edge_code hsm_store_get_info(struct hsm *h, struct hsm_store_info *ret,
                                  struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->store_info(b, ret, err);
}

static enum edge_code check_recovery(const struct secret *code, struct edge_error *err) {
    if (code == NULL || code->len < HSM_RECOVERY_MIN || code->len > HSM_RECOVERY_MAX) {
        return edge_set(err, EDGE_INVALID, "a recovery code has %d to %d bytes", HSM_RECOVERY_MIN,
                        HSM_RECOVERY_MAX);
    }
    return EDGE_OK;
}

static enum edge_code check_reseal(const struct hsm_reseal *how, struct edge_error *err) {
    uint32_t seen = 0;

    if (how->pcrs >= UINT32_C(1) << HSM_PCR_CNT) {
        return edge_set(err, EDGE_INVALID, "PCRs have the numbers 0 to %d", HSM_PCR_CNT - 1);
    }
    for (size_t i = 0; i < how->planned_cnt; i++) {
        const uint32_t pcr = how->planned[i].pcr;
        if (pcr >= HSM_PCR_CNT || (how->pcrs >> pcr & 1) == 0) {
            return edge_set(err, EDGE_INVALID,
                            "a value is planned for PCR %u, to which the store is not to be bound",
                            (unsigned)pcr);
        }
        if ((seen >> pcr & 1) != 0) {
            return edge_set(err, EDGE_INVALID, "two values are planned for PCR %u", (unsigned)pcr);
        }
        seen |= UINT32_C(1) << pcr;
    }
    return how->pcrs != 0 ? check_recovery(how->recovery, err) : EDGE_OK;
}

enum edge_code hsm_store_reseal(struct hsm *h, const struct hsm_reseal *how,
                                struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_reseal(how, err);

    return rc == EDGE_OK ? b->ops->store_reseal(b, how, err) : rc;
}

enum edge_code hsm_store_recover(struct hsm *h, const struct secret *recovery,
                                 struct edge_error *err) {
    struct hsm_backend *b = enter(h);
    enum edge_code rc = check_recovery(recovery, err);

    return rc == EDGE_OK ? b->ops->store_recover(b, recovery, err) : rc;
}

enum edge_code hsm_store_abandon(struct hsm *h, struct edge_error *err) {
    struct hsm_backend *b = enter(h);

    return b->ops->store_abandon(b, err);
}

enum edge_code hsm_registration_id(const uint8_t *ek, size_t ek_len, char ret[64],
                                   struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    uint8_t digest[SHA256_LEN];

    buf_init(&text, 64);
    enum edge_code rc = sha256(ek, ek_len, digest, err);
    if (rc == EDGE_OK) {
        rc = base32_encode(digest, sizeof(digest), &text, err);
    }
    if (rc == EDGE_OK && !slice_to_array(buf_slice(&text), ret, 64)) {
        rc = edge_set(err, EDGE_INTERNAL, "registration id is too long");
    }
    return rc;
}
