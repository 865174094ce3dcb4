/* SPDX-License-Identifier: MIT */
/*
 * Activation blobs: which keys are accepted, what corruption gives, and that nothing stays behind.
 */
#include "fixture.h"

#include "support/dps_blob.h"
#include "support/fake_tcti.h"

#include "base/mac.h"

#include <tss2/tss2_tpm2_types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t key_a[32] = "first key: the nonce of the 401";

static enum edge_code load(struct fixture *f, const uint8_t *blob, size_t len) {
    return hsm_challenge_load(f->hsm, slice_make(blob, len), &f->err);
}

static void check_challenge(struct fixture *f) {
    uint8_t mac[HSM_MAC_LEN], want[HSM_MAC_LEN];

    fixture_ok(f, hsm_challenge_sign(f->hsm, SLICE_LIT("data"), mac, &f->err));
    assert_int_equal(hmac_sha256(key_a, 32, "data", 4, want, NULL), EDGE_OK);
    assert_memory_equal(mac, want, sizeof(mac));
}

static void accepted_variants(void **state) {
    static const uint8_t zero[32] = {0};
    static const uint8_t policy[32] = {0xbe, 0xf5, 0x6b, 0x8c, 0x1c, 0xc8, 0x4e, 0x11,
                                       0xed, 0xd7, 0x17, 0x52, 0x8d, 0x2c, 0xd9, 0x93,
                                       0x56, 0xbd, 0x2b, 0xbf, 0x8f, 0x01, 0x52, 0x09,
                                       0xc3, 0xf8, 0x4a, 0xee, 0xab, 0xa8, 0xe8, 0xa2};
    static const struct dps_blob_opts variants[] = {
        {.attributes = 0x40440}, {.attributes = 0x40040},
        {.attributes = 0x40460}, {.attributes = 0x40C40},
        {.attributes = 0x40444}, {.inner_len = 16},
        {.inner_len = 32},       {.auth = zero, .auth_len = sizeof(zero)},
        {.extra_len = 62},       {.extra_len = 200},
        {.no_extra = true},      {.policy = policy},
    };
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];

    fixture_start(f);
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, &variants[i], blob);
        fixture_ok(f, load(f, blob, len));
        check_challenge(f);
    }
    size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a,
                               &(struct dps_blob_opts){.auth = zero, .auth_len = 32}, blob);
    size_t at = dps_blob_field(blob, 3);
    assert_int_equal((size_t)blob[at] << 8 | blob[at + 1], 174);
    memcpy(blob + len, "trailing bytes", 14);
    fixture_ok(f, load(f, blob, len + 14));
    check_challenge(f);
}

static void refused_attributes(void **state) {
    static const struct {
        uint32_t attributes;
        const char *text;
    } cases[] = {
        {0x40442, "fixed"},   {0x40450, "fixed"},          {0x50440, "unrestricted"},
        {0x60440, "signing"}, {0x40400, "empty password"}, {0x00440, "signing"},
    };
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];

    fixture_start(f);
    uint64_t before = hsm_command_cnt(f->hsm);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct dps_blob_opts o = {.attributes = cases[i].attributes};
        size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, &o, blob);
        assert_int_equal(load(f, blob, len), EDGE_PARSE);
        assert_non_null(strstr(f->err.text, cases[i].text));
    }
    const struct dps_blob_opts sha1 = {.scheme_hash = TPM2_ALG_SHA1};
    assert_int_equal(load(f, blob, dps_blob_make(f->keys.ek, f->keys.srk, key_a, &sha1, blob)),
                     EDGE_PARSE);
    assert_int_equal(hsm_command_cnt(f->hsm), before);
}

static void key_with_password_is_not_kept(void **state) {
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation = 0;
    size_t cnt = 9;
    struct hsm_identity list[HSM_IDENTITY_MAX];

    fixture_start(f);
    const struct dps_blob_opts o = {.auth = (const uint8_t *)"pw", .auth_len = 2};
    size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, &o, blob);
    assert_int_equal(hsm_identity_import_blob(f->hsm, slice_make(blob, len), SLICE_LIT("l"),
                                              &generation, &f->err),
                     EDGE_DENIED);
    assert_int_equal(generation, 0);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    fixture_ok(f, hsm_identity_list(f->hsm, list, &cnt, &f->err));
    assert_int_equal(cnt, 0);
    fixture_close(f);
    fixture_check_clean(f);
}

static void corruption_of_each_field(void **state) {
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];

    fixture_start(f);
    for (unsigned field = 1; field <= 5; field++) {
        for (size_t where = 2; where <= 40; where += 19) {
            size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, NULL, blob);
            blob[dps_blob_field(blob, field) + where] ^= 0x10;
            enum edge_code rc = load(f, blob, len);
            if (rc != EDGE_DENIED && rc != EDGE_PARSE) {
                fail_msg("field %u byte %zu: %s", field, where, edge_error_text(&f->err));
            }
            assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
        }
    }
    for (unsigned field = 1; field <= 5; field++) { /* zero length, and one beyond the end */
        size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, NULL, blob);
        size_t at = dps_blob_field(blob, field);
        blob[at] = blob[at + 1] = 0;
        assert_int_equal(load(f, blob, len), EDGE_PARSE);
        len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, NULL, blob);
        blob[at] = 0x7F;
        assert_int_equal(load(f, blob, len), EDGE_PARSE);
    }
    fixture_ok(f, fixture_challenge(f, key_a));
    check_challenge(f);
}

static void made_for_other_keys(void **state) {
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];

    fixture_start(f);
    struct hsm_attestation other = f->keys;
    other.srk[200] ^= 1;
    assert_int_equal(load(f, blob, dps_blob_make(f->keys.ek, other.srk, key_a, NULL, blob)),
                     EDGE_DENIED);
    assert_non_null(strstr(f->err.text, "another endorsement or storage key"));
    other.ek[200] ^= 1;
    assert_int_equal(load(f, blob, dps_blob_make(other.ek, f->keys.srk, key_a, NULL, blob)),
                     EDGE_DENIED);
    fixture_ok(f, fixture_challenge(f, key_a));
}

static void failures_leave_nothing(void **state) {
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation;

    fixture_start(f);
    uint64_t good = fixture_import(f, key_a, "label");
    for (int i = 0; i < 100; i++) {
        size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, NULL, blob);
        blob[dps_blob_field(blob, 1 + (unsigned)i % 4) + 20] ^= 1;
        assert_int_not_equal(load(f, blob, len), EDGE_OK);
        assert_int_not_equal(hsm_identity_import_blob(f->hsm, slice_make(blob, len), SLICE_LIT("l"),
                                                      &generation, &f->err),
                             EDGE_OK);
    }
    fixture_check_sign(f, good, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
}

static void failing_commands_leave_nothing(void **state) {
    static const uint32_t commands[] = {
        TPM2_CC_StartAuthSession, TPM2_CC_PolicySecret, TPM2_CC_ActivateCredential,
        TPM2_CC_Import,           TPM2_CC_Load,         TPM2_CC_HMAC};
    struct fixture *f = *state;
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation = 0;

    fixture_start(f);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key_a, NULL, blob);
        fake_tcti_inject(commands[i], TPM2_RC_DISABLED, 0, 1);
        assert_int_equal(hsm_identity_import_blob(f->hsm, slice_make(blob, len), SLICE_LIT("l"),
                                                  &generation, &f->err),
                         EDGE_HSM);
        assert_int_equal(generation, 0);
    }
    assert_int_equal(fixture_import(f, key_a, "l"), 1);
    fixture_close(f);
    fixture_check_clean(f);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(accepted_variants),
        WITH_TPM(refused_attributes),
        WITH_TPM(key_with_password_is_not_kept),
        WITH_TPM(corruption_of_each_field),
        WITH_TPM(made_for_other_keys),
        WITH_TPM(failures_leave_nothing),
        WITH_TPM(failing_commands_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
