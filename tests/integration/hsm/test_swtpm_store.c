/* SPDX-License-Identifier: MIT */
/*
 * The sealed store on a TPM that is not bound to PCRs: records, and every way to lose the key.
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
#include <unistd.h>

#include <cmocka.h>

static void info(struct fixture *f, struct hsm_store_info *ret) {
    fixture_ok(f, hsm_store_get_info(f->hsm, ret, &f->err));
}

static void records_last(void **state) {
    struct fixture *f = *state;
    struct hsm_store_info now;

    fixture_start(f);
    info(f, &now);
    assert_false(now.exists || now.open || now.bound || now.recoverable);
    assert_non_null(strstr(now.text, "no store"));
    fixture_get_fails(f, "master", EDGE_NOT_FOUND, "master");
    assert_int_equal(fixture_count(f, "store-key", false), 0); /* asking makes none */
    fixture_put(f, "master", "first");
    fixture_put(f, "master", "second");
    fixture_put(f, "other", "third");
    fixture_get(f, "master", "second");
    fixture_close(f);
    fixture_check_clean(f);
    swtpm_reset(f->tpm, false);
    fixture_open(f);
    info(f, &now);
    assert_true(now.exists && now.open && !now.bound && !now.recoverable);
    fixture_get(f, "master", "second");
    uint64_t commands = hsm_command_cnt(f->hsm);
    fixture_get(f, "other", "third");
    assert_int_equal(hsm_command_cnt(f->hsm), commands); /* unsealed once */
    fixture_ok(f, hsm_record_drop(f->hsm, "master", &f->err));
    fixture_ok(f, hsm_record_drop(f->hsm, "master", &f->err));
    fixture_get_fails(f, "master", EDGE_NOT_FOUND, "master");
}

static void damaged_records_are_set_aside(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    fixture_put(f, "a", "text a");
    fixture_put(f, "b", "text b");
    tmpdir_write(f->dir, "record-a", "junk", 4, 0600);
    fixture_get_fails(f, "a", EDGE_PARSE, "record-a.damaged-");
    fixture_get_fails(f, "a", EDGE_NOT_FOUND, "'a'");
    /* A record under another name does not pass for it. */
    assert_int_equal(renameat(f->dir->fd, "record-b", f->dir->fd, "record-c"), 0);
    fixture_get_fails(f, "c", EDGE_PARSE, "record-c.damaged-");
    assert_int_equal(fixture_count(f, "record-", true), 2);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
}

static void a_lost_key_is_not_replaced(void **state) {
    struct fixture *f = *state;
    struct hsm_store_info now;
    struct secret value = {0};

    fixture_start(f);
    fixture_put(f, "a", "text a");
    fixture_close(f);
    assert_int_equal(renameat(f->dir->fd, "store-key", f->dir->fd, "elsewhere"), 0);
    fixture_open(f);
    fixture_get_fails(f, "a", EDGE_HSM, "iotedge tpm reseal --abandon");
    fixture_ok(f, secret_copy(&value, "x", 1, &f->err));
    assert_int_equal(hsm_record_put(f->hsm, "new", &value, &f->err), EDGE_HSM);
    secret_clear(&value);
    info(f, &now);
    assert_false(now.exists || now.open);
    assert_non_null(strstr(now.text, "--abandon"));
    tmpdir_write(f->dir, "store-key", "junk", 4, 0600);
    fixture_get_fails(f, "a", EDGE_HSM, "--abandon");
    assert_int_equal(fixture_count(f, "store-key", true), 1);
    assert_int_equal(renameat(f->dir->fd, "elsewhere", f->dir->fd, "store-key"), 0);
    fixture_get(f, "a", "text a"); /* brought back */
    fixture_ok(f, hsm_store_abandon(f->hsm, &f->err));
    fixture_get_fails(f, "a", EDGE_NOT_FOUND, "'a'");
    fixture_put(f, "a", "new text");
    fixture_get(f, "a", "new text");
    assert_int_equal(fixture_count(f, "store-key", false), 1);
    assert_int_equal(fixture_count(f, "store-key", true), 2);
    assert_int_equal(fixture_count(f, "record-a", true), 1);
}

static void named_keys_go_with_it(void **state) {
    static const uint8_t digest[HSM_DIGEST_LEN] = {1};
    struct fixture *f = *state;
    struct hsm_key key, all[HSM_KEYS_MAX];
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len, cnt = 1;

    fixture_start(f);
    fixture_ok(f, hsm_key_make(f->hsm, "ca", &key, &f->err)); /* makes the store, too */
    assert_int_equal(fixture_count(f, "store-key", false), 1);
    fixture_ok(f, hsm_key_sign(f->hsm, "ca", digest, sig, &len, &f->err));
    fixture_ok(f, hsm_store_abandon(f->hsm, &f->err));
    fixture_ok(f, hsm_key_list(f->hsm, all, &cnt, &f->err));
    assert_int_equal(cnt, 0);
    assert_int_equal(hsm_key_sign(f->hsm, "ca", digest, sig, &len, &f->err), EDGE_NOT_FOUND);
    assert_int_equal(fixture_count(f, "key-ca.abandoned-", true), 1);
    fixture_ok(f, hsm_key_make(f->hsm, "ca", &key, &f->err));
    fixture_close(f);
    /* Without the store key they are not to be used: it is not made anew beside them. */
    assert_int_equal(unlinkat(f->dir->fd, "store-key", 0), 0);
    fixture_open(f);
    assert_int_equal(hsm_key_sign(f->hsm, "ca", digest, sig, &len, &f->err), EDGE_HSM);
    assert_non_null(strstr(f->err.text, "--abandon"));
    fixture_close(f);
    fixture_check_clean(f);
}

static void changed_keys_are_refused(void **state) {
    struct fixture *f = *state;
    uint8_t bytes[4096];

    fixture_start(f);
    fixture_put(f, "a", "text a");
    fixture_close(f);
    int fd = openat(f->dir->fd, "store-key", O_RDONLY);
    assert_true(fd >= 0);
    ssize_t len = read(fd, bytes, sizeof(bytes));
    (void)close(fd);
    assert_true(len > 0);
    for (ssize_t i = 0; i < len; i += 7) {
        bytes[i] ^= 1;
        tmpdir_write(f->dir, "store-key", bytes, (size_t)len, 0600);
        fixture_open(f);
        fixture_get_fails(f, "a", EDGE_HSM, "");
        fixture_close(f);
        bytes[i] ^= 1;
    }
    tmpdir_write(f->dir, "store-key", bytes, (size_t)len, 0600);
    fixture_open(f);
    fixture_get(f, "a", "text a");
}

static void a_cleared_tpm_takes_the_store_along(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    fixture_put(f, "a", "text a");
    fixture_put(f, "b", "text b");
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_clear -c p"), 0);
    fixture_open(f);
    fixture_get_fails(f, "a", EDGE_HSM, "accept-change");
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_CLEARED);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    fixture_get_fails(f, "a", EDGE_NOT_FOUND, "'a'");
    fixture_put(f, "a", "text of the new life");
    fixture_get(f, "a", "text of the new life");
    assert_int_equal(fixture_count(f, "record-", true), 2);
    assert_int_equal(fixture_count(f, "store-key.cleared-", true), 1);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err)); /* nothing has changed */
    fixture_get(f, "a", "text of the new life");
}

static void keys_of_another_tpm_are_refused(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    fixture_put(f, "a", "text a");
    fixture_close(f);
    assert_int_equal(unlinkat(f->dir->fd, "pins", 0), 0);
    swtpm_free(f->tpm);
    f->tpm = swtpm_new(false);
    f->cfg.tcti = f->tpm->tcti;
    fixture_open(f);
    fixture_get_fails(f, "a", EDGE_HSM, "another TPM");
    assert_non_null(strstr(f->err.text, "--abandon"));
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err)); /* mends it, too */
    fixture_put(f, "a", "text");
    assert_int_equal(fixture_count(f, "record-a.lost-", true), 1);
}

static void without_the_tpm(void **state) {
    struct fixture *f = *state;
    struct hsm_store_info now;

    fixture_start(f);
    fixture_put(f, "a", "text a");
    fixture_close(f);
    swtpm_stop(f->tpm);
    fixture_open(f);
    info(f, &now);
    assert_true(now.exists && !now.open);
    assert_non_null(strstr(now.text, "no TPM"));
    fixture_get_fails(f, "a", EDGE_HSM, "no TPM"); /* not: no record */
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_NO_DEVICE);
    fixture_ok(f, hsm_record_drop(f->hsm, "b", &f->err));
    fixture_ok(f, hsm_store_abandon(f->hsm, &f->err)); /* files only */
    assert_int_equal(fixture_count(f, "record-a.abandoned-", true), 1);
}

static void failing_commands_leave_nothing(void **state) {
    static const uint32_t commands[] = {TPM2_CC_Create, TPM2_CC_Load, TPM2_CC_Unseal};
    struct fixture *f = *state;
    struct secret value = {0};

    fixture_start(f);
    fixture_ok(f, secret_copy(&value, "x", 1, &f->err));
    for (size_t i = 0; i < 3; i++) {
        fake_tcti_inject(commands[i], TPM2_RC_DISABLED, 0, 1);
        assert_int_not_equal(hsm_record_put(f->hsm, "a", &value, &f->err), EDGE_OK);
        assert_int_equal(fixture_count(f, "store-key", false), 0);
    }
    secret_clear(&value);
    fixture_put(f, "a", "text");
    fixture_close(f);
    fixture_open(f);
    fake_tcti_inject(TPM2_CC_Unseal, TPM2_RC_REFERENCE_S0, 0, 1); /* lost session: made again */
    fixture_get(f, "a", "text");
    fixture_close(f);
    fixture_check_clean(f);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(records_last),
        WITH_TPM(damaged_records_are_set_aside),
        WITH_TPM(a_lost_key_is_not_replaced),
        WITH_TPM(named_keys_go_with_it),
        WITH_TPM(changed_keys_are_refused),
        WITH_TPM(a_cleared_tpm_takes_the_store_along),
        WITH_TPM(keys_of_another_tpm_are_refused),
        WITH_TPM(without_the_tpm),
        WITH_TPM(failing_commands_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
