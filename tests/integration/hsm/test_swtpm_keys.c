/* SPDX-License-Identifier: MIT */
/*
 * EK and SRK on TPMs with a history: prepared by a manufacturer, used by older software, with
 * foreign objects, with passwords, cleared, replaced.
 */
#include "fixture.h"

#include "support/fake_tcti.h"

#include <tss2/tss2_tpm2_types.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t key_a[32] = "first key: the nonce of the 401";

/* A second device on the same TPM. */
static void other_state(struct fixture *f, const char *name) {
    static char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s", tmpdir_join(f->dir, name));
    f->cfg.state_dir = path;
}

static void state_is_private(void **state) {
    struct fixture *f = *state;
    struct stat st;

    other_state(f, "new/state");
    fixture_start(f);
    (void)fixture_import(f, key_a, "label");
    assert_int_equal(stat(f->cfg.state_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    static const char *const names[] = {"pins", "generation", "identity-1"};
    for (size_t i = 0; i < 3; i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s", f->cfg.state_dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void manufactured_ek_is_adopted(void **state) {
    struct fixture *f = *state;
    char before[2048], after[2048];

    assert_int_equal(swtpm_sh_out(f->tpm, "tpm2_getcap handles-persistent", before, sizeof(before)),
                     0);
    assert_non_null(strstr(before, "0x81010001"));
    fixture_start(f);
    (void)fixture_import(f, key_a, "label");
    fixture_close(f);
    fixture_check_clean(f);
    assert_int_equal(swtpm_sh_out(f->tpm, "tpm2_getcap handles-persistent", after, sizeof(after)),
                     0);
    assert_non_null(strstr(after, "0x81000001"));
}

static void legacy_ek_is_adopted(void **state) {
    struct fixture *f = *state;
    struct hsm_attestation legacy;

    f->cfg.ek_template = HSM_EK_LEGACY_UNIQUE0;
    fixture_start(f);
    legacy = f->keys;
    fixture_close(f);
    other_state(f, "later");
    f->cfg.ek_template = HSM_EK_TCG_L1;
    fixture_start(f);
    assert_memory_equal(&legacy, &f->keys, sizeof(legacy));
    fixture_close(f);
    /* Evicted by somebody: the pinned name tells which template made it. */
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_evictcontrol -C o -c 0x81010001 >/dev/null && "
                                      "tpm2_evictcontrol -C o -c 0x81000001 >/dev/null"),
                     0);
    fixture_start(f);
    assert_memory_equal(&legacy, &f->keys, sizeof(legacy));
    (void)fixture_import(f, key_a, "label");
}

static void templates_give_different_keys(void **state) {
    struct fixture *f = *state;
    struct hsm_attestation l1;

    fixture_start(f);
    l1 = f->keys;
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_evictcontrol -C o -c 0x81010001 >/dev/null"), 0);
    other_state(f, "second");
    f->cfg.ek_template = HSM_EK_LEGACY_UNIQUE0;
    fixture_start(f);
    assert_memory_not_equal(l1.ek, f->keys.ek, l1.ek_len);
    assert_memory_equal(l1.srk, f->keys.srk, l1.srk_len);
}

static void manufacturer_template_is_honoured(void **state) {
    struct fixture *f = *state;
    struct hsm_attestation plain;

    fixture_start(f);
    plain = f->keys;
    fixture_close(f);
    /* The L-1 template, with a nonce that changes `unique`. */
    assert_int_equal(
        swtpm_sh(
            f->tpm,
            "cd \"$D\" && tpm2_evictcontrol -C o -c 0x81010001 >/dev/null && "
            "printf '0001000b000300b20020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da"
            "1b331469aa00060080004300100800000000000100%0512d' 0 | xxd -r -p > tmpl && "
            "printf 'a nonce of the maker' > nonce && "
            "tpm2_nvdefine -C p -s $(stat -c %s tmpl) -a 'ppwrite|ppread|ownerread|authread|no_da"
            "|platformcreate' 0x01c00004 >/dev/null && tpm2_nvwrite -C p -i tmpl 0x01c00004 && "
            "tpm2_nvdefine -C p -s $(stat -c %s nonce) -a 'ppwrite|ppread|ownerread|authread|no_da"
            "|platformcreate' 0x01c00003 >/dev/null && tpm2_nvwrite -C p -i nonce 0x01c00003"),
        0);
    other_state(f, "second");
    fixture_start(f);
    assert_memory_not_equal(plain.ek, f->keys.ek, plain.ek_len);
    (void)fixture_import(f, key_a, "label");
}

static void wrong_objects_are_refused(void **state) {
    struct fixture *f = *state;

    assert_int_equal(swtpm_sh(f->tpm, "cd \"$D\" && tpm2_createprimary -C o -G ecc -c p.ctx "
                                      ">/dev/null && tpm2_evictcontrol -C o -c p.ctx 0x81010001 "
                                      ">/dev/null && tpm2_flushcontext -t"),
                     0);
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_BAD_OBJECT,
                        "0x81010001 cannot serve as endorsement");
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_BAD_OBJECT, "ECC");
    assert_int_equal(swtpm_sh(f->tpm,
                              "cd \"$D\" && tpm2_evictcontrol -C o -c 0x81010001 >/dev/null && "
                              "tpm2_createprimary -C o -G rsa -a "
                              "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' "
                              "-c q.ctx >/dev/null && tpm2_evictcontrol -C o -c q.ctx 0x81000001 "
                              ">/dev/null && tpm2_flushcontext -t"),
                     0);
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_BAD_OBJECT,
                        "0x81000001 cannot serve as storage root");
    /* Nothing was made meanwhile, and nothing pinned. */
    char out[256];
    assert_int_equal(swtpm_sh_out(f->tpm, "tpm2_getcap handles-persistent", out, sizeof(out)), 0);
    assert_string_equal(out, "- 0x81000001\n");
    assert_int_not_equal(access(tmpdir_join(f->dir, "pins"), F_OK), 0);
    fixture_check_clean(f);
}

static void owner_password(void **state) {
    struct fixture *f = *state;

    assert_int_equal(swtpm_sh(f->tpm, "tpm2_changeauth -c o owner-pass"), 0);
    fixture_start_fails(f, EDGE_DENIED, HSM_STATE_AUTH_WRONG, "owner_auth_file");
    fixture_owner_auth(f, "not it\n");
    fixture_start_fails(f, EDGE_DENIED, HSM_STATE_AUTH_WRONG, "is not the one of the TPM's owner");
    fixture_check_clean(f);
    fixture_owner_auth(f, "owner-pass\n");
    fixture_start(f);
    uint64_t generation = fixture_import(f, key_a, "label");
    fixture_ok(f, hsm_identity_publish(f->hsm, generation, &f->err));
    fixture_check_sign(f, generation, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
    /* Once the keys are persistent the password is not needed any more, but for publishing. */
    f->cfg.owner_auth_file = NULL;
    fixture_start(f);
    fixture_check_sign(f, generation, key_a, 32);
    fixture_ok(f, hsm_identity_publish(f->hsm, generation, &f->err));
    uint64_t next = fixture_import(f, key_a, "label");
    assert_int_equal(hsm_identity_publish(f->hsm, next, &f->err), EDGE_DENIED);
    fixture_check_sign(f, next, key_a, 32);
}

static void endorsement_password(void **state) {
    struct fixture *f = *state;

    assert_int_equal(swtpm_sh(f->tpm, "tpm2_changeauth -c e endorse-pass"), 0);
    fixture_start_fails(f, EDGE_DENIED, HSM_STATE_AUTH_WRONG, "endorsement_auth_file");
    fixture_endorsement_auth(f, "endorse-pass");
    fixture_start(f);
    uint64_t generation = fixture_import(f, key_a, "label");
    fixture_close(f);
    f->cfg.endorsement_auth_file = NULL;
    fixture_start(f);
    assert_int_equal(fixture_challenge(f, key_a), EDGE_DENIED);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_AUTH_WRONG);
    assert_non_null(strstr(f->err.text, "endorsement_auth_file"));
    fixture_check_sign(f, generation, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
}

static void bad_password_files(void **state) {
    struct fixture *f = *state;

    fixture_owner_auth(f, "secret");
    tmpdir_write(f->dir, "owner-auth", "secret", 6, 0644);
    fixture_start_fails(f, EDGE_DENIED, HSM_STATE_AUTH_WRONG, "owner-auth");
    tmpdir_write(f->dir, "owner-auth", "\n", 1, 0600);
    fixture_start_fails(f, EDGE_INVALID, HSM_STATE_AUTH_WRONG, "is empty");
    assert_int_equal(unlink(f->owner_file), 0);
    fixture_start_fails(f, EDGE_NOT_FOUND, HSM_STATE_AUTH_WRONG, "owner-auth");
}

/* Locks the TPM out by using a DA-protected object with wrong passwords. */
static const char lockout_script[] =
    "cd \"$D\" && tpm2_dictionarylockout -s -n 2 -t 1000 -l 1000 && "
    "tpm2_createprimary -C o -c p.ctx >/dev/null && "
    "tpm2_flushcontext -t && tpm2_create -C p.ctx -p right -u k.pub -r k.priv >/dev/null && "
    "tpm2_flushcontext -t && tpm2_load -C p.ctx -u k.pub -r k.priv -c k.ctx >/dev/null && "
    "tpm2_flushcontext -t && "
    "for i in 1 2 3; do echo x > m; tpm2_sign -c k.ctx -p wrong -g sha256 -o s m 2>/dev/null; "
    "tpm2_flushcontext -t; done; tpm2_getcap properties-variable | grep -q 'inLockout: *1'";

static void lockout_does_not_stop_us(void **state) {
    struct fixture *f = *state;
    struct hsm_tpm_info info;
    enum hsm_state probed;

    fixture_start(f);
    uint64_t generation = fixture_import(f, key_a, "label");
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, lockout_script), 0);
    fixture_start(f);
    fixture_check_sign(f, generation, key_a, 32);
    fixture_ok(f, fixture_challenge(f, key_a));
    uint64_t next = fixture_import(f, key_a, "label");
    fixture_ok(f, hsm_identity_publish(f->hsm, next, &f->err));
    struct secret s = {0};
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("x"), &s, &f->err));
    secret_clear(&s);
    fixture_close(f);
    fixture_ok(f, hsm_probe(&f->cfg, &info, &probed, &f->err));
    assert_int_equal(probed, HSM_STATE_LOCKOUT);
    assert_true(info.in_lockout);
    assert_int_equal(info.lockout_max, 2);
}

static void cleared_tpm_is_told(void **state) {
    struct fixture *f = *state;
    uint8_t mac[HSM_MAC_LEN], print_1[HSM_FINGERPRINT_LEN], print_2[HSM_FINGERPRINT_LEN];
    char out[256];

    fixture_start(f);
    uint64_t generation = fixture_import(f, key_a, "label");
    fixture_ok(f, hsm_root_fingerprint(f->hsm, print_1, &f->err));
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_clear"), 0);
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_CLEARED, "was cleared");
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_CLEARED, "/pins");
    fixture_check_clean(f);
    /* The foreign storage key did not become ours. */
    assert_int_equal(swtpm_sh_out(f->tpm, "tpm2_getcap handles-persistent", out, sizeof(out)), 0);
    assert_null(strstr(out, "0x81000001"));
    /* The way back. */
    assert_int_equal(unlink(tmpdir_join(f->dir, "pins")), 0);
    fixture_start(f);
    assert_int_equal(hsm_identity_sign(f->hsm, generation, SLICE_LIT("x"), mac, &f->err),
                     EDGE_DENIED);
    assert_non_null(strstr(f->err.text, "cleared"));
    fixture_ok(f, hsm_root_fingerprint(f->hsm, print_2, &f->err));
    assert_memory_not_equal(print_1, print_2, sizeof(print_1));
    uint64_t next = fixture_import(f, key_a, "label");
    assert_int_equal(next, generation + 1);
    fixture_check_sign(f, next, key_a, 32);
}

static void cleared_with_new_srk_persisted(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_clear"), 0);
    const char *mine = f->cfg.state_dir;
    other_state(f, "other");
    fixture_start(f);
    fixture_close(f);
    f->cfg.state_dir = mine;
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_CLEARED, "was cleared");
}

static void replaced_tpm_is_told(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    fixture_close(f);
    swtpm_free(f->tpm);
    f->tpm = swtpm_new(false);
    f->cfg.tcti = f->tpm->tcti;
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_REPLACED, "another TPM");
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_REPLACED, "/pins");
    fixture_check_clean(f);
    char out[64];
    assert_int_equal(swtpm_sh_out(f->tpm, "tpm2_getcap handles-persistent", out, sizeof(out)), 0);
    assert_string_equal(out, "");
    assert_int_equal(unlink(tmpdir_join(f->dir, "pins")), 0);
    fixture_start(f);
}

static void errors_make_no_keys(void **state) {
    struct fixture *f = *state;
    char out[64];

    /* Only "no such handle" may lead to a new key. */
    static const uint32_t codes[] = {TPM2_RC_FAILURE, TPM2_RC_VALUE, TPM2_RC_DISABLED,
                                     TPM2_RC_LOCKOUT};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fixture_open(f);
        fake_tcti_inject(TPM2_CC_ReadPublic, codes[i], 0, 1);
        assert_int_not_equal(hsm_start(f->hsm, &f->err), EDGE_OK);
        assert_int_equal(fake_tcti_count(TPM2_CC_CreatePrimary), 0);
        if (codes[i] == TPM2_RC_LOCKOUT) {
            assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_LOCKOUT);
        }
        fixture_close(f);
    }
    assert_int_equal(swtpm_sh_out(f->tpm, "tpm2_getcap handles-persistent", out, sizeof(out)), 0);
    assert_string_equal(out, "");
}

static void damaged_pins_are_kept_aside(void **state) {
    struct fixture *f = *state;
    char out[3 * PATH_MAX];

    fixture_start(f);
    fixture_close(f);
    tmpdir_write(f->dir, "pins", "EDGEKEY\nrubbish", 15, 0600);
    fixture_start(f);
    fixture_close(f);
    (void)snprintf(out, sizeof(out), "ls %s/pins.damaged-* >/dev/null && test -s %s/pins",
                   f->dir->path, f->dir->path);
    assert_int_equal(swtpm_sh(f->tpm, out), 0);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(state_is_private),
        cmocka_unit_test_setup_teardown(manufactured_ek_is_adopted, fixture_setup_manufactured,
                                        fixture_teardown),
        WITH_TPM(legacy_ek_is_adopted),
        WITH_TPM(templates_give_different_keys),
        WITH_TPM(manufacturer_template_is_honoured),
        WITH_TPM(wrong_objects_are_refused),
        WITH_TPM(owner_password),
        WITH_TPM(endorsement_password),
        WITH_TPM(bad_password_files),
        WITH_TPM(lockout_does_not_stop_us),
        WITH_TPM(cleared_tpm_is_told),
        WITH_TPM(cleared_with_new_srk_persisted),
        WITH_TPM(replaced_tpm_is_told),
        WITH_TPM(errors_make_no_keys),
        WITH_TPM(damaged_pins_are_kept_aside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
