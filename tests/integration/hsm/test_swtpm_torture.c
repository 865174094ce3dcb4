/* SPDX-License-Identifier: MIT */
/*
 * Allocation failures on the whole path. The cryptography of the TSS allocates thousands of times,
 * so after the first ones, which are ours, the failing allocation is chosen with growing steps.
 */
#include "fixture.h"

#include "support/alloc_fail.h"
#include "support/dps_blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EACH_UP_TO 24

static const uint8_t key_a[32] = "first key: the nonce of the 401";

/* Out of memory, the TSS and OpenSSL leave some of their own behind. Ours does not go through
 * OpenSSL but for secrets, which are counted in their heap. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:libtss2-esys.so\nleak:crypto_malloc\nleak:crypto_realloc\n";
}

static uint8_t blob[DPS_BLOB_MAX];
static size_t blob_len;

static enum edge_code life(struct fixture *f, uint64_t *ret_generation) {
    struct secret plain SECRET_CLEANUP = {0}, back SECRET_CLEANUP = {0};
    struct secret derived SECRET_CLEANUP = {0};
    struct buf sealed EDGE_CLEANUP(buf_clear) = {0};
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint8_t mac[HSM_MAC_LEN];
    size_t cnt;

    buf_init(&sealed, HSM_BLOB_MAX);
    enum edge_code rc = hsm_open(&f->cfg, &f->hsm, &f->err);
    rc = rc == EDGE_OK ? hsm_start(f->hsm, &f->err) : rc;
    struct slice in = slice_make(blob, blob_len);
    rc = rc == EDGE_OK ? hsm_challenge_load(f->hsm, in, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_challenge_sign(f->hsm, in, mac, &f->err) : rc;
    rc = rc == EDGE_OK
             ? hsm_identity_import_blob(f->hsm, in, SLICE_LIT("l"), ret_generation, &f->err)
             : rc;
    rc = rc == EDGE_OK ? hsm_identity_sign(f->hsm, *ret_generation, in, mac, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_identity_list(f->hsm, all, &cnt, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_root_derive(f->hsm, SLICE_LIT("m"), &derived, &f->err) : rc;
    rc = rc == EDGE_OK ? secret_copy(&plain, "plain", 5, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_seal(f->hsm, &plain, &sealed, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_unseal(f->hsm, buf_slice(&sealed), &back, &f->err) : rc;
    return rc;
}

static void out_of_memory(void **state) {
    struct fixture *f = *state;
    uint8_t first[HSM_FINGERPRINT_LEN], last[HSM_FINGERPRINT_LEN];
    size_t failures = 0;
    bool failed = true;

    fixture_ok(f, secret_heap_init(NULL, &f->err));
    fixture_start(f);
    blob_len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, NULL, blob);
    assert_int_equal(fixture_import(f, key_a, "old"), 1);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, first, &f->err));
    fixture_close(f);
    const size_t used = secret_heap_used(); /* the random number generators of OpenSSL */
    for (size_t n = 1; failed; n += n < EACH_UP_TO ? 1 : n / 2) {
        uint64_t generation = 0;
        alloc_fail_arm(n);
        enum edge_code rc = life(f, &generation);
        failed = alloc_fail_disarm();
        assert_true(failed || rc == EDGE_OK);
        failures += failed;
        fixture_close(f);
        assert_int_equal(secret_heap_used(), used);
        fixture_open(f);
        for (uint64_t g = 2; g < 200; g++) {
            fixture_ok(f, hsm_identity_drop(f->hsm, g, &f->err));
        }
        fixture_check_sign(f, 1, key_a, 32);
        fixture_close(f);
    }
    assert_true(failures > EACH_UP_TO);
    fixture_check_clean(f);
    fixture_start(f);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, last, &f->err));
    assert_memory_equal(first, last, sizeof(first));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(out_of_memory, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
