/* SPDX-License-Identifier: MIT */
/*
 * Templates byte by byte, and which objects pass for EK, SRK and hub key.
 */
#include "tpm/tpm_tmpl.h"

#include "tpm/tpm_public.h"

#include "base/b64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The start every EK of this class has in base64, whatever its modulus. */
#define EK_PREFIX "AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAgAAAAAAAEA"

static void bytes_of_templates(void **state) {
    TPM2B_DIGEST policy = {0};
    TPM2B_PUBLIC pub;
    uint8_t bytes[HSM_PUBLIC_MAX];
    size_t len;
    struct buf text;

    (void)state;
    buf_init(&text, 2048);
    tpm_tmpl_ek(HSM_EK_TCG_L1, &pub);
    assert_int_equal(tpm_public_marshal(&pub, bytes, &len, NULL), EDGE_OK);
    assert_int_equal(len, 316);
    assert_int_equal(b64_encode(bytes, len, &text, NULL), EDGE_OK);
    assert_true(slice_starts_with(buf_slice(&text), EK_PREFIX));
    tpm_tmpl_ek(HSM_EK_LEGACY_UNIQUE0, &pub);
    assert_int_equal(tpm_public_marshal(&pub, bytes, &len, NULL), EDGE_OK);
    assert_int_equal(len, 60);
    tpm_tmpl_srk(HSM_EK_TCG_L1, &pub);
    assert_int_equal(tpm_public_marshal(&pub, bytes, &len, NULL), EDGE_OK);
    assert_int_equal(len, 284);
    assert_int_equal(pub.publicArea.objectAttributes, 0x00030472);
    tpm_tmpl_hmac_random(&pub);
    assert_int_equal(pub.publicArea.objectAttributes, 0x00040472);
    assert_null(tpm_tmpl_check_hub_key(&pub));
    tpm_tmpl_hmac_given(&pub);
    assert_int_equal(pub.publicArea.objectAttributes, 0x00040452);
    tpm_tmpl_sealed(&policy, &pub);
    assert_int_equal(pub.publicArea.objectAttributes, 0x00000452);
    assert_non_null(tpm_tmpl_check_hub_key(&pub));
    policy.size = 32;
    tpm_tmpl_sealed(&policy, &pub); /* by policy and nothing else */
    assert_int_equal(pub.publicArea.objectAttributes, 0x00000492);
    assert_int_equal(pub.publicArea.authPolicy.size, 32);
    tpm_tmpl_bootstrap(&pub);
    assert_int_equal(tpm_public_marshal(&pub, bytes, &len, NULL), EDGE_OK);
    buf_clear(&text);
}

static void good_objects_pass(void **state) {
    TPM2B_PUBLIC pub;

    (void)state;
    tpm_tmpl_ek(HSM_EK_TCG_L1, &pub);
    memset(pub.publicArea.unique.rsa.buffer, 0xAB, 256);
    assert_null(tpm_tmpl_check_ek(&pub));
    pub.publicArea.parameters.rsaDetail.exponent = 65537;
    assert_null(tpm_tmpl_check_ek(&pub));
    assert_non_null(tpm_tmpl_check_srk(&pub));
    tpm_tmpl_srk(HSM_EK_TCG_L1, &pub);
    assert_null(tpm_tmpl_check_srk(&pub));
    assert_non_null(tpm_tmpl_check_ek(&pub));
    pub.publicArea.objectAttributes &= ~TPMA_OBJECT_NODA; /* made by other software */
    assert_null(tpm_tmpl_check_srk(&pub));
}

static void each_deviation_is_named(void **state) {
    TPM2B_PUBLIC good, pub;
    TPMT_PUBLIC *p = &pub.publicArea;

    (void)state;
    tpm_tmpl_ek(HSM_EK_TCG_L1, &good);
#define REFUSED(change, word)                                                                      \
    do {                                                                                           \
        pub = good;                                                                                \
        change;                                                                                    \
        const char *why = tpm_tmpl_check_ek(&pub);                                                 \
        assert_non_null(why);                                                                      \
        assert_non_null(strstr(why, word));                                                        \
    } while (0)
    REFUSED(p->type = TPM2_ALG_ECC, "ECC");
    REFUSED(p->type = TPM2_ALG_KEYEDHASH, "RSA");
    REFUSED(p->nameAlg = TPM2_ALG_SHA384, "SHA-256");
    REFUSED(p->objectAttributes &= ~TPMA_OBJECT_RESTRICTED, "storage key");
    REFUSED(p->objectAttributes &= ~TPMA_OBJECT_DECRYPT, "storage key");
    REFUSED(p->objectAttributes &= ~TPMA_OBJECT_FIXEDTPM, "storage key");
    REFUSED(p->objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT, "storage key");
    REFUSED(p->parameters.rsaDetail.keyBits = 3072, "2048");
    REFUSED(p->unique.rsa.size = 0, "2048");
    REFUSED(p->parameters.rsaDetail.exponent = 3, "exponent");
    REFUSED(p->parameters.rsaDetail.symmetric.keyBits.aes = 256, "AES-128-CFB");
    REFUSED(p->parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL, "AES-128-CFB");
    REFUSED(p->authPolicy.size = 0, "policy");
    REFUSED(p->authPolicy.buffer[31] ^= 1, "policy");
    REFUSED(p->objectAttributes &= ~TPMA_OBJECT_ADMINWITHPOLICY, "policy");
    REFUSED(p->objectAttributes |= TPMA_OBJECT_USERWITHAUTH, "password");
#undef REFUSED
    tpm_tmpl_srk(HSM_EK_TCG_L1, &pub);
    p->objectAttributes &= ~TPMA_OBJECT_USERWITHAUTH;
    assert_non_null(strstr(tpm_tmpl_check_srk(&pub), "empty password"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_templates),
        cmocka_unit_test(good_objects_pass),
        cmocka_unit_test(each_deviation_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
