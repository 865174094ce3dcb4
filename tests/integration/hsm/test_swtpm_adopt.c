/* SPDX-License-Identifier: MIT */
/*
 * A hub key that other software left at its handle, and what an operator does after the TPM was
 * cleared or replaced. Kill -9 at every TPM command and every file call of both.
 */
#include "fixture.h"

#include "support/alloc_fail.h"

#include "base/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t key_a[32] = "first key: the nonce of the 401";
static const uint8_t key_b[32] = "second key: it names the device";

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:libtss2-esys.so\nleak:crypto_malloc\nleak:crypto_realloc\n";
}

static size_t list(struct fixture *f, struct hsm_identity out[HSM_IDENTITY_MAX]) {
    size_t cnt = 99;

    fixture_ok(f, hsm_identity_list(f->hsm, out, &cnt, &f->err));
    return cnt;
}

/* What the daemon before us did: imports a key and leaves it at the handle only. Our generations 1
 * and up are free afterwards, except for 1. */
static void predecessor(struct fixture *f, const uint8_t key[32]) {
    fixture_start(f);
    uint64_t generation = fixture_import(f, key, "predecessor");
    fixture_ok(f, hsm_identity_publish(f->hsm, generation, &f->err));
    fixture_ok(f, hsm_identity_drop(f->hsm, generation, &f->err));
}

static uint64_t adopt(struct fixture *f, const char *label) {
    uint64_t generation = 0;

    fixture_ok(f, hsm_identity_adopt(f->hsm, slice_str(label), &generation, &f->err));
    return generation;
}

/* Files in the state directory whose names start so. */
static int file_cnt(struct fixture *f, const char *prefix) {
    return fixture_count(f, prefix, false) + fixture_count(f, prefix, true);
}

static const char evict[] = "tpm2_evictcontrol -C o -c 0x81000100 >/dev/null";

static void signs_like_the_original(void **state) {
    struct fixture *f = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint8_t mac[HSM_MAC_LEN], want[HSM_MAC_LEN];
    static uint8_t large[5000];

    predecessor(f, key_a);
    uint64_t own = fixture_import(f, key_b, "own");
    uint64_t generation = adopt(f, "taken over");
    assert_true(generation > own);
    fixture_check_sign(f, generation, key_a, 32);
    fixture_check_sign(f, own, key_b, 32);
    fixture_check_sign(f, generation, key_a, 32);
    fixture_ok(
        f, hsm_identity_sign(f->hsm, generation, slice_make(large, sizeof(large)), mac, &f->err));
    fixture_ok(f, hmac_sha256(key_a, 32, large, sizeof(large), want, &f->err));
    assert_memory_equal(mac, want, sizeof(mac));
    uint64_t last = fixture_import(f, key_b, "last");
    assert_int_equal(list(f, all), 3);
    assert_int_equal(all[0].generation, own);
    assert_false(all[0].adopted);
    assert_int_equal(all[1].generation, generation);
    assert_true(all[1].adopted);
    assert_string_equal(all[1].label, "taken over");
    assert_int_equal(all[2].generation, last);
    assert_false(all[2].adopted);
    fixture_close(f);
    fixture_check_clean(f);
    swtpm_reset(f->tpm, false);
    fixture_start(f);
    fixture_check_sign(f, generation, key_a, 32);
    swtpm_reset(f->tpm, true); /* under our feet */
    fixture_check_sign(f, generation, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
}

static void adopting_twice_is_adopting_once(void **state) {
    struct fixture *f = *state;

    predecessor(f, key_a);
    uint64_t one = adopt(f, "label");
    assert_int_equal(adopt(f, "label"), one);
    fixture_close(f);
    fixture_start(f);
    assert_int_equal(adopt(f, "label"), one);
    assert_true(adopt(f, "other") > one);
    uint64_t generation = 0;
    for (int i = 2; i < HSM_IDENTITY_MAX; i++) {
        (void)fixture_import(f, key_b, "own");
    }
    assert_int_equal(hsm_identity_adopt(f->hsm, SLICE_LIT("more"), &generation, &f->err),
                     EDGE_RANGE);
    assert_int_equal(adopt(f, "label"), one);
}

static void the_only_copy_is_left_alone(void **state) {
    struct fixture *f = *state;

    predecessor(f, key_a);
    uint64_t own = fixture_import(f, key_b, "own");
    uint64_t generation = adopt(f, "label");
    assert_int_equal(hsm_identity_publish(f->hsm, own, &f->err), EDGE_CONFLICT);
    assert_non_null(strstr(f->err.text, "only copy"));
    assert_int_equal(hsm_identity_publish(f->hsm, generation, &f->err), EDGE_CONFLICT);
    fixture_check_sign(f, generation, key_a, 32);
    /* Dropping forgets our file, the object stays ... */
    fixture_ok(f, hsm_identity_drop(f->hsm, generation, &f->err));
    generation = adopt(f, "again");
    fixture_check_sign(f, generation, key_a, 32);
    /* ... until ours takes its place. */
    fixture_ok(f, hsm_identity_drop(f->hsm, generation, &f->err));
    fixture_ok(f, hsm_identity_publish(f->hsm, own, &f->err));
    fixture_check_sign(f, own, key_b, 32);
    uint8_t mac[HSM_MAC_LEN];
    assert_int_equal(hsm_identity_sign(f->hsm, generation, SLICE_LIT("x"), mac, &f->err),
                     EDGE_NOT_FOUND);
}

static void nothing_or_something_else(void **state) {
    struct fixture *f = *state;
    uint64_t generation = 0;

    fixture_start(f);
    assert_int_equal(hsm_identity_adopt(f->hsm, SLICE_LIT("l"), &generation, &f->err),
                     EDGE_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "0x81000100"));
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    assert_int_equal(hsm_identity_adopt(f->hsm, slice_make("a\0b", 3), &generation, &f->err),
                     EDGE_INVALID);
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "cd \"$D\" && tpm2_createprimary -C o -G rsa -c p.ctx "
                                      ">/dev/null && tpm2_evictcontrol -C o -c p.ctx 0x81000100 "
                                      ">/dev/null && tpm2_flushcontext -t"),
                     0);
    fixture_start(f);
    assert_int_equal(hsm_identity_adopt(f->hsm, SLICE_LIT("l"), &generation, &f->err),
                     EDGE_CONFLICT);
    assert_int_equal(generation, 0);
    assert_int_equal(file_cnt(f, "identity-"), 0);
}

static void key_that_is_gone_or_changed(void **state) {
    struct fixture *f = *state;
    uint8_t mac[HSM_MAC_LEN];

    predecessor(f, key_a);
    uint64_t generation = adopt(f, "label");
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, evict), 0);
    fixture_start(f);
    assert_int_equal(hsm_identity_sign(f->hsm, generation, SLICE_LIT("x"), mac, &f->err),
                     EDGE_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "0x81000100"));
    /* The other software comes back and imports another key. */
    const char *mine = f->cfg.state_dir;
    char other[PATH_MAX];
    (void)snprintf(other, sizeof(other), "%s", tmpdir_join(f->dir, "other"));
    fixture_close(f);
    f->cfg.state_dir = other;
    predecessor(f, key_b);
    fixture_close(f);
    f->cfg.state_dir = mine;
    fixture_start(f);
    assert_int_equal(hsm_identity_sign(f->hsm, generation, SLICE_LIT("x"), mac, &f->err),
                     EDGE_DENIED);
    assert_non_null(strstr(f->err.text, "other software has replaced it"));
    uint64_t next = adopt(f, "label");
    assert_true(next > generation);
    fixture_check_sign(f, next, key_b, 32);
    fixture_close(f);
    fixture_check_clean(f);
}

static void damaged_file_is_set_aside(void **state) {
    struct fixture *f = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];

    predecessor(f, key_a);
    uint64_t generation = adopt(f, "label");
    char name[64];
    (void)snprintf(name, sizeof(name), "identity-%llu", (unsigned long long)generation);
    tmpdir_write(f->dir, name, "junk", 4, 0600);
    assert_int_equal(list(f, all), 0);
    assert_true(adopt(f, "label") > generation);
}

static void replace_tpm(struct fixture *f) {
    swtpm_free(f->tpm);
    f->tpm = swtpm_new(false);
    f->cfg.tcti = f->tpm->tcti;
}

/* A device with everything: two own keys, an adopted one, a module root. */
static void furnish(struct fixture *f, uint8_t ret_print[HSM_FINGERPRINT_LEN]) {
    predecessor(f, key_a);
    (void)fixture_import(f, key_b, "own");
    (void)adopt(f, "adopted");
    (void)fixture_import(f, key_b, "own, too");
    fixture_ok(f, hsm_root_fingerprint(f->hsm, ret_print, &f->err));
    fixture_close(f);
}

static void check_accepted(struct fixture *f, const uint8_t print[HSM_FINGERPRINT_LEN],
                           uint64_t least) {
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint8_t now[HSM_FINGERPRINT_LEN];

    fixture_start(f);
    assert_int_equal(list(f, all), 0);
    uint64_t next = fixture_import(f, key_a, "anew");
    assert_true(next > least);
    fixture_check_sign(f, next, key_a, 32);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, now, &f->err));
    assert_memory_not_equal(now, print, sizeof(now));
    /* Nothing more to do. */
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    fixture_check_sign(f, next, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
}

static void accept_a_cleared_tpm(void **state) {
    struct fixture *f = *state;
    uint8_t print[HSM_FINGERPRINT_LEN];

    furnish(f, print);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_clear"), 0);
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_CLEARED, "iotedge tpm accept-change");
    fixture_open(f);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    fixture_close(f);
    assert_int_equal(file_cnt(f, "pins.cleared-"), 1);
    assert_int_equal(file_cnt(f, "module-root.cleared-"), 1);
    assert_int_equal(file_cnt(f, "identity-2.cleared-"), 1);
    assert_int_equal(file_cnt(f, "identity-3.cleared-"), 1);
    assert_int_equal(file_cnt(f, "identity-4.cleared-"), 1);
    assert_int_equal(file_cnt(f, "identity-"), 3);
    check_accepted(f, print, 4);
}

static void accept_a_replaced_tpm(void **state) {
    struct fixture *f = *state;
    uint8_t print[HSM_FINGERPRINT_LEN];

    furnish(f, print);
    replace_tpm(f);
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_REPLACED, "iotedge tpm accept-change");
    fixture_open(f);
    assert_int_equal(hsm_start(f->hsm, &f->err), EDGE_HSM); /* as the daemon does before */
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    fixture_close(f);
    assert_int_equal(file_cnt(f, "pins.replaced-"), 1);
    assert_int_equal(file_cnt(f, "module-root.replaced-"), 1);
    assert_int_equal(file_cnt(f, "identity-"), 3);
    check_accepted(f, print, 4);
}

/* Another endorsement seed, the same storage seed: what hangs from the latter still works. */
static void keys_that_work_stay(void **state) {
    struct fixture *f = *state;
    uint8_t print[HSM_FINGERPRINT_LEN], now[HSM_FINGERPRINT_LEN];

    furnish(f, print);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_changeeps"), 0);
    fixture_start_fails(f, EDGE_HSM, HSM_STATE_REPLACED, "another TPM");
    fixture_open(f);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    fixture_check_sign(f, 2, key_b, 32);
    fixture_check_sign(f, 3, key_a, 32);
    fixture_check_sign(f, 4, key_b, 32);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, now, &f->err));
    assert_memory_equal(now, print, sizeof(now));
    assert_int_equal(file_cnt(f, "pins.replaced-"), 1);
}

static void nothing_to_accept(void **state) {
    struct fixture *f = *state;
    uint8_t print[HSM_FINGERPRINT_LEN], now[HSM_FINGERPRINT_LEN];

    fixture_open(f);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err)); /* of a new device, too */
    fixture_close(f);
    furnish(f, print);
    fixture_open(f);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    fixture_check_sign(f, 2, key_b, 32);
    fixture_check_sign(f, 3, key_a, 32);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, now, &f->err));
    assert_memory_equal(now, print, sizeof(now));
    fixture_close(f);
    /* No answer is no change. */
    swtpm_stop(f->tpm);
    fixture_open(f);
    assert_int_not_equal(hsm_accept_change(f->hsm, &f->err), EDGE_OK);
    fixture_close(f);
    swtpm_start(f->tpm);
    assert_int_equal(file_cnt(f, "pins"), 1);
    assert_int_equal(file_cnt(f, "identity-"), 3);
}

static enum edge_code adopt_label(struct fixture *f) {
    uint64_t generation;

    return hsm_identity_adopt(f->hsm, SLICE_LIT("label"), &generation, NULL);
}

static void check_after_killed_adoption(struct fixture *f) {
    struct hsm_identity all[HSM_IDENTITY_MAX];

    fixture_start(f);
    fixture_check_sign(f, 2, key_b, 32);
    size_t cnt = list(f, all);
    assert_true(cnt == 1 || cnt == 2);
    if (cnt == 2) {
        assert_true(all[1].adopted);
        assert_int_equal(adopt(f, "label"), all[1].generation);
    }
    uint64_t generation = adopt(f, "label");
    fixture_check_sign(f, generation, key_a, 32);
    fixture_ok(f, hsm_identity_drop(f->hsm, generation, &f->err));
    fixture_close(f);
}

static void killed_adoptions_endanger_nothing(void **state) {
    struct fixture *f = *state;
    size_t points = 0;

    predecessor(f, key_a);
    assert_int_equal(fixture_import(f, key_b, "own"), 2);
    fixture_close(f);
    for (size_t n = 1; !fixture_dies(f, true, n, 0, adopt_label); n++, points++) {
        check_after_killed_adoption(f);
    }
    assert_true(points >= 2);
    check_after_killed_adoption(f);
    points = 0;
    for (size_t n = 1; !fixture_dies(f, true, 0, n, adopt_label); n++, points++) {
        check_after_killed_adoption(f);
    }
    assert_true(points >= 8);
    check_after_killed_adoption(f);
}

static enum edge_code accept_change(struct fixture *f) {
    return hsm_accept_change(f->hsm, NULL);
}

/* Cut short anywhere, a second call completes it. */
static void killed_acceptance_is_completed(void **state) {
    struct fixture *f = *state;
    size_t points = 0;
    bool through = false;

    for (size_t n = 1; !through; n++) {
        uint8_t print[HSM_FINGERPRINT_LEN];
        fixture_start(f);
        (void)fixture_import(f, key_b, "own");
        fixture_ok(f, hsm_root_fingerprint(f->hsm, print, &f->err));
        fixture_close(f);
        assert_int_equal(swtpm_sh(f->tpm, "tpm2_clear"), 0);
        through = fixture_dies(f, false, 0, n, accept_change);
        points += !through;
        fixture_open(f);
        fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
        struct hsm_identity all[HSM_IDENTITY_MAX];
        assert_int_equal(list(f, all), 0);
        assert_int_equal(file_cnt(f, "pins"), 1 + n);
        assert_int_equal(file_cnt(f, "module-root"), n);
        fixture_close(f);
    }
    assert_true(points >= 10);
}

/* Allocations fail one by one; the key stays and can be adopted afterwards. */
static void out_of_memory(void **state) {
    struct fixture *f = *state;
    bool failed = true;

    fixture_ok(f, secret_heap_init(NULL, &f->err));
    predecessor(f, key_a);
    fixture_close(f);
    for (size_t n = 1; failed; n += n < 24 ? 1 : n / 2) {
        uint8_t mac[HSM_MAC_LEN];
        struct hsm_identity all[HSM_IDENTITY_MAX];
        uint64_t generation = 0;
        size_t cnt;
        alloc_fail_arm(n);
        enum edge_code rc = hsm_open(&f->cfg, &f->hsm, &f->err);
        rc = rc == EDGE_OK ? hsm_identity_adopt(f->hsm, SLICE_LIT("l"), &generation, &f->err) : rc;
        rc = rc == EDGE_OK ? hsm_identity_sign(f->hsm, generation, SLICE_LIT("x"), mac, &f->err)
                           : rc;
        rc = rc == EDGE_OK ? hsm_identity_list(f->hsm, all, &cnt, &f->err) : rc;
        rc = rc == EDGE_OK ? hsm_accept_change(f->hsm, &f->err) : rc;
        failed = alloc_fail_disarm();
        assert_true(failed || rc == EDGE_OK);
        fixture_close(f);
        fixture_start(f);
        fixture_check_sign(f, adopt(f, "l"), key_a, 32);
        fixture_ok(f, hsm_identity_drop(f->hsm, adopt(f, "l"), &f->err));
        fixture_close(f);
    }
    fixture_check_clean(f);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(signs_like_the_original),
        WITH_TPM(adopting_twice_is_adopting_once),
        WITH_TPM(the_only_copy_is_left_alone),
        WITH_TPM(nothing_or_something_else),
        WITH_TPM(key_that_is_gone_or_changed),
        WITH_TPM(damaged_file_is_set_aside),
        WITH_TPM(accept_a_cleared_tpm),
        WITH_TPM(accept_a_replaced_tpm),
        WITH_TPM(keys_that_work_stay),
        WITH_TPM(nothing_to_accept),
        WITH_TPM(killed_adoptions_endanger_nothing),
        WITH_TPM(killed_acceptance_is_completed),
        WITH_TPM(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
