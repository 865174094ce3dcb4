/* SPDX-License-Identifier: MIT */
/*
 * Allocation failures on the whole path. The cryptography of the TSS allocates thousands of times,
 * so after the first ones, which are ours, the failing allocation is chosen with growing steps.
 */
#include "fixture.h"

#include "support/alloc_fail.h"
#include "support/dps_blob.h"
#include "support/signing_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EACH_UP_TO 16
#define UNBOUND    HSM_RECORD_UNBOUND "x"

static const uint8_t key_a[32] = "first key: the nonce of the 401";

/* Out of memory, the TSS and OpenSSL leave some of their own behind. Ours does not go through
 * OpenSSL but for secrets, which are counted in their heap. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:libtss2-esys.so\nleak:crypto_malloc\nleak:crypto_realloc\n";
}

static uint8_t blob[DPS_BLOB_MAX];
static size_t blob_len;
static struct secret given;

/* One made, one taken in, and a signature of each. */
static enum edge_code signing_keys(struct fixture *f) {
    static const uint8_t digest[HSM_DIGEST_LEN] = {1};
    uint8_t sig[HSM_SIGNATURE_MAX];
    struct hsm_key key;
    size_t len;

    enum edge_code rc = hsm_key_make(f->hsm, "made", &key, &f->err);
    rc = rc == EDGE_OK ? hsm_key_import(f->hsm, "given", &given, &key, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_key_sign(f->hsm, "made", digest, sig, &len, &f->err) : rc;
    return rc == EDGE_OK ? hsm_key_sign(f->hsm, "given", digest, sig, &len, &f->err) : rc;
}

static enum edge_code life(struct fixture *f, uint64_t *ret_generation) {
    struct secret plain SECRET_CLEANUP = {0}, back SECRET_CLEANUP = {0};
    struct secret derived SECRET_CLEANUP = {0};
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint8_t mac[HSM_MAC_LEN];
    size_t cnt;

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
    rc = rc == EDGE_OK ? hsm_record_put(f->hsm, "r", &plain, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_record_get(f->hsm, "r", &back, &f->err) : rc;
    rc = rc == EDGE_OK ? signing_keys(f) : rc;
    return rc;
}

static void out_of_memory(void **state) {
    struct fixture *f = *state;
    uint8_t first[HSM_FINGERPRINT_LEN], last[HSM_FINGERPRINT_LEN];
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t failures = 0, cnt = 0;
    bool failed = true;

    fixture_ok(f, secret_heap_init(NULL, &f->err));
    fixture_start(f);
    blob_len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, NULL, blob);
    assert_int_equal(fixture_import(f, key_a, "old"), 1);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, first, &f->err));
    fixture_close(f);
    signing_key_make("P-384", &given);
    const size_t used = secret_heap_used(); /* the random number generators of OpenSSL */
    for (size_t n = 1; failed; n += n < EACH_UP_TO ? 1 : n) {
        uint64_t generation = 0;
        alloc_fail_arm(n);
        enum edge_code rc = life(f, &generation);
        failed = alloc_fail_disarm();
        assert_true(failed || rc == EDGE_OK);
        failures += failed;
        fixture_close(f);
        assert_int_equal(secret_heap_used(), used);
        fixture_open(f);
        fixture_ok(f, hsm_identity_list(f->hsm, keys, &cnt, &f->err));
        for (size_t i = 0; i < cnt; i++) {
            if (keys[i].generation != 1) {
                fixture_ok(f, hsm_identity_drop(f->hsm, keys[i].generation, &f->err));
            }
        }
        fixture_check_sign(f, 1, key_a, 32);
        fixture_ok(f, hsm_key_drop(f->hsm, "made", &f->err));
        fixture_ok(f, hsm_key_drop(f->hsm, "given", &f->err));
        assert_int_equal(fixture_count(f, "key-", true), 0); /* no shortage is taken for damage */
        fixture_close(f);
    }
    assert_true(failures > EACH_UP_TO);
    fixture_check_clean(f);
    fixture_start(f);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, last, &f->err));
    assert_memory_equal(first, last, sizeof(first));
    secret_clear(&given);
}

static enum edge_code store_life(struct fixture *f, bool *ret_resealed) {
    struct secret code SECRET_CLEANUP = {0}, value SECRET_CLEANUP = {0};
    struct hsm_reseal how = {.pcrs = 0x81, .recovery = &code};
    struct hsm_store_info info;

    enum edge_code rc = hsm_open(&f->cfg, &f->hsm, &f->err);
    rc = rc == EDGE_OK ? secret_copy(&code, "sixteen byte code", 17, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_record_get(f->hsm, "r", &value, &f->err) : rc;
    secret_clear(&value);
    rc = rc == EDGE_OK ? hsm_record_get(f->hsm, UNBOUND, &value, &f->err) : rc;
    rc = rc == EDGE_OK ? hsm_store_reseal(f->hsm, &how, &f->err) : rc;
    *ret_resealed = rc == EDGE_OK;
    rc = rc == EDGE_OK ? hsm_store_recover(f->hsm, &code, &f->err) : rc;
    return rc == EDGE_OK ? hsm_store_get_info(f->hsm, &info, &f->err) : rc;
}

/* Whatever fails: the store opens afterwards, and nothing was set aside. */
static void store_out_of_memory(void **state) {
    struct fixture *f = *state;
    size_t failures = 0;
    bool failed = true, resealed = false;

    fixture_ok(f, secret_heap_init(NULL, &f->err));
    fixture_start(f);
    fixture_put(f, "r", "text");
    fixture_put(f, UNBOUND, "text");
    fixture_close(f);
    const size_t used = secret_heap_used();
    for (size_t n = 1; failed; n += n < EACH_UP_TO ? 1 : n) {
        alloc_fail_arm(n);
        enum edge_code rc = store_life(f, &resealed);
        failed = alloc_fail_disarm();
        assert_true(failed || rc == EDGE_OK);
        failures += failed;
        fixture_close(f);
        assert_int_equal(secret_heap_used(), used);
        fixture_open(f);
        fixture_get(f, "r", "text");
        fixture_get(f, UNBOUND, "text");
        fixture_close(f);
    }
    assert_true(failures > EACH_UP_TO);
    assert_true(resealed);
    assert_int_equal(fixture_count(f, "store-key", true), 0);
    assert_int_equal(fixture_count(f, "record-", true), 0);
    assert_int_equal(fixture_count(f, "unbound-", true), 0);
    fixture_check_clean(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_out_of_memory, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(out_of_memory, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
