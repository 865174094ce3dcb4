/* SPDX-License-Identifier: MIT */
/*
 * Policies as digests, and the store key's file that says them.
 */
#include "tpm/tpm_policy.h"

#include "tpm/tpm_store.h"
#include "tpm/tpm_tmpl.h"

#include "support/alloc_fail.h"

#include "base/b64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What tpm2_policypcr -l sha256:0,7 of zeros, tpm2_policyauthvalue and tpm2_policyor print. */
#define PCR_0_7  "02e3642b3e29eeccfffd8031c00a6f0a0febe5ceea2f6ef6b0322fe81598cf31"
#define AUTH     "8fcd2169ab92694e0c633f1ab772842b8241bbc20288981fc7ac1eddc1fddb0e"
#define OR_ABOVE "0664779a50ac5200585fbc53337e52227f140e8f3d824beb2b114cb3299ac125"

static void check_hex(const TPM2B_DIGEST *digest, const char *want) {
    struct buf hex;

    buf_init(&hex, 128);
    assert_int_equal(digest->size, 32);
    assert_int_equal(hex_encode(digest->buffer, digest->size, &hex, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&hex), want);
    buf_clear(&hex);
}

static void known_digests(void **state) {
    struct tpm_binding b = {.pcrs = 0x81};
    TPML_DIGEST branches;
    TPM2B_DIGEST whole;

    (void)state;
    assert_int_equal(tpm_policy_branches(&b, &branches, NULL), EDGE_OK);
    assert_int_equal(branches.count, 2);
    check_hex(&branches.digests[0], PCR_0_7);
    check_hex(&branches.digests[1], AUTH);
    assert_int_equal(tpm_policy_digest(&b, &whole, NULL), EDGE_OK);
    check_hex(&whole, OR_ABOVE);
    b.has_planned = true;
    b.planned.value[7][0] = 1;
    assert_int_equal(tpm_policy_branches(&b, &branches, NULL), EDGE_OK);
    assert_int_equal(branches.count, 3);
    check_hex(&branches.digests[0], PCR_0_7);
    check_hex(&branches.digests[2], AUTH);
    b.pcrs = 0;
    assert_int_equal(tpm_policy_digest(&b, &whole, NULL), EDGE_OK);
    assert_int_equal(whole.size, 0);
}

static void selection(void **state) {
    TPML_PCR_SELECTION s;
    char text[96], little[4];

    (void)state;
    tpm_policy_selection(1u << 23 | 1u << 8 | 1u, &s);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.pcrSelections[0].sizeofSelect, 3);
    assert_memory_equal(s.pcrSelections[0].pcrSelect, "\x01\x01\x80", 3);
    tpm_policy_pcr_text(1u << 23 | 1u << 8 | 1u, text, sizeof(text));
    assert_string_equal(text, "0, 8, 23");
    tpm_policy_pcr_text(0xFFFFFF, text, sizeof(text));
    assert_non_null(strstr(text, "22, 23"));
    tpm_policy_pcr_text(0xFFFFFF, little, sizeof(little));
    assert_string_equal(little, "0, ");
}

static void recovery_auth(void **state) {
    struct secret code = {0};
    TPM2B_AUTH one, two;

    (void)state;
    for (uint8_t i = 0; i < 64; i++) {
        assert_int_equal(secret_alloc(&code, 20, NULL), EDGE_OK);
        code.data[3] = i;
        assert_int_equal(tpm_policy_recovery_auth(&code, &one, NULL), EDGE_OK);
        assert_int_equal(one.size, 32);
        assert_int_not_equal(one.buffer[31], 0); /* the TPM would drop it */
        code.data[3] ^= 1;
        assert_int_equal(tpm_policy_recovery_auth(&code, &two, NULL), EDGE_OK);
        assert_memory_not_equal(one.buffer, two.buffer, 32);
        secret_clear(&code);
    }
}

static void make_kek(uint32_t pcrs, bool planned, struct tpm_kek *ret) {
    TPM2B_DIGEST policy;

    *ret = (struct tpm_kek){.binding = {.pcrs = pcrs, .has_planned = planned},
                            .key.parent = {.len = 34}};
    ret->binding.now.value[7][0] = pcrs != 0;
    ret->binding.planned.value[7][0] = planned ? 2 : 0;
    assert_int_equal(tpm_policy_digest(&ret->binding, &policy, NULL), EDGE_OK);
    tpm_tmpl_sealed(&policy, &ret->key.pub);
    ret->key.priv.size = 80;
    memset(ret->key.priv.buffer, 0x5A, 80);
}

static void kek_file(void **state) {
    static const uint32_t masks[] = {0, 0x80, 0x80, 0x800085};
    struct tpm_kek kek, back;
    struct buf bytes;

    (void)state;
    buf_init(&bytes, STORE_PAYLOAD_MAX);
    for (size_t i = 0; i < 4; i++) {
        make_kek(masks[i], i >= 2, &kek);
        buf_reset(&bytes);
        assert_int_equal(tpm_store_kek_encode(&kek, &bytes, NULL), EDGE_OK);
        assert_int_equal(tpm_store_kek_decode(buf_slice(&bytes), &back, NULL), EDGE_OK);
        assert_int_equal(back.binding.pcrs, masks[i]);
        assert_int_equal(back.binding.has_planned, i >= 2);
        assert_memory_equal(&back.binding.now, &kek.binding.now, sizeof(back.binding.now));
        assert_int_equal(back.key.priv.size, 80);
        for (size_t len = 0; len < bytes.len; len++) {
            assert_int_equal(tpm_store_kek_decode(slice_make(bytes.data, len), &back, NULL),
                             EDGE_PARSE);
        }
        for (size_t at = 0; at < 6; at++) { /* a binding that the object does not have */
            bytes.data[at] ^= at == 5 ? 1 : 0x40;
            assert_int_equal(tpm_store_kek_decode(buf_slice(&bytes), &back, NULL), EDGE_PARSE);
            bytes.data[at] ^= at == 5 ? 1 : 0x40;
        }
    }
    bytes.data[6] ^= 1; /* first byte of PCR 0 */
    assert_int_equal(tpm_store_kek_decode(buf_slice(&bytes), &back, NULL), EDGE_PARSE);
    buf_clear(&bytes);
}

static enum edge_code life(void *data) {
    struct secret code SECRET_CLEANUP = {0};
    struct tpm_binding b = {.pcrs = 0x85, .has_planned = true};
    TPM2B_DIGEST digest;
    TPM2B_AUTH auth;

    (void)data;
    enum edge_code rc = tpm_policy_digest(&b, &digest, NULL);
    rc = rc == EDGE_OK ? secret_copy(&code, "a recovery code!", 16, NULL) : rc;
    return rc == EDGE_OK ? tpm_policy_recovery_auth(&code, &auth, NULL) : rc;
}

static void out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(life, NULL) > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests), cmocka_unit_test(selection),
        cmocka_unit_test(recovery_auth), cmocka_unit_test(kek_file),
        cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
