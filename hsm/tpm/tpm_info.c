/* SPDX-License-Identifier: MIT */
/*
 * Diagnosis: looks at everything an operator asks about and changes nothing that lasts. What cannot
 * be read is left empty; the reason for missing keys is told.
 */
#include "tpm/tpm_cert.h"
#include "tpm/tpm_ctx.h"
#include "tpm/tpm_keys.h"
#include "tpm/tpm_nv.h"
#include "tpm/tpm_rc.h"
#include "tpm/tpm_tmpl.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 16 /* of a capability query that says there is more */

struct property_target {
    uint32_t property;
    uint32_t *value;
};

/* Four characters in a number, as TPM_PT_MANUFACTURER; blanks and control characters dropped. */
static void append_chars(char *out, size_t size, uint32_t value) {
    size_t len = strlen(out);

    for (int shift = 24; shift >= 0 && len + 1 < size; shift -= 8) {
        char ch = (char)(value >> shift & 0x7F);
        if (ch >= 0x20 && ch < 0x7F) {
            out[len++] = ch;
        }
    }
    out[len] = '\0';
}

static void trim(char *text) {
    size_t len = strlen(text);

    while (len > 0 && text[len - 1] == ' ') {
        text[--len] = '\0';
    }
}

static void note_property(struct hsm_tpm_info *info, uint32_t property, uint32_t value) {
    const struct property_target numbers[] = {
        {TPM2_PT_REVISION, &info->spec_revision},
        {TPM2_PT_FIRMWARE_VERSION_1, &info->firmware_1},
        {TPM2_PT_FIRMWARE_VERSION_2, &info->firmware_2},
        {TPM2_PT_LOCKOUT_COUNTER, &info->lockout_counter},
        {TPM2_PT_MAX_AUTH_FAIL, &info->lockout_max},
        {TPM2_PT_LOCKOUT_INTERVAL, &info->lockout_interval_s},
        {TPM2_PT_LOCKOUT_RECOVERY, &info->lockout_recovery_s},
    };

    for (size_t i = 0; i < EDGE_ARRAY_LEN(numbers); i++) {
        if (numbers[i].property == property) {
            *numbers[i].value = value;
        }
    }
    switch (property) {
    case TPM2_PT_FAMILY_INDICATOR:
        append_chars(info->spec_family, sizeof(info->spec_family), value);
        break;
    case TPM2_PT_MANUFACTURER:
        append_chars(info->manufacturer, sizeof(info->manufacturer), value);
        trim(info->manufacturer);
        break;
    case TPM2_PT_VENDOR_STRING_1:
    case TPM2_PT_VENDOR_STRING_2:
    case TPM2_PT_VENDOR_STRING_3:
    case TPM2_PT_VENDOR_STRING_4:
        append_chars(info->vendor, sizeof(info->vendor), value);
        break;
    case TPM2_PT_PERMANENT:
        info->owner_auth_set = (value & TPMA_PERMANENT_OWNERAUTHSET) != 0;
        info->endorsement_auth_set = (value & TPMA_PERMANENT_ENDORSEMENTAUTHSET) != 0;
        info->lockout_auth_set = (value & TPMA_PERMANENT_LOCKOUTAUTHSET) != 0;
        info->in_lockout = (value & TPMA_PERMANENT_INLOCKOUT) != 0;
        break;
    default:
        break;
    }
}

static enum edge_code read_properties(struct tpm_ctx *c, uint32_t first, struct hsm_tpm_info *info,
                                      struct edge_error *err) {
    bool more = true;

    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        TPMS_CAPABILITY_DATA *data EDGE_CLEANUP(tpm_cleanup) = NULL;
        TSS2_RC rc = tpm_ctx_capability(c, TPM2_CAP_TPM_PROPERTIES, first, TPM2_MAX_TPM_PROPERTIES,
                                        &more, &data);
        if (rc != TSS2_RC_SUCCESS) {
            return tpm_ctx_fail(c, rc, "TPM2_GetCapability", err);
        }
        const TPML_TAGGED_TPM_PROPERTY *list = &data->data.tpmProperties;
        if (list->count == 0 || list->count > TPM2_MAX_TPM_PROPERTIES) {
            break;
        }
        for (uint32_t i = 0; i < list->count; i++) {
            note_property(info, list->tpmProperty[i].property, list->tpmProperty[i].value);
        }
        uint32_t last = list->tpmProperty[list->count - 1].property;
        if (last < first || last == UINT32_MAX || (first < TPM2_PT_VAR && last >= TPM2_PT_VAR)) {
            break;
        }
        first = last + 1;
    }
    return EDGE_OK;
}

static const char *handle_text(uint32_t handle) {
    switch (handle) {
    case TPM_HANDLE_EK:
        return "endorsement key";
    case TPM_HANDLE_SRK:
        return "storage root key";
    case TPM_HANDLE_HUB:
        return "hub identity key";
    default:
        return "other";
    }
}

static enum edge_code read_handles(struct tpm_ctx *c, struct hsm_tpm_info *info,
                                   struct edge_error *err) {
    uint32_t first = TPM2_PERSISTENT_FIRST;
    bool more = true;

    for (int round = 0; more && round < ROUNDS_MAX; round++) {
        TPMS_CAPABILITY_DATA *data EDGE_CLEANUP(tpm_cleanup) = NULL;
        TSS2_RC rc =
            tpm_ctx_capability(c, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more, &data);
        if (rc != TSS2_RC_SUCCESS) {
            return tpm_ctx_fail(c, rc, "TPM2_GetCapability", err);
        }
        const TPML_HANDLE *list = &data->data.handles;
        for (uint32_t i = 0; i < list->count && i < TPM2_MAX_CAP_HANDLES; i++) {
            if (info->handle_cnt == HSM_HANDLES_MAX || list->handle[i] < first) {
                return EDGE_OK;
            }
            struct hsm_handle_info *h = &info->handles[info->handle_cnt++];
            h->handle = list->handle[i];
            (void)snprintf(h->what, sizeof(h->what), "%s", handle_text(h->handle));
            first = h->handle + 1;
        }
        if (list->count == 0) {
            break;
        }
    }
    return EDGE_OK;
}

static void take_key(const struct tpm_key *key, uint8_t *bytes, size_t *len, bool *persistent,
                     uint8_t *name, size_t *name_len) {
    if (key->name.len == 0 || tpm_public_marshal(&key->pub, bytes, len, NULL) != EDGE_OK) {
        return;
    }
    *persistent = key->persistent;
    memcpy(name, key->name.bytes, key->name.len);
    *name_len = key->name.len;
}

static void read_keys(struct tpm_ctx *c, enum hsm_ek_template kind, struct hsm_tpm_info *info) {
    struct buf der EDGE_CLEANUP(buf_clear) = {0};
    struct edge_error why = {0};
    struct tpm_keys keys;

    tpm_keys_init(&keys);
    tpm_keys_look(c, &keys, kind, &why);
    take_key(&keys.ek, info->keys.ek, &info->keys.ek_len, &info->ek_persistent, info->ek_name,
             &info->ek_name_len);
    take_key(&keys.srk, info->keys.srk, &info->keys.srk_len, &info->srk_persistent, info->srk_name,
             &info->srk_name_len);
    if (info->keys.ek_len != 0 && hsm_registration_id(info->keys.ek, info->keys.ek_len,
                                                      info->registration_id, &why) != EDGE_OK) {
        info->registration_id[0] = '\0';
    }
    if (info->keys.ek_len == 0 || info->keys.srk_len == 0) {
        (void)snprintf(info->keys_missing, sizeof(info->keys_missing), "%s", edge_error_text(&why));
    }
    const enum hsm_state state = c->state;
    buf_init(&der, HSM_CERT_MAX);
    if (tpm_nv_read(c, TPM_NV_EK_CERT, &der, NULL) == EDGE_OK) {
        tpm_cert_read(buf_slice(&der), info->keys.ek_len != 0 ? &keys.ek.pub : NULL, info);
    } else {
        c->state = state; /* no certificate says nothing about the device */
    }
    tpm_keys_clear(c, &keys);
}

/* First command of a probe: a TPM without resource manager may still want to be started. */
static enum edge_code first_contact(struct tpm_ctx *c, struct edge_error *err) {
    uint32_t family;
    struct edge_error local = {0};

    enum edge_code rc = tpm_ctx_property(c, TPM2_PT_FAMILY_INDICATOR, &family, &local);
    if (rc != EDGE_OK && local.domain == EDGE_DOMAIN_TSS &&
        tpm_rc_describe((TSS2_RC)local.native).recovery == TPM_RECOVERY_STARTUP &&
        Esys_Startup(c->esys, TPM2_SU_CLEAR) == TSS2_RC_SUCCESS) {
        rc = tpm_ctx_property(c, TPM2_PT_FAMILY_INDICATOR, &family, &local);
    }
    if (rc != EDGE_OK && err != NULL) {
        *err = local;
    }
    return rc;
}

static enum edge_code probe(struct tpm_ctx *c, enum hsm_ek_template kind, struct hsm_tpm_info *info,
                            struct edge_error *err) {
    (void)snprintf(info->tcti, sizeof(info->tcti), "%s", c->tcti_conf);
    (void)snprintf(info->node, sizeof(info->node), "%s", c->node);
    enum edge_code rc = tpm_ctx_open(c, err);
    if (rc == EDGE_OK) {
        rc = first_contact(c, err);
    }
    if (rc == EDGE_OK) {
        rc = read_properties(c, TPM2_PT_FIXED, info, err);
    }
    if (rc == EDGE_OK) {
        rc = read_properties(c, TPM2_PT_VAR, info, err);
    }
    if (rc == EDGE_OK) {
        rc = read_handles(c, info, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    trim(info->vendor);
    c->state = HSM_STATE_READY;
    read_keys(c, kind, info);
    if (info->in_lockout) {
        c->state = HSM_STATE_LOCKOUT;
    }
    return EDGE_OK;
}

enum edge_code hsm_probe(const struct hsm_config *cfg, struct hsm_tpm_info *ret,
                         enum hsm_state *ret_state, struct edge_error *err) {
    struct tpm_ctx ctx;
    struct hsm_tpm_info info = {0};

    *ret_state = HSM_STATE_UNTRIED;
    enum edge_code rc = tpm_ctx_init(&ctx, cfg, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = probe(&ctx, cfg->ek_template, &info, err);
    *ret_state = ctx.state == HSM_STATE_UNTRIED ? HSM_STATE_FAILED : ctx.state;
    tpm_ctx_clear(&ctx);
    if (rc == EDGE_OK) {
        *ret = info;
    }
    return rc;
}
