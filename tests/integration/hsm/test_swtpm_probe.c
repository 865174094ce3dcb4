/* SPDX-License-Identifier: MIT */
/*
 * The diagnosis: complete, and without a trace in the TPM.
 */
#include "fixture.h"

#include "support/fake_tcti.h"

#include <tss2/tss2_tpm2_types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct hsm_tpm_info info;

static enum edge_code probe(struct fixture *f, enum hsm_state *ret_state) {
    memset(&info, 0, sizeof(info));
    return hsm_probe(&f->cfg, &info, ret_state, &f->err);
}

static void blank_tpm(void **state) {
    struct fixture *f = *state;
    enum hsm_state s;
    char out[64];

    fixture_ok(f, probe(f, &s));
    assert_int_equal(s, HSM_STATE_READY);
    assert_string_equal(info.manufacturer, "IBM");
    assert_non_null(strstr(info.vendor, "TPM"));
    assert_string_equal(info.spec_family, "2.0");
    assert_int_equal(info.spec_revision, 164);
    assert_string_equal(info.tcti, f->tpm->tcti);
    assert_string_equal(info.node, "");
    assert_int_equal(info.keys.ek_len, 316);
    assert_int_equal(info.keys.srk_len, 284);
    assert_false(info.ek_persistent || info.srk_persistent);
    assert_int_equal(info.ek_name_len, 34);
    assert_int_equal(strlen(info.registration_id), 52);
    assert_int_equal(info.ek_cert_len, 0);
    assert_int_equal(info.handle_cnt, 0);
    assert_int_equal(info.lockout_max, 3);
    assert_int_equal(info.lockout_interval_s, 1000);
    assert_false(info.owner_auth_set || info.endorsement_auth_set || info.lockout_auth_set);
    assert_string_equal(info.keys_missing, "");
    fixture_check_clean(f);
    assert_int_equal(swtpm_sh_out(f->tpm, "tpm2_getcap handles-persistent", out, sizeof(out)), 0);
    assert_string_equal(out, "");
    /* It told what the daemon will make. */
    struct hsm_tpm_info told = info;
    fixture_start(f);
    assert_memory_equal(told.keys.ek, f->keys.ek, f->keys.ek_len);
    assert_memory_equal(told.keys.srk, f->keys.srk, f->keys.srk_len);
    fixture_close(f);
    fixture_ok(f, probe(f, &s));
    assert_true(info.ek_persistent && info.srk_persistent);
    assert_memory_equal(told.keys.ek, info.keys.ek, info.keys.ek_len);
    assert_int_equal(info.handle_cnt, 2);
    assert_int_equal(info.handles[0].handle, 0x81000001);
    assert_string_equal(info.handles[0].what, "storage root key");
    assert_string_equal(info.handles[1].what, "endorsement key");
}

static void manufactured_tpm(void **state) {
    struct fixture *f = *state;
    enum hsm_state s;

    fixture_ok(f, probe(f, &s));
    assert_int_equal(s, HSM_STATE_READY);
    assert_true(info.ek_persistent);
    assert_false(info.srk_persistent);
    assert_true(info.ek_cert_len > 500);
    assert_true(info.ek_cert_matches);
    assert_non_null(strstr(info.ek_cert_subject, "manufacturer"));
    assert_non_null(strstr(info.ek_cert_issuer, "swtpm-localca"));
    fixture_check_clean(f);
    /* An EK that the certificate is not for is told apart. */
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_evictcontrol -C o -c 0x81010001 >/dev/null"), 0);
    f->cfg.ek_template = HSM_EK_LEGACY_UNIQUE0;
    fixture_ok(f, probe(f, &s));
    assert_true(info.ek_cert_len > 500);
    assert_false(info.ek_cert_matches);
    f->cfg.ek_template = HSM_EK_TCG_L1;
    fixture_ok(f, probe(f, &s));
    assert_true(info.ek_cert_matches);
}

static void passwords_and_wrong_objects(void **state) {
    struct fixture *f = *state;
    enum hsm_state s;

    assert_int_equal(
        swtpm_sh(f->tpm, "tpm2_changeauth -c o owner-pass && tpm2_changeauth -c e endo"), 0);
    fixture_ok(f, probe(f, &s));
    assert_int_equal(s, HSM_STATE_AUTH_WRONG);
    assert_true(info.owner_auth_set && info.endorsement_auth_set && !info.lockout_auth_set);
    assert_int_equal(info.keys.ek_len, 0);
    assert_non_null(strstr(info.keys_missing, "auth_file"));
    fixture_owner_auth(f, "owner-pass");
    fixture_endorsement_auth(f, "endo");
    fixture_ok(f, probe(f, &s));
    assert_int_equal(s, HSM_STATE_READY);
    assert_int_equal(info.keys.ek_len, 316);
    assert_string_equal(info.keys_missing, "");
    assert_int_equal(swtpm_sh(f->tpm,
                              "cd \"$D\" && tpm2_createprimary -C o -P owner-pass -G ecc -c "
                              "p.ctx >/dev/null && tpm2_evictcontrol -C o -P owner-pass -c "
                              "p.ctx 0x81010001 >/dev/null && tpm2_flushcontext -t"),
                     0);
    fixture_ok(f, probe(f, &s));
    assert_int_equal(s, HSM_STATE_BAD_OBJECT);
    assert_int_equal(info.keys.ek_len, 0);
    assert_int_equal(info.keys.srk_len, 284);
    assert_non_null(strstr(info.keys_missing, "0x81010001"));
    fixture_check_clean(f);
}

static void failures_are_named(void **state) {
    struct fixture *f = *state;
    enum hsm_state s;
    const char *good = f->cfg.tcti;

    f->cfg.tcti = NULL;
    assert_int_equal(probe(f, &s), EDGE_INVALID);
    f->cfg.tcti = "device:/dev/no-such-tpm";
    assert_int_equal(probe(f, &s), EDGE_NOT_FOUND);
    assert_int_equal(s, HSM_STATE_NO_DEVICE);
    assert_non_null(strstr(f->err.text, "does not exist"));
    f->cfg.tcti = "device:/dev/null";
    assert_int_not_equal(probe(f, &s), EDGE_OK);
    assert_int_equal(s, HSM_STATE_FAILED);
    f->cfg.tcti = good;
    f->cfg.allow_emulator = false;
    assert_int_equal(probe(f, &s), EDGE_INVALID);
    assert_non_null(strstr(f->err.text, "allow_emulator"));
    f->cfg.allow_emulator = true;
    fake_tcti_inject(TPM2_CC_GetCapability, TPM2_RC_FAILURE, 0, 1);
    assert_int_equal(probe(f, &s), EDGE_HSM);
    fake_tcti_inject(TPM2_CC_GetCapability, TPM2_RC_INITIALIZE, 0, 1);
    fixture_ok(f, probe(f, &s));
}

static void every_command_may_fail(void **state) {
    struct fixture *f = *state;
    enum hsm_state s;
    size_t n = 0;

    for (bool done = false; !done; n++) {
        fake_tcti_reset();
        fake_tcti_inject(0, TPM2_RC_COMMAND_CODE, n, 1);
        enum edge_code rc = probe(f, &s);
        done = fake_tcti_count(0) <= n;
        assert_true(!done || rc == EDGE_OK);
        fake_tcti_inject(0, 0, 0, 0);
        fixture_check_clean(f);
    }
    assert_true(n > 12);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(blank_tpm),
        cmocka_unit_test_setup_teardown(manufactured_tpm, fixture_setup_manufactured,
                                        fixture_teardown),
        WITH_TPM(passwords_and_wrong_objects),
        WITH_TPM(failures_are_named),
        WITH_TPM(every_command_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
