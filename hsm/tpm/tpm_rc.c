/* SPDX-License-Identifier: MIT */
/*
 * TSS2_RC to edge_error, hsm_state and recovery. Values are compared layer by layer: the same low
 * bits mean different things in a TPM, in the resource manager and in the TSS libraries.
 */
#include "tpm/tpm_rc.h"

#include <tss2/tss2_tpm2_types.h>

#include <stddef.h>

#define FMT1_BIT  0x080u /* response carries a parameter, handle or session number */
#define FMT1_CODE 0x0BFu
#define FMT0_CODE 0xFFFu

struct row {
    TSS2_RC rc;
    struct tpm_rc_info info;
};

/* clang-format off */
static const struct row tpm_rows[] = {
    {TPM2_RC_LOCKOUT, {EDGE_HSM, HSM_STATE_LOCKOUT, TPM_RECOVERY_NONE,
        "the TPM is locked out after too many wrong passwords; wait for its recovery time or reset the "
        "counter (tpm2_dictionarylockout -c)"}},
    {TPM2_RC_BAD_AUTH, {EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_REBUILD,
        "the object has a password that we do not have"}},
    {TPM2_RC_AUTH_FAIL, {EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_REBUILD,
        "the object has a password that we do not have"}},
    {TPM2_RC_AUTH_MISSING, {EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the TPM wants an authorization"}},
    {TPM2_RC_AUTH_UNAVAILABLE, {EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the key does not allow use by password"}},
    {TPM2_RC_POLICY_FAIL, {EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the policy of the key is not fulfilled"}},
    {TPM2_RC_HIERARCHY, {EDGE_DENIED, HSM_STATE_FAILED, TPM_RECOVERY_NONE,
        "the hierarchy is disabled in this TPM; enable it in the firmware setup"}},
    {TPM2_RC_DISABLED, {EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_NONE,
        "the command is disabled in this TPM"}},
    {TPM2_RC_INTEGRITY, {EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "made for another TPM key, or damaged"}},
    {TPM2_RC_HANDLE, {EDGE_NOT_FOUND, HSM_STATE_READY, TPM_RECOVERY_REBUILD,
        "no object at this handle"}},
    {TPM2_RC_VALUE, {EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the TPM refused a value"}},
    {TPM2_RC_SIZE, {EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the TPM refused a size"}},
    {TPM2_RC_ATTRIBUTES, {EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the attributes of the object do not allow this"}},
    {TPM2_RC_SCHEME, {EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the TPM does not support this signing scheme"}},
    {TPM2_RC_NV_DEFINED, {EDGE_EXISTS, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the persistent handle is occupied"}},
    {TPM2_RC_NV_SPACE, {EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the TPM has no room for another persistent object; list them with tpm2_getcap "
        "handles-persistent and evict what nobody needs (tpm2_evictcontrol)"}},
    {TPM2_RC_NV_LOCKED, {EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the NV index is locked"}},
    {TPM2_RC_COMMAND_CODE, {EDGE_UNSUPPORTED, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "this TPM does not know the command"}},
    {TPM2_RC_OBJECT_MEMORY, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH,
        "the TPM has no free object slot; a program without a resource manager left objects loaded: "
        "remove them (tpm2_flushcontext -t -T device:/dev/tpm0) and let it use /dev/tpmrm0"}},
    {TPM2_RC_SESSION_MEMORY, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH,
        "the TPM has no free session slot; a program without a resource manager left sessions open: "
        "remove them (tpm2_flushcontext -l -T device:/dev/tpm0) and let it use /dev/tpmrm0"}},
    {TPM2_RC_MEMORY, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH,
        "the TPM is out of memory"}},
    {TPM2_RC_SESSION_HANDLES, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH,
        "the TPM has no free session handle; flush saved sessions (tpm2_flushcontext -s)"}},
    {TPM2_RC_OBJECT_HANDLES, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH,
        "the TPM has no free object handle"}},
    {TPM2_RC_CONTEXT_GAP, {EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_REBUILD,
        "the TPM ran out of session numbers"}},
    {TPM2_RC_INITIALIZE, {EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_STARTUP,
        "the TPM has not been started by the firmware"}},
    {TPM2_RC_REBOOT, {EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_NONE,
        "the TPM wants a reboot of the machine"}},
    {TPM2_RC_UPGRADE, {EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_NONE,
        "the TPM is in firmware upgrade mode"}},
    {TPM2_RC_FAILURE, {EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE,
        "the TPM reports a failure"}},
    {TPM2_RC_RETRY, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_NONE,
        "the TPM stayed busy too long"}},
    {TPM2_RC_YIELDED, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_NONE,
        "the TPM stayed busy too long"}},
    {TPM2_RC_CANCELED, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_NONE,
        "the command was canceled again and again"}},
    {TPM2_RC_TESTING, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_NONE,
        "the TPM is testing itself"}},
    {TPM2_RC_NV_RATE, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_NONE,
        "the TPM limits the rate of writes to its memory"}},
    {TPM2_RC_NV_UNAVAILABLE, {EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_NONE,
        "the memory of the TPM is not accessible at present"}},
};

static const struct row tss_rows[] = {
    {TSS2_TCTI_RC_NO_CONNECTION, {EDGE_IO, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN,
        "the connection to the TPM is lost"}},
    {TSS2_TCTI_RC_IO_ERROR, {EDGE_IO, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN,
        "input/output error on the way to the TPM; the kernel's log may tell more (dmesg | grep tpm)"}},
    {TSS2_TCTI_RC_MALFORMED_RESPONSE, {EDGE_PROTO, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN,
        "the TPM answered with malformed bytes"}},
    {TSS2_TCTI_RC_MEMORY, {EDGE_NOMEM, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN,
        "out of memory"}},
    {TSS2_ESYS_RC_MEMORY, {EDGE_NOMEM, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN,
        "out of memory"}},
    {TSS2_ESYS_RC_RSP_AUTH_FAILED, {EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN,
        "an answer of the TPM is not authentic: it was reset, or something sits between it and us"}},
};
/* clang-format on */

TSS2_RC tpm_rc_base(TSS2_RC rc) {
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;

    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER &&
        layer != TSS2_RESMGR_RC_LAYER) {
        return 0;
    }
    rc &= FMT0_CODE;
    if ((rc & FMT1_BIT) != 0) {
        return rc & FMT1_CODE;
    }
    return rc;
}

static bool is_reference(TSS2_RC base) {
    return base >= TPM2_RC_REFERENCE_H0 && base <= TPM2_RC_REFERENCE_S6;
}

static const struct tpm_rc_info *find(const struct row *rows, size_t cnt, TSS2_RC rc) {
    for (size_t i = 0; i < cnt; i++) {
        if (rows[i].rc == rc) {
            return &rows[i].info;
        }
    }
    return NULL;
}

struct tpm_rc_info tpm_rc_describe(TSS2_RC rc) {
    TSS2_RC base = tpm_rc_base(rc);
    const struct tpm_rc_info *info;

    if (rc == TSS2_RC_SUCCESS) {
        return (struct tpm_rc_info){EDGE_OK, HSM_STATE_READY, TPM_RECOVERY_NONE, "success"};
    }
    if (base == 0) {
        /* The TSS libraries wrap codes of the layer below under their own number. */
        TSS2_RC as_tcti = (rc & ~TSS2_RC_LAYER_MASK) | TSS2_TCTI_RC_LAYER;
        info = find(tss_rows, EDGE_ARRAY_LEN(tss_rows), rc);
        if (info == NULL && (as_tcti == TSS2_TCTI_RC_IO_ERROR || as_tcti == TSS2_TCTI_RC_MEMORY ||
                             as_tcti == TSS2_TCTI_RC_NO_CONNECTION)) {
            info = find(tss_rows, EDGE_ARRAY_LEN(tss_rows), as_tcti);
        }
        if (info != NULL) {
            return *info;
        }
        return (struct tpm_rc_info){EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN,
                                    "the TPM library gave up"};
    }
    if (is_reference(base)) {
        return (struct tpm_rc_info){EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_REBUILD,
                                    "a session or key is no longer loaded; the TPM was reset"};
    }
    info = find(tpm_rows, EDGE_ARRAY_LEN(tpm_rows), base);
    if (info != NULL) {
        return *info;
    }
    return (struct tpm_rc_info){EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE,
                                "the TPM refused the command"};
}

bool tpm_rc_is_transient(TSS2_RC rc) {
    switch (tpm_rc_base(rc)) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_CANCELED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
    case TPM2_RC_NV_UNAVAILABLE:
        return true;
    default:
        return false;
    }
}

enum edge_code tpm_rc_set(struct edge_error *err, TSS2_RC rc, const char *what) {
    struct tpm_rc_info info = tpm_rc_describe(rc);

    return edge_set_native(err, info.code, EDGE_DOMAIN_TSS, (int64_t)rc, "%s: %s (0x%x)", what,
                           info.text, (unsigned)rc);
}
