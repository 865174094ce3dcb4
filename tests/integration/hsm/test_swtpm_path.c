/* SPDX-License-Identifier: MIT */
/*
 * The main path on a blank TPM: keys, challenge, identity, root, sealing, random numbers.
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
static const uint8_t key_b[32] = "second key: it names the device";

static void fresh_tpm_gets_keys(void **state) {
    static const uint8_t ek_head[] = {0x01, 0x3A, 0x00, 0x01, 0x00, 0x0B, 0x00, 0x03, 0x00, 0xB2};
    static const uint8_t srk_head[] = {0x01, 0x1A, 0x00, 0x01, 0x00, 0x0B, 0x00, 0x03, 0x04, 0x72};
    struct fixture *f = *state;
    struct hsm_attestation first;

    fixture_start(f);
    assert_int_equal(f->keys.ek_len, 316);
    assert_int_equal(f->keys.srk_len, 284);
    assert_memory_equal(f->keys.ek, ek_head, sizeof(ek_head));
    assert_memory_equal(f->keys.srk, srk_head, sizeof(srk_head));
    first = f->keys;
    fixture_close(f);
    fixture_check_clean(f);
    swtpm_reset(f->tpm, true);
    fixture_start(f);
    assert_memory_equal(&first, &f->keys, sizeof(first));
    fixture_close(f);
    /* The well-known template: what the tools make is the same key. */
    assert_int_equal(swtpm_sh(f->tpm, "cd \"$D\" && tpm2_createek -c ek.ctx -G rsa -u ek.pub && "
                                      "tpm2_readpublic -c 0x81010001 -o have.pub >/dev/null && "
                                      "cmp ek.pub have.pub"),
                     0);
}

static void challenge_signs_and_goes(void **state) {
    struct fixture *f = *state;
    uint8_t mac[HSM_MAC_LEN], want[HSM_MAC_LEN];

    fixture_start(f);
    assert_int_equal(hsm_challenge_sign(f->hsm, SLICE_LIT("x"), mac, &f->err), EDGE_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        const uint8_t *key = i == 0 ? key_a : key_b;
        fixture_ok(f, fixture_challenge(f, key));
        fixture_ok(f, hsm_challenge_sign(f->hsm, SLICE_LIT("abc"), mac, &f->err));
        assert_int_equal(hmac_sha256(key, 32, "abc", 3, want, NULL), EDGE_OK);
        assert_memory_equal(mac, want, sizeof(mac));
    }
    hsm_challenge_drop(f->hsm);
    assert_int_equal(hsm_challenge_sign(f->hsm, SLICE_LIT("x"), mac, &f->err), EDGE_NOT_FOUND);
    fixture_close(f);
    fixture_check_clean(f);
}

static void identity_survives_restart(void **state) {
    struct fixture *f = *state;
    struct hsm_identity list[HSM_IDENTITY_MAX];
    size_t cnt = 0;

    fixture_start(f);
    fixture_ok(f, fixture_challenge(f, key_a));
    uint64_t one = fixture_import(f, key_a, "hub/one");
    uint64_t two = fixture_import(f, key_b, "hub/two");
    assert_int_equal(one, 1);
    assert_int_equal(two, 2);
    fixture_check_sign(f, one, key_a, 32);
    fixture_check_sign(f, two, key_b, 32);
    fixture_close(f);
    fixture_check_clean(f);
    swtpm_reset(f->tpm, false);
    fixture_start(f);
    fixture_check_sign(f, one, key_a, 32);
    fixture_check_sign(f, two, key_b, 32);
    fixture_ok(f, hsm_identity_list(f->hsm, list, &cnt, &f->err));
    assert_int_equal(cnt, 2);
    assert_string_equal(list[1].label, "hub/two");
}

static void derive_is_one_command(void **state) {
    struct fixture *f = *state;
    struct secret a = {0}, b = {0}, c = {0};
    uint8_t print_1[HSM_FINGERPRINT_LEN], print_2[HSM_FINGERPRINT_LEN];

    fixture_start(f);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, print_1, &f->err));
    uint64_t before = hsm_command_cnt(f->hsm);
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("module one"), &a, &f->err));
    assert_int_equal(hsm_command_cnt(f->hsm) - before, 1);
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("module two"), &b, &f->err));
    assert_false(secret_equal(&a, &b));
    fixture_close(f);
    swtpm_reset(f->tpm, true);
    fixture_start(f);
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("module one"), &c, &f->err));
    assert_true(secret_equal(&a, &c));
    fixture_ok(f, hsm_root_fingerprint(f->hsm, print_2, &f->err));
    assert_memory_equal(print_1, print_2, sizeof(print_1));
    secret_clear(&a);
    secret_clear(&b);
    secret_clear(&c);
}

/* Nothing saves the session of a TPM that is ours alone. */
static void refresh_needs_a_resource_manager(void **state) {
    struct fixture *f = *state;

    fixture_open(f);
    fixture_ok(f, hsm_refresh(f->hsm, &f->err));
    assert_int_equal(hsm_command_cnt(f->hsm), 0);
    fixture_start(f);
    uint64_t before = hsm_command_cnt(f->hsm);
    fixture_ok(f, hsm_refresh(f->hsm, &f->err));
    assert_int_equal(hsm_command_cnt(f->hsm), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fresh_tpm_gets_keys, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(challenge_signs_and_goes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(identity_survives_restart, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(derive_is_one_command, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refresh_needs_a_resource_manager, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
