/* SPDX-License-Identifier: MIT */
/*
 * Generations of identity keys, the published handle, and kill -9 in the middle of an import.
 */
#include "fixture.h"

#include "support/dps_blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t key_a[32] = "first key: the nonce of the 401";
static const uint8_t key_b[32] = "second key: it names the device";

static size_t list(struct fixture *f, struct hsm_identity out[HSM_IDENTITY_MAX]) {
    size_t cnt = 99;

    fixture_ok(f, hsm_identity_list(f->hsm, out, &cnt, &f->err));
    return cnt;
}

static void generations_are_never_reused(void **state) {
    struct fixture *f = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint8_t mac[HSM_MAC_LEN];

    fixture_start(f);
    assert_int_equal(list(f, all), 0);
    assert_int_equal(fixture_import(f, key_a, "one"), 1);
    assert_int_equal(fixture_import(f, key_b, "two"), 2);
    fixture_ok(f, hsm_identity_drop(f->hsm, 2, &f->err));
    fixture_ok(f, hsm_identity_drop(f->hsm, 2, &f->err));
    assert_int_equal(hsm_identity_sign(f->hsm, 2, SLICE_LIT("x"), mac, &f->err), EDGE_NOT_FOUND);
    assert_int_equal(fixture_import(f, key_b, "three"), 3);
    fixture_ok(f, hsm_identity_drop(f->hsm, 1, &f->err));
    fixture_ok(f, hsm_identity_drop(f->hsm, 3, &f->err));
    assert_int_equal(list(f, all), 0);
    fixture_close(f);
    fixture_start(f);
    assert_int_equal(fixture_import(f, key_a, "four"), 4);
    /* The counter damaged: still no number twice. */
    fixture_ok(f, hsm_identity_drop(f->hsm, 4, &f->err));
    tmpdir_write(f->dir, "generation", "junk", 4, 0600);
    assert_true(fixture_import(f, key_a, "later") > 4);
    assert_int_equal(hsm_identity_sign(f->hsm, 0, SLICE_LIT("x"), mac, &f->err), EDGE_NOT_FOUND);
}

static void only_so_many(void **state) {
    struct fixture *f = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation = 0;

    fixture_start(f);
    for (int i = 0; i < HSM_IDENTITY_MAX; i++) {
        assert_int_equal(fixture_import(f, key_a, "label"), i + 1);
    }
    size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_b, NULL, blob);
    assert_int_equal(hsm_identity_import_blob(f->hsm, slice_make(blob, len), SLICE_LIT("l"),
                                              &generation, &f->err),
                     EDGE_RANGE);
    assert_int_equal(list(f, all), HSM_IDENTITY_MAX);
    for (size_t i = 0; i < HSM_IDENTITY_MAX; i++) {
        assert_int_equal(all[i].generation, i + 1);
    }
    fixture_ok(f, hsm_identity_drop(f->hsm, 3, &f->err));
    assert_int_equal(fixture_import(f, key_b, "label"), 9);
    fixture_check_sign(f, 9, key_b, 32);
    fixture_check_sign(f, 8, key_a, 32);
}

static void labels(void **state) {
    struct fixture *f = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    char text[HSM_LABEL_MAX + 2];
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation = 0;

    fixture_start(f);
    memset(text, 'l', sizeof(text));
    text[HSM_LABEL_MAX] = '\0';
    (void)fixture_import(f, key_a, text);
    (void)fixture_import(f, key_a, "");
    assert_int_equal(list(f, all), 2);
    assert_string_equal(all[0].label, text);
    assert_string_equal(all[1].label, "");
    size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_b, NULL, blob);
    text[HSM_LABEL_MAX] = 'l';
    assert_int_equal(hsm_identity_import_blob(f->hsm, slice_make(blob, len),
                                              slice_make(text, HSM_LABEL_MAX + 1), &generation,
                                              &f->err),
                     EDGE_RANGE);
    assert_int_equal(hsm_identity_import_blob(f->hsm, slice_make(blob, len), slice_make("a\0b", 3),
                                              &generation, &f->err),
                     EDGE_INVALID);
}

static void damaged_files_are_set_aside(void **state) {
    struct fixture *f = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint8_t mac[HSM_MAC_LEN];
    char cmd[3 * PATH_MAX];

    fixture_start(f);
    (void)fixture_import(f, key_a, "one");
    (void)fixture_import(f, key_b, "two");
    (void)fixture_import(f, key_b, "three");
    (void)snprintf(
        cmd, sizeof(cmd),
        "cd '%s' && printf X | dd of=identity-2 bs=1 seek=40 conv=notrunc 2>/dev/null && "
        "cp identity-1 identity-7 && : > identity-3",
        f->dir->path);
    assert_int_equal(swtpm_sh(f->tpm, cmd), 0);
    fixture_close(f);
    fixture_start(f);
    assert_int_equal(list(f, all), 1);
    assert_int_equal(all[0].generation, 1);
    assert_int_equal(hsm_identity_sign(f->hsm, 2, SLICE_LIT("x"), mac, &f->err), EDGE_NOT_FOUND);
    fixture_check_sign(f, 1, key_a, 32);
    (void)snprintf(cmd, sizeof(cmd),
                   "ls '%s'/identity-2.damaged-* '%s'/identity-7.damaged-*"
                   " > /dev/null",
                   f->dir->path, f->dir->path);
    assert_int_equal(swtpm_sh(f->tpm, cmd), 0);
    assert_true(fixture_import(f, key_b, "next") > 7);
}

static void damaged_root_is_set_aside(void **state) {
    struct fixture *f = *state;
    uint8_t one[HSM_FINGERPRINT_LEN], two[HSM_FINGERPRINT_LEN];
    char cmd[3 * PATH_MAX];

    fixture_start(f);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, one, &f->err));
    fixture_close(f);
    tmpdir_write(f->dir, "module-root", "junk", 4, 0600);
    fixture_start(f);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, two, &f->err));
    assert_memory_not_equal(one, two, sizeof(one));
    fixture_close(f);
    fixture_start(f);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, one, &f->err));
    assert_memory_equal(one, two, sizeof(one));
    (void)snprintf(cmd, sizeof(cmd), "ls '%s'/module-root.damaged-* >/dev/null", f->dir->path);
    assert_int_equal(swtpm_sh(f->tpm, cmd), 0);
    /* A file that cannot be read for other reasons is no reason for a new root. */
    fixture_close(f);
    assert_int_equal(chmod(tmpdir_join(f->dir, "module-root"), 0644), 0);
    fixture_start(f);
    assert_int_equal(hsm_root_fingerprint(f->hsm, two, &f->err), EDGE_DENIED);
    assert_int_equal(chmod(tmpdir_join(f->dir, "module-root"), 0600), 0);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, two, &f->err));
    assert_memory_equal(one, two, sizeof(one));
}

/* What other software would do with the handle. */
static const char sign_with_handle[] =
    "cd \"$D\" && printf 'text to sign' > m && tpm2_hmac -c 0x81000100 m | xxd -p -c 64 && "
    "tpm2_flushcontext -t";

static void publish(void **state) {
    struct fixture *f = *state;
    char first[256], second[256], again[256];

    fixture_start(f);
    uint64_t one = fixture_import(f, key_a, "l");
    uint64_t two = fixture_import(f, key_b, "l");
    fixture_ok(f, hsm_identity_publish(f->hsm, one, &f->err));
    fixture_close(f);
    assert_int_equal(swtpm_sh_out(f->tpm, sign_with_handle, first, sizeof(first)), 0);
    fixture_start(f);
    fixture_ok(f, hsm_identity_publish(f->hsm, two, &f->err));
    uint64_t before = hsm_command_cnt(f->hsm);
    fixture_ok(f, hsm_identity_publish(f->hsm, two, &f->err)); /* there already: looked at only */
    assert_int_equal(hsm_command_cnt(f->hsm) - before, 2);
    fixture_check_sign(f, one, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
    assert_int_equal(swtpm_sh_out(f->tpm, sign_with_handle, second, sizeof(second)), 0);
    assert_string_not_equal(first, second);
    swtpm_reset(f->tpm, false);
    assert_int_equal(swtpm_sh_out(f->tpm, sign_with_handle, again, sizeof(again)), 0);
    assert_string_equal(second, again);
    fixture_start(f);
    assert_int_equal(hsm_identity_publish(f->hsm, 77, &f->err), EDGE_NOT_FOUND);
}

static void publish_leaves_foreign_objects(void **state) {
    struct fixture *f = *state;
    char before[512], after[512];

    assert_int_equal(swtpm_sh(f->tpm, "cd \"$D\" && tpm2_createprimary -C o -G rsa -c p.ctx "
                                      ">/dev/null && tpm2_evictcontrol -C o -c p.ctx 0x81000100 "
                                      ">/dev/null && tpm2_flushcontext -t"),
                     0);
    assert_int_equal(
        swtpm_sh_out(f->tpm, "tpm2_readpublic -c 0x81000100 | head -2", before, sizeof(before)), 0);
    fixture_start(f);
    uint64_t generation = fixture_import(f, key_a, "l");
    assert_int_equal(hsm_identity_publish(f->hsm, generation, &f->err), EDGE_CONFLICT);
    assert_non_null(strstr(f->err.text, "0x81000100"));
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    fixture_check_sign(f, generation, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
    assert_int_equal(
        swtpm_sh_out(f->tpm, "tpm2_readpublic -c 0x81000100 | head -2", after, sizeof(after)), 0);
    assert_string_equal(before, after);
}

static void stclear_key_works_unpublished(void **state) {
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation = 0;
    const struct dps_blob_opts o = {.attributes = 0x40444};

    fixture_start(f);
    size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, &o, blob);
    fixture_ok(f, hsm_identity_import_blob(f->hsm, slice_make(blob, len), SLICE_LIT("l"),
                                           &generation, &f->err));
    assert_int_not_equal(hsm_identity_publish(f->hsm, generation, &f->err), EDGE_OK);
    fixture_close(f);
    swtpm_reset(f->tpm, true);
    fixture_start(f);
    fixture_check_sign(f, generation, key_a, 32);
}

static enum edge_code import_candidate(struct fixture *f) {
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation;
    const size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_b, NULL, blob);

    return hsm_identity_import_blob(f->hsm, slice_make(blob, len), SLICE_LIT("candidate"),
                                    &generation, NULL);
}

/* Old key whole, candidate whole or absent, numbers in order. */
static void check_after_kill(struct fixture *f) {
    struct hsm_identity all[HSM_IDENTITY_MAX];

    fixture_start(f);
    fixture_check_sign(f, 1, key_a, 32);
    size_t cnt = list(f, all);
    assert_true(cnt >= 1);
    assert_string_equal(all[0].label, "old");
    for (size_t i = 1; i < cnt; i++) {
        assert_string_equal(all[i].label, "candidate");
        fixture_check_sign(f, all[i].generation, key_b, 32);
        fixture_ok(f, hsm_identity_drop(f->hsm, all[i].generation, &f->err));
    }
}

static void killed_imports_endanger_nothing(void **state) {
    struct fixture *f = *state;
    size_t points = 0;

    fixture_start(f);
    assert_int_equal(fixture_import(f, key_a, "old"), 1);
    for (size_t n = 1; !fixture_dies(f, true, n, 0, import_candidate); n++, points++) {
        check_after_kill(f);
    }
    assert_true(points >= 6);
    check_after_kill(f);
    points = 0;
    for (size_t n = 1; !fixture_dies(f, true, 0, n, import_candidate); n++, points++) {
        check_after_kill(f);
    }
    assert_true(points >= 10);
    check_after_kill(f);
    struct hsm_identity all[HSM_IDENTITY_MAX];
    assert_int_equal(list(f, all), 1);
    uint64_t next = fixture_import(f, key_b, "next");
    assert_true(next > points / 2);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(generations_are_never_reused),
        WITH_TPM(only_so_many),
        WITH_TPM(labels),
        WITH_TPM(damaged_files_are_set_aside),
        WITH_TPM(damaged_root_is_set_aside),
        WITH_TPM(publish),
        WITH_TPM(publish_leaves_foreign_objects),
        WITH_TPM(stclear_key_works_unpublished),
        WITH_TPM(killed_imports_endanger_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
