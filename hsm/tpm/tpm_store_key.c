/* SPDX-License-Identifier: MIT */
/*
 * The store key in its file and in memory. A new object takes the place of the old one only after
 * the TPM has given the key out of it in every way that it can be asked for now, so that a crash
 * leaves a file that opens.
 */
#include "tpm/tpm_store_key.h"

#include "tpm/tpm_rc.h"
#include "tpm/tpm_seal.h"
#include "tpm/tpm_sign.h"
#include "tpm/tpm_store.h"

#include "record.h"

#include "base/clock.h"
#include "base/fs.h"

#include <stdio.h>
#include <string.h>

#define LOCKED_PAUSE_MS 1000

/* PARSE: damaged, and aside now. */
static enum edge_code read_file(struct tpm *t, struct tpm_kek *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice payload;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc = store_read(t->dirfd, STORE_KEY_FILE, STORE_TPM_KEK, &file, &payload, err);
    if (rc == EDGE_CONFLICT) {
        return edge_set(err, EDGE_HSM,
                        "'" STORE_KEY_FILE "' was made without a TPM or by later "
                        "software; " RECORD_GIVE_UP);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = tpm_store_kek_decode(payload, ret, err);
    if (rc == EDGE_PARSE) {
        rc = fs_set_aside(t->dirfd, STORE_KEY_FILE, NULL, 0, err);
        rc = rc == EDGE_OK ? EDGE_PARSE : rc;
    }
    return rc;
}

/* OK when nothing hangs from a store key, so that a new one takes nothing away. */
static enum edge_code check_nothing_there(struct tpm *t, struct edge_error *err) {
    bool any = false;

    enum edge_code rc = record_any(t->dirfd, true, &any, err);
    return rc == EDGE_OK && any ? record_key_lost(err) : rc;
}

static enum edge_code check_unseal(struct tpm *t, const struct tpm_kek *kek, const TPM2B_AUTH *auth,
                                   const struct secret *want, struct edge_error *err) {
    struct secret back SECRET_CLEANUP = {0};

    enum edge_code rc =
        tpm_unseal(t, &kek->key.pub, &kek->key.priv, &kek->binding, auth, &back, err);
    if (rc == EDGE_OK && !secret_equal(&back, want)) {
        rc = edge_set(err, EDGE_HSM, "the TPM gives another store key than it sealed");
    }
    return rc == EDGE_OK ? rc : edge_wrap(err, rc, "trying the newly sealed store key");
}

/* Seals, tries, writes, in this order. The old object gives out the same key, so what the disk held
 * of it is overwritten: unbound, it would open for whoever takes the machine away. */
static enum edge_code replace(struct tpm *t, const struct secret *key, const struct tpm_binding *b,
                              const TPM2B_AUTH *auth, struct edge_error *err) {
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0};
    struct tpm_kek kek = {.binding = *b, .key.parent = t->keys.srk.name}, back;

    buf_init(&bytes, STORE_PAYLOAD_MAX);
    enum edge_code rc = tpm_seal(t, key, b, auth, &kek.key.pub, &kek.key.priv, err);
    if (rc == EDGE_OK) {
        rc = tpm_store_kek_encode(&kek, &bytes, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_store_kek_decode(buf_slice(&bytes), &back, err);
    }
    if (rc == EDGE_OK) {
        rc = check_unseal(t, &back, NULL, key, err);
    }
    if (rc == EDGE_OK && auth != NULL) {
        rc = check_unseal(t, &back, auth, key, err);
    }
    if (rc == EDGE_OK) {
        rc = store_replace(t->dirfd, STORE_KEY_FILE, STORE_TPM_KEK, buf_slice(&bytes), err);
    }
    return rc == EDGE_OK ? read_file(t, &back, err) : rc;
}

static enum edge_code make(struct tpm *t, struct edge_error *err) {
    const struct tpm_binding nothing = {0};
    struct secret key SECRET_CLEANUP = {0};

    enum edge_code rc = check_nothing_there(t, err);
    if (rc == EDGE_OK) {
        rc = secret_alloc(&key, STORE_KEY_LEN, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_random(t, key.data, key.len, err);
    }
    if (rc == EDGE_OK) {
        rc = replace(t, &key, &nothing, NULL, err);
    }
    if (rc == EDGE_OK) {
        t->store_key = secret_take(&key);
    }
    return rc;
}

static enum edge_code check_parent(struct tpm *t, const struct tpm_kek *kek,
                                   struct edge_error *err) {
    if (tpm_name_eq(&kek->key.parent, &t->keys.srk.name)) {
        return EDGE_OK;
    }
    return edge_set(err, EDGE_HSM,
                    "'" STORE_KEY_FILE "' was sealed by another TPM, or before this one was "
                    "cleared; " RECORD_GIVE_UP);
}

static uint32_t changed(const struct tpm_binding *b, const struct tpm_pcr_values *before,
                        const struct tpm_pcr_values *now) {
    uint32_t pcrs = 0;

    for (size_t i = 0; i < HSM_PCR_CNT; i++) {
        if ((b->pcrs >> i & 1) != 0 && memcmp(before->value[i], now->value[i], HSM_PCR_LEN) != 0) {
            pcrs |= UINT32_C(1) << i;
        }
    }
    return pcrs;
}

/* Requests of modules may come by the thousand: one of them asks the TPM per pause. */
static enum edge_code remember_locked(struct tpm *t, const char *pcrs, struct edge_error *err) {
    enum edge_code rc =
        edge_set(&t->store_locked, EDGE_HSM,
                 "PCR %s changed since the sealed store was bound. If the firmware "
                 "was changed on purpose: iotedge tpm reseal --recover; " RECORD_GIVE_UP,
                 pcrs);

    t->store_locked_ms = clock_mono_ms() + LOCKED_PAUSE_MS;
    if (err != NULL) {
        *err = t->store_locked;
    }
    return rc;
}

/* Asks the TPM for the values first: its refusal would not tell which one is another. */
static enum edge_code check_pcrs(struct tpm *t, const struct tpm_binding *b,
                                 struct edge_error *err) {
    struct tpm_pcr_values now;
    char text[96];

    if (b->pcrs == 0) {
        return EDGE_OK;
    }
    enum edge_code rc = tpm_pcr_read(t, b->pcrs, &now, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    const uint32_t pcrs = changed(b, &b->now, &now);
    if (pcrs == 0 || (b->has_planned && changed(b, &b->planned, &now) == 0)) {
        return EDGE_OK;
    }
    tpm_policy_pcr_text(pcrs, text, sizeof(text));
    return remember_locked(t, text, err);
}

static enum edge_code open_by_pcrs(struct tpm *t, const struct tpm_kek *kek,
                                   struct edge_error *err) {
    struct edge_error why = {0};

    enum edge_code rc = check_parent(t, kek, err);
    if (rc == EDGE_OK) {
        rc = check_pcrs(t, &kek->binding, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = tpm_unseal(t, &kek->key.pub, &kek->key.priv, &kek->binding, NULL, &t->store_key, &why);
    if (rc == EDGE_DENIED && tpm_rc_describe((TSS2_RC)why.native).recovery == TPM_RECOVERY_NONE) {
        return edge_set(err, EDGE_HSM, "the TPM does not open '" STORE_KEY_FILE "' (%.100s); %s",
                        edge_error_text(&why), RECORD_GIVE_UP);
    }
    if (rc != EDGE_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

enum edge_code tpm_store_key_get(struct tpm *t, const struct secret **ret, struct edge_error *err) {
    struct tpm_kek kek;
    enum edge_code rc = EDGE_OK;

    if (t->store_key.data == NULL && clock_mono_ms() < t->store_locked_ms) {
        if (err != NULL) {
            *err = t->store_locked;
        }
        return EDGE_HSM;
    }
    if (t->store_key.data == NULL) {
        rc = read_file(t, &kek, err);
        if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
            rc = make(t, err);
        } else if (rc == EDGE_OK) {
            rc = open_by_pcrs(t, &kek, err);
        }
    }
    if (rc == EDGE_OK) {
        *ret = &t->store_key;
    }
    return rc;
}

enum edge_code tpm_store_key_look(struct tpm *t, struct hsm_store_info *ret,
                                  struct edge_error *err) {
    struct edge_error why = {0};
    struct tpm_kek kek;

    *ret = (struct hsm_store_info){0};
    enum edge_code rc = read_file(t, &kek, &why);
    if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
        rc = check_nothing_there(t, &why);
        if (rc == EDGE_OK) {
            (void)snprintf(ret->text, sizeof(ret->text),
                           "there is no store yet; the first secret makes one");
            return EDGE_OK;
        }
    }
    if (rc == EDGE_HSM) {
        (void)snprintf(ret->text, sizeof(ret->text), "%s", edge_error_text(&why));
        return EDGE_OK;
    }
    if (rc != EDGE_OK) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    ret->exists = true;
    ret->pcrs = kek.binding.pcrs;
    ret->bound = ret->recoverable = kek.binding.pcrs != 0;
    ret->planned = kek.binding.has_planned;
    return EDGE_OK;
}

static enum edge_code bind_to(struct tpm *t, const struct hsm_reseal *how, struct tpm_binding *ret,
                              struct edge_error *err) {
    *ret = (struct tpm_binding){.pcrs = how->pcrs};
    if (how->pcrs == 0) {
        return EDGE_OK;
    }
    enum edge_code rc = tpm_pcr_read(t, how->pcrs, &ret->now, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    ret->planned = ret->now;
    for (size_t i = 0; i < how->planned_cnt; i++) {
        memcpy(ret->planned.value[how->planned[i].pcr], how->planned[i].digest, HSM_PCR_LEN);
    }
    ret->has_planned = changed(ret, &ret->now, &ret->planned) != 0;
    return EDGE_OK;
}

enum edge_code tpm_store_key_reseal(struct tpm *t, const struct hsm_reseal *how,
                                    struct edge_error *err) {
    const struct secret *key = NULL;
    struct tpm_binding binding;
    TPM2B_AUTH auth = {0};

    enum edge_code rc = tpm_store_key_get(t, &key, err);
    if (rc == EDGE_OK) {
        rc = bind_to(t, how, &binding, err);
    }
    if (rc == EDGE_OK && how->pcrs != 0) {
        rc = tpm_policy_recovery_auth(how->recovery, &auth, err);
    }
    if (rc == EDGE_OK) {
        rc = replace(t, key, &binding, how->pcrs != 0 ? &auth : NULL, err);
    }
    secret_wipe(&auth, sizeof(auth));
    return rc;
}

/* A store that is open already is opened once more: the operator learns whether the code is right.
 */
enum edge_code tpm_store_key_recover(struct tpm *t, const struct secret *recovery,
                                     struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};
    struct tpm_kek kek;
    TPM2B_AUTH auth = {0};

    enum edge_code rc = read_file(t, &kek, err);
    if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
        rc = check_nothing_there(t, err);
        return rc == EDGE_OK ? edge_set(err, EDGE_NOT_FOUND, "there is no sealed store") : rc;
    }
    if (rc == EDGE_OK && kek.binding.pcrs == 0) {
        return edge_set(err, EDGE_INVALID,
                        "the sealed store is not bound to PCRs; it needs no recovery code");
    }
    if (rc == EDGE_OK) {
        rc = check_parent(t, &kek, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_policy_recovery_auth(recovery, &auth, err);
    }
    if (rc == EDGE_OK) {
        rc = tpm_unseal(t, &kek.key.pub, &kek.key.priv, &kek.binding, &auth, &key, err);
    }
    secret_wipe(&auth, sizeof(auth));
    if (rc == EDGE_OK) {
        tpm_store_key_forget(t);
        t->store_key = secret_take(&key);
    }
    return rc;
}

enum edge_code tpm_store_key_set_dead_aside(struct tpm *t, const char *word,
                                            struct edge_error *err) {
    struct tpm_kek kek;

    enum edge_code rc = read_file(t, &kek, err);
    if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
        return EDGE_OK; /* what hangs from a lost one is for hsm_store_abandon */
    }
    if (rc == EDGE_OK && !tpm_name_eq(&kek.key.parent, &t->keys.srk.name)) {
        tpm_store_key_forget(t);
        rc = record_set_all_aside(t->dirfd, word, err);
    }
    return rc;
}

void tpm_store_key_forget(struct tpm *t) {
    secret_clear(&t->store_key);
    t->store_locked_ms = 0;
}
