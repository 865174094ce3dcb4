/* SPDX-License-Identifier: MIT */
/*
 * EK and SRK. A key is made only when the TPM says in so many words that its handle is empty; any
 * other failure is reported, never answered with a new key. Nothing becomes persistent before its
 * name has been compared with the pinned one.
 */
#include "tpm/tpm_keys.h"

#include "tpm/tpm_nv.h"
#include "tpm/tpm_rc.h"
#include "tpm/tpm_tmpl.h"

#include <string.h>

struct slot_spec {
    TPM2_HANDLE handle;
    const char *name;
    ESYS_TR hierarchy;
    const char *(*check)(const TPM2B_PUBLIC *pub);
};

static const struct slot_spec ek_spec = {TPM_HANDLE_EK, "endorsement key", ESYS_TR_RH_ENDORSEMENT,
                                         tpm_tmpl_check_ek};
static const struct slot_spec srk_spec = {TPM_HANDLE_SRK, "storage root key", ESYS_TR_RH_OWNER,
                                          tpm_tmpl_check_srk};

void tpm_keys_init(struct tpm_keys *k) {
    *k = (struct tpm_keys){.ek.tr = ESYS_TR_NONE, .srk.tr = ESYS_TR_NONE};
}

static void key_clear(struct tpm_ctx *c, struct tpm_key *key) {
    if (key->persistent) {
        tpm_ctx_forget(c, &key->tr);
    } else {
        tpm_ctx_flush(c, &key->tr);
    }
    *key = (struct tpm_key){.tr = ESYS_TR_NONE};
}

void tpm_keys_clear(struct tpm_ctx *c, struct tpm_keys *k) {
    key_clear(c, &k->ek);
    key_clear(c, &k->srk);
}

static enum edge_code read_public(struct tpm_ctx *c, ESYS_TR tr, TPM2B_PUBLIC *ret,
                                  struct edge_error *err) {
    TPM2B_PUBLIC *pub EDGE_CLEANUP(tpm_cleanup) = NULL;

    if (c->session != ESYS_TR_NONE) {
        TSS2_RC rc =
            Esys_TRSess_SetAttributes(c->esys, c->session, TPMA_SESSION_AUDIT, TPMA_SESSION_AUDIT);
        if (rc != TSS2_RC_SUCCESS) {
            return tpm_ctx_fail(c, rc, "session attributes", err);
        }
    }
    TSS2_RC rc =
        Esys_ReadPublic(c->esys, tr, c->session, ESYS_TR_NONE, ESYS_TR_NONE, &pub, NULL, NULL);
    if (c->session != ESYS_TR_NONE) {
        (void)Esys_TRSess_SetAttributes(c->esys, c->session, 0, TPMA_SESSION_AUDIT);
    }
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_ReadPublic", err);
    }
    *ret = *pub;
    return EDGE_OK;
}

enum edge_code tpm_keys_read(struct tpm_ctx *c, TPM2_HANDLE handle, struct tpm_key *ret,
                             bool *ret_found, struct edge_error *err) {
    struct tpm_key key = {.tr = ESYS_TR_NONE, .persistent = true};

    TSS2_RC rc =
        Esys_TR_FromTPMPublic(c->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key.tr);
    if (tpm_rc_base(rc) == TPM2_RC_HANDLE) {
        *ret_found = false;
        return EDGE_OK;
    }
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_ReadPublic", err);
    }
    enum edge_code code = read_public(c, key.tr, &key.pub, err);
    if (code != EDGE_OK) {
        tpm_ctx_forget(c, &key.tr);
        return code;
    }
    /* Objects of other software may have names that we cannot compute; their checks will refuse
     * them. */
    if (tpm_public_name(&key.pub, &key.name, err) != EDGE_OK) {
        key.name.len = 0;
    }
    *ret = key;
    *ret_found = true;
    return EDGE_OK;
}

static enum edge_code find(struct tpm_ctx *c, const struct slot_spec *spec, struct tpm_key *key,
                           struct edge_error *err) {
    bool found = false;

    enum edge_code rc = tpm_keys_read(c, spec->handle, key, &found, err);
    if (rc != EDGE_OK || !found) {
        return rc;
    }
    const char *why = spec->check(&key->pub);
    if (why == NULL) {
        return EDGE_OK;
    }
    key_clear(c, key);
    c->state = HSM_STATE_BAD_OBJECT;
    return edge_set(
        err, EDGE_HSM,
        "the object at 0x%08x cannot serve as %s: %s. If nothing else needs it, remove it "
        "(tpm2_evictcontrol -c 0x%08x)",
        (unsigned)spec->handle, spec->name, why, (unsigned)spec->handle);
}

static enum edge_code create_primary(struct tpm_ctx *c, ESYS_TR hierarchy, ESYS_TR session,
                                     const TPM2B_PUBLIC *tmpl, struct tpm_key *ret,
                                     struct edge_error *err) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    TPM2B_PUBLIC *pub EDGE_CLEANUP(tpm_cleanup) = NULL;
    struct tpm_key key = {.tr = ESYS_TR_NONE};

    TSS2_RC rc =
        Esys_CreatePrimary(c->esys, hierarchy, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                           tmpl, &outside, &pcrs, &key.tr, &pub, NULL, NULL, NULL);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail_auth(c, rc, hierarchy, "TPM2_CreatePrimary", err);
    }
    key.pub = *pub;
    enum edge_code code = tpm_public_name(&key.pub, &key.name, err);
    if (code != EDGE_OK) {
        tpm_ctx_flush(c, &key.tr);
        return code;
    }
    *ret = key;
    return EDGE_OK;
}

/* Session for the commands before the storage key is there. Salted with the EK if it is, else with
 * a short-lived key of the null hierarchy, so that no password enters an HMAC that a listener could
 * attack offline. A TPM without P-256 gets an unsalted session: still no password on the wire. */
static enum edge_code bootstrap(struct tpm_ctx *c, const struct tpm_keys *k, ESYS_TR *ret,
                                struct edge_error *err) {
    struct tpm_key helper = {.tr = ESYS_TR_NONE};
    TPM2B_PUBLIC tmpl;
    ESYS_TR salt = k->srk.persistent ? k->srk.tr : k->ek.persistent ? k->ek.tr : ESYS_TR_NONE;

    if (salt == ESYS_TR_NONE) {
        tpm_tmpl_bootstrap(&tmpl);
        enum edge_code rc =
            create_primary(c, ESYS_TR_RH_NULL, ESYS_TR_PASSWORD, &tmpl, &helper, err);
        if (rc == EDGE_IO || rc == EDGE_PROTO || rc == EDGE_TIMEOUT || rc == EDGE_NOMEM) {
            return rc;
        }
        salt = helper.tr;
    }
    enum edge_code rc = tpm_ctx_session(c, salt, TPM2_SE_HMAC, ret, err);
    tpm_ctx_flush(c, &helper.tr);
    return rc;
}

/* Makes the key as a transient object: the configured variant, or with a pin whichever variant has
 * the pinned name, so that a key that other software made before and that was evicted is found
 * again. */
static enum edge_code make(struct tpm_ctx *c, const struct slot_spec *spec, ESYS_TR session,
                           enum hsm_ek_template kind, const struct tpm_name *pin,
                           struct tpm_key *ret, struct edge_error *err) {
    const enum hsm_ek_template other =
        kind == HSM_EK_TCG_L1 ? HSM_EK_LEGACY_UNIQUE0 : HSM_EK_TCG_L1;
    const enum hsm_ek_template order[] = {kind, other};
    TPM2B_PUBLIC tmpl;

    for (size_t i = 0; i < EDGE_ARRAY_LEN(order); i++) {
        if (spec == &ek_spec) {
            if (order[i] != HSM_EK_TCG_L1 || !tpm_nv_ek_template(c, &tmpl)) {
                tpm_tmpl_ek(order[i], &tmpl);
            }
        } else {
            tpm_tmpl_srk(order[i], &tmpl);
        }
        enum edge_code rc = create_primary(c, spec->hierarchy, session, &tmpl, ret, err);
        if (rc != EDGE_OK || pin->len == 0 || tpm_name_eq(pin, &ret->name)) {
            return rc;
        }
        if (i + 1 < EDGE_ARRAY_LEN(order)) {
            key_clear(c, ret);
        }
    }
    return EDGE_OK; /* some key; the caller compares its name */
}

static enum edge_code persist(struct tpm_ctx *c, const struct slot_spec *spec, ESYS_TR session,
                              struct tpm_key *key, struct edge_error *err) {
    ESYS_TR tr = ESYS_TR_NONE;

    TSS2_RC rc = Esys_EvictControl(c->esys, ESYS_TR_RH_OWNER, key->tr, session, ESYS_TR_NONE,
                                   ESYS_TR_NONE, spec->handle, &tr);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail_auth(c, rc, ESYS_TR_RH_OWNER, "TPM2_EvictControl", err);
    }
    tpm_ctx_flush(c, &key->tr);
    key->tr = tr;
    key->persistent = true;
    return EDGE_OK;
}

static enum edge_code refuse(struct tpm_ctx *c, enum hsm_state state, const char *pins_path,
                             struct edge_error *err) {
    c->state = state;
    return edge_set(
        err, EDGE_HSM,
        state == HSM_STATE_REPLACED
            ? "this is another TPM than the one pinned in '%.80s'. To accept it, enroll its "
              "endorsement key (iotedge tpm info), then run: iotedge tpm accept-change"
            : "the TPM was cleared: its storage key is not the one pinned in '%.80s', keys made "
              "before are lost. To accept it, run: iotedge tpm accept-change",
        pins_path);
}

static bool differs(const struct tpm_name *pin, const struct tpm_key *key) {
    return pin->len != 0 && key->tr != ESYS_TR_NONE && !tpm_name_eq(pin, &key->name);
}

/* Second half of establish: makes what is missing, through a session that is flushed afterwards. */
static enum edge_code complete(struct tpm_ctx *c, struct tpm_keys *k, enum hsm_ek_template kind,
                               const struct tpm_pins *pins, const char *pins_path, ESYS_TR session,
                               struct edge_error *err) {
    enum edge_code rc = EDGE_OK;

    if (k->ek.tr == ESYS_TR_NONE) {
        rc = make(c, &ek_spec, session, kind, &pins->ek, &k->ek, err);
        if (rc == EDGE_OK && differs(&pins->ek, &k->ek)) {
            rc = refuse(c, HSM_STATE_REPLACED, pins_path, err);
        }
        if (rc == EDGE_OK) {
            rc = persist(c, &ek_spec, session, &k->ek, err);
        }
    }
    if (rc == EDGE_OK && differs(&pins->srk, &k->srk)) {
        rc = refuse(c, HSM_STATE_CLEARED, pins_path, err);
    }
    if (rc == EDGE_OK && k->srk.tr == ESYS_TR_NONE) {
        rc = make(c, &srk_spec, session, HSM_EK_TCG_L1, &pins->srk, &k->srk, err);
        if (rc == EDGE_OK && differs(&pins->srk, &k->srk)) {
            rc = refuse(c, HSM_STATE_CLEARED, pins_path, err);
        }
        if (rc == EDGE_OK) {
            rc = persist(c, &srk_spec, session, &k->srk, err);
        }
    }
    return rc;
}

enum edge_code tpm_keys_establish(struct tpm_ctx *c, struct tpm_keys *k, enum hsm_ek_template kind,
                                  const struct tpm_pins *pins, const char *pins_path,
                                  struct edge_error *err) {
    ESYS_TR session = ESYS_TR_NONE;

    enum edge_code rc = find(c, &ek_spec, &k->ek, err);
    if (rc == EDGE_OK && differs(&pins->ek, &k->ek)) {
        rc = refuse(c, HSM_STATE_REPLACED, pins_path, err);
    }
    if (rc == EDGE_OK) {
        rc = find(c, &srk_spec, &k->srk, err);
    }
    if (rc == EDGE_OK && k->ek.tr != ESYS_TR_NONE && differs(&pins->srk, &k->srk)) {
        rc = refuse(c, HSM_STATE_CLEARED, pins_path, err);
    }
    if (rc == EDGE_OK && (k->ek.tr == ESYS_TR_NONE || k->srk.tr == ESYS_TR_NONE)) {
        rc = bootstrap(c, k, &session, err);
        if (rc == EDGE_OK) {
            rc = complete(c, k, kind, pins, pins_path, session, err);
        }
        tpm_ctx_flush(c, &session);
    }
    if (rc != EDGE_OK) {
        tpm_keys_clear(c, k);
    }
    return rc;
}

static enum edge_code confirm_one(struct tpm_ctx *c, const struct tpm_key *key,
                                  struct edge_error *err) {
    TPM2B_PUBLIC pub;
    struct tpm_name name;

    enum edge_code rc = read_public(c, key->tr, &pub, err);
    if (rc == EDGE_OK) {
        rc = tpm_public_name(&pub, &name, err);
    }
    if (rc == EDGE_OK && !tpm_name_eq(&name, &key->name)) {
        c->state = HSM_STATE_FAILED;
        rc = edge_set(err, EDGE_HSM,
                      "the TPM showed different keys inside and outside the protected "
                      "session: something sits between it and us");
    }
    return rc;
}

enum edge_code tpm_keys_confirm(struct tpm_ctx *c, const struct tpm_keys *k,
                                struct edge_error *err) {
    enum edge_code rc = confirm_one(c, &k->srk, err);

    return rc == EDGE_OK ? confirm_one(c, &k->ek, err) : rc;
}

static void look_one(struct tpm_ctx *c, const struct slot_spec *spec, ESYS_TR session,
                     enum hsm_ek_template kind, struct tpm_key *key, struct edge_error *err) {
    const struct tpm_name no_pin = {0};

    if (key->tr == ESYS_TR_NONE && key->name.len == 0 &&
        make(c, spec, session, kind, &no_pin, key, err) == EDGE_OK) {
        tpm_ctx_flush(c, &key->tr);
    }
}

void tpm_keys_look(struct tpm_ctx *c, struct tpm_keys *k, enum hsm_ek_template kind,
                   struct edge_error *err) {
    ESYS_TR session = ESYS_TR_NONE;
    struct edge_error ignored;
    enum edge_code ek_rc = find(c, &ek_spec, &k->ek, err);
    enum edge_code srk_rc = find(c, &srk_spec, &k->srk, ek_rc == EDGE_OK ? err : &ignored);

    if ((ek_rc != EDGE_OK || k->ek.tr != ESYS_TR_NONE) &&
        (srk_rc != EDGE_OK || k->srk.tr != ESYS_TR_NONE)) {
        return;
    }
    if (bootstrap(c, k, &session, err) != EDGE_OK) {
        return;
    }
    if (ek_rc == EDGE_OK) {
        look_one(c, &ek_spec, session, kind, &k->ek, err);
    }
    if (srk_rc == EDGE_OK) {
        look_one(c, &srk_spec, session, HSM_EK_TCG_L1, &k->srk, err);
    }
    tpm_ctx_flush(c, &session);
}
