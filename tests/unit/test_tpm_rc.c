/* SPDX-License-Identifier: MIT */
/*
 * Translation of response codes, layer by layer.
 */
#include "tpm/tpm_rc.h"

#include <tss2/tss2_tpm2_types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void base_of_every_form(void **state) {
    (void)state;
    assert_int_equal(tpm_rc_base(0x18B), TPM2_RC_HANDLE);
    assert_int_equal(tpm_rc_base(0x28B), TPM2_RC_HANDLE);
    assert_int_equal(tpm_rc_base(0x9A2), TPM2_RC_BAD_AUTH);
    assert_int_equal(tpm_rc_base(0x98E), TPM2_RC_AUTH_FAIL);
    assert_int_equal(tpm_rc_base(0x1DF), TPM2_RC_INTEGRITY);
    assert_int_equal(tpm_rc_base(0x3DF), TPM2_RC_INTEGRITY);
    assert_int_equal(tpm_rc_base(0x2C2), TPM2_RC_ATTRIBUTES);
    assert_int_equal(tpm_rc_base(0x921), TPM2_RC_LOCKOUT);
    assert_int_equal(tpm_rc_base(0x101), TPM2_RC_FAILURE);
    assert_int_equal(tpm_rc_base(0x14C), TPM2_RC_NV_DEFINED);
    assert_int_equal(tpm_rc_base(0xC0922), TPM2_RC_RETRY);
    assert_int_equal(tpm_rc_base(0xB0143), TPM2_RC_COMMAND_CODE);
    /* The same low bits from the libraries are something else. */
    assert_int_equal(tpm_rc_base(0x7018B), 0);
    assert_int_equal(tpm_rc_base(0x80922), 0);
    assert_int_equal(tpm_rc_base(0xA000A), 0);
}

static void check(TSS2_RC rc, enum edge_code code, enum hsm_state state, enum tpm_recovery r) {
    struct tpm_rc_info info = tpm_rc_describe(rc);

    if (info.code != code || info.state != state || info.recovery != r || info.text[0] == '\0') {
        fail_msg("0x%x: %s, %s, %d: %s", (unsigned)rc, edge_code_name(info.code),
                 hsm_state_name(info.state), (int)info.recovery, info.text);
    }
}

static void meanings(void **state) {
    (void)state;
    check(0x921, EDGE_HSM, HSM_STATE_LOCKOUT, TPM_RECOVERY_NONE);
    check(0xC0921, EDGE_HSM, HSM_STATE_LOCKOUT, TPM_RECOVERY_NONE);
    check(0x902, EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH);
    check(0x903, EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH);
    check(0x904, EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH);
    check(0x905, EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH);
    check(0x906, EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_FLUSH);
    check(0x901, EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_REBUILD);
    for (TSS2_RC rc = 0x910; rc <= 0x91E; rc++) {
        check(rc, EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_REBUILD);
    }
    check(0x100, EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_STARTUP);
    check(0x130, EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_NONE);
    check(0x1DF, EDGE_DENIED, HSM_STATE_READY, TPM_RECOVERY_NONE);
    check(0x14B, EDGE_HSM, HSM_STATE_READY, TPM_RECOVERY_NONE);
    check(0x18B, EDGE_NOT_FOUND, HSM_STATE_READY, TPM_RECOVERY_REBUILD);
    check(0x922, EDGE_BUSY, HSM_STATE_BUSY, TPM_RECOVERY_NONE);
    check(TSS2_TCTI_RC_IO_ERROR, EDGE_IO, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN);
    check(TSS2_TCTI_RC_NO_CONNECTION, EDGE_IO, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN);
    check(TSS2_ESYS_RC_IO_ERROR, EDGE_IO, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN);
    check(TSS2_ESYS_RC_MEMORY, EDGE_NOMEM, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN);
    check(TSS2_ESYS_RC_RSP_AUTH_FAILED, EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN);
    check(TSS2_TCTI_RC_MALFORMED_RESPONSE, EDGE_PROTO, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN);
    check(TSS2_ESYS_RC_BAD_SEQUENCE, EDGE_HSM, HSM_STATE_FAILED, TPM_RECOVERY_REOPEN);
    check(0, EDGE_OK, HSM_STATE_READY, TPM_RECOVERY_NONE);
}

static void transient(void **state) {
    static const TSS2_RC yes[] = {0x922, 0x908, 0x909, 0x90A, 0x920, 0x923, 0xC0922, 0xB0908};
    static const TSS2_RC no[] = {0, 0x921, 0x902, 0x901, 0x101, 0x18B, 0x70922, 0xA0009, 0x80920};

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        assert_true(tpm_rc_is_transient(yes[i]));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        assert_false(tpm_rc_is_transient(no[i]));
    }
}

static void any_value_is_described(void **state) {
    struct edge_error err;

    (void)state;
    for (TSS2_RC rc = 1; rc != 0; rc = rc > 0xFFFFFFFFu / 3 ? 0 : rc * 3 + 1) {
        enum edge_code code = tpm_rc_set(&err, rc, "TPM2_Test");
        assert_int_not_equal(code, EDGE_OK);
        assert_int_equal(err.domain, EDGE_DOMAIN_TSS);
        assert_int_equal(err.native, rc);
        assert_ptr_equal(strstr(err.text, "TPM2_Test: "), err.text);
    }
    assert_int_equal(tpm_rc_set(NULL, 0x921, "x"), EDGE_HSM);
}

/* Only the bare node shows what is in the way of those who use the resource manager. */
static void full_slots_are_freed_on_the_bare_node(void **state) {
    struct edge_error err;

    (void)state;
    assert_int_equal(tpm_rc_set(&err, TPM2_RC_OBJECT_MEMORY, "TPM2_ReadPublic"), EDGE_BUSY);
    assert_non_null(strstr(err.text, "tpm2_flushcontext -t -T device:/dev/tpm0"));
    assert_int_equal(tpm_rc_set(&err, TPM2_RC_SESSION_MEMORY, "TPM2_StartAuthSession"), EDGE_BUSY);
    assert_non_null(strstr(err.text, "tpm2_flushcontext -l -T device:/dev/tpm0"));
    assert_non_null(strstr(err.text, "(0x903)")); /* the text is not cut off */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_of_every_form),
        cmocka_unit_test(meanings),
        cmocka_unit_test(transient),
        cmocka_unit_test(any_value_is_described),
        cmocka_unit_test(full_slots_are_freed_on_the_bare_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
