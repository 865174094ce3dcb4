/* SPDX-License-Identifier: MIT */
/*
 * ESYS context and sessions. Knows nothing of particular keys.
 */
#include "tpm/tpm_ctx.h"

#include "auth_file.h"
#include "tpm/tpm_rc.h"

#include "base/clock.h"
#include "base/secret.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The TSS libraries print warnings to stderr by themselves, at first use, as this variable says.
 * What they have to say reaches our caller as an error; an operator who debugs may still set it.
 * Done before main() because changing the environment later is not safe next to other threads. */
__attribute__((constructor)) static void quiet_tss(void) {
    (void)setenv("TSS2_LOG", "all+none", 0);
}

static enum edge_code copy_path(const char *from, char **to, struct edge_error *err) {
    if (from == NULL) {
        return EDGE_OK;
    }
    *to = strdup(from);
    return *to != NULL ? EDGE_OK : edge_set(err, EDGE_NOMEM, "out of memory");
}

enum edge_code tpm_ctx_init(struct tpm_ctx *c, const struct hsm_config *cfg,
                            struct edge_error *err) {
    *c = (struct tpm_ctx){.session = ESYS_TR_NONE};
    enum edge_code rc = tpm_node_check(cfg->tcti, cfg->allow_emulator, c->node, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    (void)snprintf(c->tcti_conf, sizeof(c->tcti_conf), "%s", cfg->tcti);
    rc = copy_path(cfg->owner_auth_file, &c->owner_auth_file, err);
    if (rc == EDGE_OK) {
        rc = copy_path(cfg->endorsement_auth_file, &c->endorsement_auth_file, err);
    }
    if (rc != EDGE_OK) {
        tpm_ctx_clear(c);
    }
    return rc;
}

void tpm_ctx_clear(struct tpm_ctx *c) {
    tpm_ctx_close(c);
    free(c->owner_auth_file);
    free(c->endorsement_auth_file);
    c->owner_auth_file = NULL;
    c->endorsement_auth_file = NULL;
}

static enum edge_code set_hierarchy_auth(struct tpm_ctx *c, ESYS_TR hierarchy, const char *path,
                                         struct edge_error *err) {
    struct secret password SECRET_CLEANUP = {0};
    TPM2B_AUTH auth = {0};

    if (path == NULL) {
        return EDGE_OK;
    }
    enum edge_code rc = auth_file_read(path, TPM_AUTH_FILE_MAX, &password, err);
    if (rc != EDGE_OK) {
        c->state = HSM_STATE_AUTH_WRONG;
        return rc;
    }
    auth.size = (UINT16)password.len;
    memcpy(auth.buffer, password.data, password.len);
    TSS2_RC trc = Esys_TR_SetAuth(c->esys, hierarchy, &auth);
    secret_wipe(&auth, sizeof(auth));
    return trc == TSS2_RC_SUCCESS ? EDGE_OK : tpm_ctx_fail(c, trc, "setting a password", err);
}

/* The library keeps the passwords in ordinary memory and does not wipe it. */
static void wipe_hierarchy_auth(struct tpm_ctx *c) {
    const TPM2B_AUTH none = {0};

    if (c->owner_auth_file != NULL) {
        (void)Esys_TR_SetAuth(c->esys, ESYS_TR_RH_OWNER, &none);
    }
    if (c->endorsement_auth_file != NULL) {
        (void)Esys_TR_SetAuth(c->esys, ESYS_TR_RH_ENDORSEMENT, &none);
    }
}

static enum edge_code explain_open(struct tpm_ctx *c, TSS2_RC rc, struct edge_error *err) {
    if (rc == TSS2_TCTI_RC_MEMORY) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    if (c->node[0] != '\0') {
        struct tpm_node_facts facts;
        tpm_node_look(c->node, &facts);
        return tpm_node_explain(&facts, &c->state, err);
    }
    c->state = HSM_STATE_NO_DEVICE;
    return edge_set_native(err, EDGE_NOT_FOUND, EDGE_DOMAIN_TSS, (int64_t)rc,
                           "no TPM answers at '%s' (0x%x)", c->tcti_conf, (unsigned)rc);
}

static enum edge_code connect_tpm(struct tpm_ctx *c, struct edge_error *err) {
    TSS2_RC rc = tpm_tcti_open(c->tcti_conf, &c->command_cnt, &c->tcti);
    if (rc != TSS2_RC_SUCCESS) {
        return explain_open(c, rc, err);
    }
    rc = Esys_Initialize(&c->esys, tpm_tcti_context(c->tcti), NULL);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_tcti_close(c->tcti);
        c->tcti = NULL;
        c->esys = NULL;
        return tpm_ctx_fail(c, rc, "opening the TPM library", err);
    }
    enum edge_code code = set_hierarchy_auth(c, ESYS_TR_RH_OWNER, c->owner_auth_file, err);
    if (code == EDGE_OK) {
        code = set_hierarchy_auth(c, ESYS_TR_RH_ENDORSEMENT, c->endorsement_auth_file, err);
    }
    if (code != EDGE_OK) {
        tpm_ctx_close(c);
    }
    return code;
}

enum edge_code tpm_ctx_open(struct tpm_ctx *c, struct edge_error *err) {
    struct edge_error local = {0};

    if (c->esys != NULL) {
        return EDGE_OK;
    }
    uint64_t now = clock_mono_ms();
    if (now < c->failed_until_ms) {
        if (err != NULL) {
            *err = c->failed;
        }
        c->state = c->failed_state;
        return c->failed.code;
    }
    enum edge_code rc = connect_tpm(c, &local);
    if (rc != EDGE_OK) {
        /* Many requests may wait for the same dead device: let one of them try per pause. */
        c->failed = local;
        c->failed_state = c->state;
        c->failed_until_ms = now + TPM_REOPEN_PAUSE_MS;
        if (err != NULL) {
            *err = local;
        }
    }
    return rc;
}

void tpm_ctx_close(struct tpm_ctx *c) {
    if (c->esys != NULL) {
        tpm_ctx_flush(c, &c->session);
        wipe_hierarchy_auth(c);
        Esys_Finalize(&c->esys);
    }
    tpm_tcti_close(c->tcti);
    c->tcti = NULL;
    c->esys = NULL;
    c->session = ESYS_TR_NONE;
}

enum edge_code tpm_ctx_fail(struct tpm_ctx *c, TSS2_RC rc, const char *what,
                            struct edge_error *err) {
    struct tpm_rc_info info = tpm_rc_describe(rc);

    if (info.state != HSM_STATE_READY) {
        c->state = info.state;
    }
    if (info.recovery == TPM_RECOVERY_REOPEN && c->tcti != NULL && tpm_tcti_timed_out(c->tcti)) {
        return edge_set_native(err, EDGE_TIMEOUT, EDGE_DOMAIN_TSS, (int64_t)rc,
                               "%s: the TPM did not answer in time", what);
    }
    return tpm_rc_set(err, rc, what);
}

enum edge_code tpm_ctx_fail_auth(struct tpm_ctx *c, TSS2_RC rc, ESYS_TR hierarchy, const char *what,
                                 struct edge_error *err) {
    TSS2_RC base = tpm_rc_base(rc);
    bool owner = hierarchy == ESYS_TR_RH_OWNER;
    const char *name = owner ? "owner" : "endorsement";
    const char *file = owner ? c->owner_auth_file : c->endorsement_auth_file;

    if (base != TPM2_RC_BAD_AUTH && base != TPM2_RC_AUTH_FAIL) {
        return tpm_ctx_fail(c, rc, what, err);
    }
    c->state = HSM_STATE_AUTH_WRONG;
    if (file == NULL) {
        return edge_set_native(
            err, EDGE_DENIED, EDGE_DOMAIN_TSS, (int64_t)rc,
            "%s: the %s hierarchy of the TPM has a password; name a file with it "
            "(tpm.%s_auth_file)",
            what, name, name);
    }
    return edge_set_native(err, EDGE_DENIED, EDGE_DOMAIN_TSS, (int64_t)rc,
                           "%s: the password in '%s' is not the one of the TPM's %s hierarchy",
                           what, file, name);
}

void tpm_ctx_flush(struct tpm_ctx *c, ESYS_TR *tr) {
    TPM2_HANDLE handle;

    if (*tr != ESYS_TR_NONE && c->esys != NULL) {
        /* Not by the library: it refuses every command after an answer that it could not read. */
        if (Esys_TR_GetTpmHandle(c->esys, *tr, &handle) == TSS2_RC_SUCCESS) {
            tpm_tcti_flush(c->tcti, handle);
        }
        (void)Esys_TR_Close(c->esys, tr);
    }
    *tr = ESYS_TR_NONE;
}

void tpm_ctx_forget(struct tpm_ctx *c, ESYS_TR *tr) {
    if (*tr != ESYS_TR_NONE && c->esys != NULL) {
        (void)Esys_TR_Close(c->esys, tr);
    }
    *tr = ESYS_TR_NONE;
}

static void flush_listed(struct tpm_ctx *c, uint32_t first) {
    TPMS_CAPABILITY_DATA *data EDGE_CLEANUP(tpm_cleanup) = NULL;
    bool more;

    if (tpm_ctx_capability(c, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more, &data) !=
        TSS2_RC_SUCCESS) {
        return;
    }
    const TPML_HANDLE *list = &data->data.handles;
    for (uint32_t i = 0; i < list->count && i < TPM2_MAX_CAP_HANDLES; i++) {
        tpm_tcti_flush(c->tcti, list->handle[i]);
        if (first == TPM2_LOADED_SESSION_FIRST) {
            /* The list does not tell the type of a session, which is part of its handle. */
            tpm_tcti_flush(c->tcti,
                           (list->handle[i] & TPM2_HR_HANDLE_MASK) | TPM2_HR_POLICY_SESSION);
        }
    }
}

void tpm_ctx_flush_leftovers(struct tpm_ctx *c) {
    tpm_ctx_flush(c, &c->session);
    flush_listed(c, TPM2_TRANSIENT_FIRST);
    flush_listed(c, TPM2_LOADED_SESSION_FIRST);
}

enum edge_code tpm_ctx_session(struct tpm_ctx *c, ESYS_TR key, TPM2_SE type, ESYS_TR *ret,
                               struct edge_error *err) {
    const TPMT_SYM_DEF sym = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    const TPMA_SESSION flags =
        TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
    ESYS_TR tr = ESYS_TR_NONE;

    TSS2_RC rc = Esys_StartAuthSession(c->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, type, &sym, TPM2_ALG_SHA256, &tr);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_StartAuthSession", err);
    }
    rc = Esys_TRSess_SetAttributes(c->esys, tr, flags, 0xFF);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_ctx_flush(c, &tr);
        return tpm_ctx_fail(c, rc, "session attributes", err);
    }
    *ret = tr;
    return EDGE_OK;
}

TSS2_RC tpm_ctx_capability(struct tpm_ctx *c, TPM2_CAP cap, uint32_t first, uint32_t cnt,
                           bool *ret_more, TPMS_CAPABILITY_DATA **ret) {
    TPMI_YES_NO more = 0;

    /* Neither parameter of this command can be encrypted: a session that only encrypts would be
     * refused, one that audits makes the answer authentic. */
    if (c->session != ESYS_TR_NONE) {
        TSS2_RC rc =
            Esys_TRSess_SetAttributes(c->esys, c->session, TPMA_SESSION_AUDIT, TPMA_SESSION_AUDIT);
        if (rc != TSS2_RC_SUCCESS) {
            return rc;
        }
    }
    TSS2_RC rc = Esys_GetCapability(c->esys, c->session, ESYS_TR_NONE, ESYS_TR_NONE, cap, first,
                                    cnt, &more, ret);
    if (c->session != ESYS_TR_NONE) {
        (void)Esys_TRSess_SetAttributes(c->esys, c->session, 0, TPMA_SESSION_AUDIT);
    }
    if (rc == TSS2_RC_SUCCESS && (*ret)->capability != cap) {
        tpm_cleanup(ret);
        *ret = NULL;
        return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    }
    *ret_more = more != 0;
    return rc;
}

enum edge_code tpm_ctx_property(struct tpm_ctx *c, uint32_t property, uint32_t *ret_value,
                                struct edge_error *err) {
    TPMS_CAPABILITY_DATA *data EDGE_CLEANUP(tpm_cleanup) = NULL;
    bool more;

    TSS2_RC rc = tpm_ctx_capability(c, TPM2_CAP_TPM_PROPERTIES, property, 1, &more, &data);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_GetCapability", err);
    }
    const TPML_TAGGED_TPM_PROPERTY *list = &data->data.tpmProperties;
    if (list->count != 1 || list->tpmProperty[0].property != property) {
        return edge_set(err, EDGE_NOT_FOUND, "the TPM does not tell property 0x%x",
                        (unsigned)property);
    }
    *ret_value = list->tpmProperty[0].value;
    return EDGE_OK;
}

void tpm_cleanup(void *pp) {
    void *p;

    memcpy(&p, pp, sizeof(p));
    if (p != NULL) {
        secret_wipe(p, malloc_usable_size(p));
        free(p);
    }
}
