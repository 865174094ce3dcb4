/* SPDX-License-Identifier: MIT */
#include "guest/guest_raw.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#define SLOTS_MAX 16

struct raw {
    TSS2_TCTI_CONTEXT *io;
    ESYS_CONTEXT *esys;
};

static struct raw raw_open(const char *tcti) {
    struct raw r = {0};

    assert_int_equal(Tss2_TctiLdr_Initialize(tcti, &r.io), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_Initialize(&r.esys, r.io, NULL), TSS2_RC_SUCCESS);
    return r;
}

static void raw_close(struct raw *r) {
    Esys_Finalize(&r->esys);
    Tss2_TctiLdr_Finalize(&r->io);
}

static TPMS_CAPABILITY_DATA *list(struct raw *r, uint32_t first) {
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;

    assert_int_equal(Esys_GetCapability(r->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more,
                                        &data),
                     TSS2_RC_SUCCESS);
    return data;
}

static size_t count(struct raw *r, uint32_t first) {
    TPMS_CAPABILITY_DATA *data = list(r, first);
    size_t cnt = data->data.handles.count;

    Esys_Free(data);
    return cnt;
}

struct raw_counts raw_count(const char *tcti) {
    struct raw r = raw_open(tcti);
    struct raw_counts ret = {.transient = count(&r, TPM2_TRANSIENT_FIRST),
                             .sessions = count(&r, TPM2_LOADED_SESSION_FIRST) +
                                         count(&r, TPM2_ACTIVE_SESSION_FIRST)};

    raw_close(&r);
    return ret;
}

void raw_clear(const char *tcti) {
    struct raw r = raw_open(tcti);

    assert_int_equal(
        Esys_Clear(r.esys, ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
        TSS2_RC_SUCCESS);
    raw_close(&r);
}

static TSS2_RC make_key(struct raw *r) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    TPM2B_PUBLIC template = {0};
    ESYS_TR key = ESYS_TR_NONE;

    template.publicArea.type = TPM2_ALG_KEYEDHASH;
    template.publicArea.nameAlg = TPM2_ALG_SHA256;
    template.publicArea.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                           TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT;
    template.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_HMAC;
    template.publicArea.parameters.keyedHashDetail.scheme.details.hmac.hashAlg = TPM2_ALG_SHA256;
    return Esys_CreatePrimary(r->esys, ESYS_TR_RH_NULL, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, &sensitive, &template, &outside, &pcrs, &key, NULL,
                              NULL, NULL, NULL);
}

void raw_fill(const char *tcti) {
    struct raw r = raw_open(tcti);
    TSS2_RC rc = TSS2_RC_SUCCESS;

    for (int i = 0; i < SLOTS_MAX && rc == TSS2_RC_SUCCESS; i++) {
        rc = make_key(&r);
    }
    assert_int_equal(rc, TPM2_RC_OBJECT_MEMORY);
    raw_close(&r);
}

void raw_flush(const char *tcti) {
    struct raw r = raw_open(tcti);
    TPMS_CAPABILITY_DATA *data = list(&r, TPM2_TRANSIENT_FIRST);

    for (uint32_t i = 0; i < data->data.handles.count; i++) {
        ESYS_TR tr;
        assert_int_equal(Esys_TR_FromTPMPublic(r.esys, data->data.handles.handle[i], ESYS_TR_NONE,
                                               ESYS_TR_NONE, ESYS_TR_NONE, &tr),
                         TSS2_RC_SUCCESS);
        assert_int_equal(Esys_FlushContext(r.esys, tr), TSS2_RC_SUCCESS);
    }
    Esys_Free(data);
    raw_close(&r);
}
