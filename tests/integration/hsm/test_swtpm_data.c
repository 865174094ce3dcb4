/* SPDX-License-Identifier: MIT */
/*
 * HMACs of all lengths against software, symmetric keys, sealing, random numbers.
 */
#include "fixture.h"

#include "support/fake_tcti.h"

#include "base/mac.h"

#include <tss2/tss2_tpm2_types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA_LEN 300000

static uint64_t import_key(struct fixture *f, const void *key, size_t len) {
    struct secret s = {0};
    uint64_t generation = 0;

    fixture_ok(f, secret_copy(&s, key, len, &f->err));
    fixture_ok(f, hsm_identity_import_key(f->hsm, &s, SLICE_LIT("key"), &generation, &f->err));
    secret_clear(&s);
    return generation;
}

static void hmac_lengths(void **state) {
    static const size_t lengths[] = {0,    1,    68,   500,  1023, 1024, 1025,
                                     2047, 2048, 2049, 3072, 5500, 65537};
    static const uint8_t key[32] = "key for all lengths of messages";
    struct fixture *f = *state;
    uint8_t mac[HSM_MAC_LEN], want[HSM_MAC_LEN];
    uint8_t *data = malloc(DATA_LEN);

    assert_non_null(data);
    for (size_t i = 0; i < DATA_LEN; i++) {
        data[i] = (uint8_t)(i * 7 + i / 256);
    }
    fixture_start(f);
    uint64_t generation = fixture_import(f, key, "l");
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct slice s = slice_make(data, lengths[i]);
        fixture_ok(f, hsm_identity_sign(f->hsm, generation, s, mac, &f->err));
        assert_int_equal(hmac_sha256(key, sizeof(key), data, lengths[i], want, NULL), EDGE_OK);
        assert_memory_equal(mac, want, sizeof(mac));
    }
    fixture_ok(f, fixture_challenge(f, key));
    struct slice s = slice_make(data, 5500);
    fixture_ok(f, hsm_challenge_sign(f->hsm, s, mac, &f->err));
    assert_int_equal(hmac_sha256(key, sizeof(key), data, 5500, want, NULL), EDGE_OK);
    assert_memory_equal(mac, want, sizeof(mac));
    assert_int_equal(
        hsm_identity_sign(f->hsm, generation, slice_make(data, HSM_DATA_MAX + 1), mac, &f->err),
        EDGE_RANGE);
    fixture_close(f);
    fixture_check_clean(f);
    free(data);
}

static void broken_sequence_is_flushed(void **state) {
    static const uint8_t data[3000] = {1};
    static const uint32_t commands[] = {TPM2_CC_HMAC_Start, TPM2_CC_SequenceUpdate,
                                        TPM2_CC_SequenceComplete};
    struct fixture *f = *state;
    uint8_t mac[HSM_MAC_LEN];

    fixture_start(f);
    uint64_t generation = fixture_import(f, data, "l");
    for (size_t i = 0; i < 15; i++) {
        fake_tcti_inject(commands[i % 3], TPM2_RC_DISABLED, 0, 1);
        assert_int_equal(
            hsm_identity_sign(f->hsm, generation, slice_make(data, sizeof(data)), mac, &f->err),
            EDGE_HSM);
    }
    fixture_ok(f,
               hsm_identity_sign(f->hsm, generation, slice_make(data, sizeof(data)), mac, &f->err));
    fixture_close(f);
    fixture_check_clean(f);
}

static void symmetric_keys(void **state) {
    static const uint8_t bytes[65] =
        "a symmetric enrollment key of sixty-four bytes, and one too many";
    static const size_t lengths[] = {1, 16, 32, 33, 64};
    struct fixture *f = *state;
    struct secret s = {0};
    uint64_t generation;

    fixture_start(f);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        fixture_check_sign(f, import_key(f, bytes, lengths[i]), bytes, lengths[i]);
    }
    assert_int_equal(hsm_identity_import_key(f->hsm, &s, SLICE_LIT("l"), &generation, &f->err),
                     EDGE_RANGE);
    fixture_ok(f, secret_copy(&s, bytes, 65, &f->err));
    assert_int_equal(hsm_identity_import_key(f->hsm, &s, SLICE_LIT("l"), &generation, &f->err),
                     EDGE_RANGE);
    secret_clear(&s);
}

static void random_numbers(void **state) {
    static uint8_t a[4096], b[4096];
    struct fixture *f = *state;
    size_t ones = 0, same = 0;

    fixture_start(f);
    uint64_t before = hsm_command_cnt(f->hsm);
    fixture_ok(f, hsm_random(f->hsm, a, sizeof(a), &f->err));
    assert_int_equal(hsm_command_cnt(f->hsm) - before, 1);
    fixture_ok(f, hsm_random(f->hsm, b, sizeof(b), &f->err));
    for (size_t i = 0; i < sizeof(a); i++) {
        ones += (size_t)__builtin_popcount(a[i]);
        same += a[i] == b[i];
    }
    assert_in_range(ones, sizeof(a) * 4 - 800, sizeof(a) * 4 + 800);
    assert_in_range(same, 0, 60);
    fixture_ok(f, hsm_random(f->hsm, a, 0, &f->err));
    assert_int_equal(hsm_random(f->hsm, a, sizeof(a) + 1, &f->err), EDGE_RANGE);
    /* A generator that gives less than asked is asked again; one that gives nothing is refused. */
    memset(a, 0, sizeof(a));
    fixture_ok(f, hsm_random(f->hsm, a, 7, &f->err));
    assert_int_equal(a[7], 0);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(hmac_lengths),
        WITH_TPM(broken_sequence_is_flushed),
        WITH_TPM(symmetric_keys),
        WITH_TPM(random_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
