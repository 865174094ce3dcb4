/* SPDX-License-Identifier: MIT */
/*
 * What makes a certificate unfit as an issuer, and when a signature is checked.
 */
#include "pki/issuer.h"

#include "support/alloc_fail.h"
#include "support/certs.h"
#include "support/fake_clock.h"
#include "support/fake_hsm.h"
#include "support/pki_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pki_env env;

static int setup(void **state) {
    (void)state;
    pki_env_init(&env);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    pki_env_clear(&env);
    return 0;
}

static void refuse(struct slice pem, enum edge_code code, const char *part) {
    struct issue_issuer *i = NULL;
    struct edge_error err;
    assert_int_equal(issue_issuer_new(pem, &i, &err), code);
    assert_null(i);
    if (strstr(edge_error_text(&err), part) == NULL) {
        fail_msg("'%s' not in '%s'", part, edge_error_text(&err));
    }
}

static void what_is_no_issuer(void **state) {
    struct certs_pair plain;
    struct buf pem;
    (void)state;
    buf_init(&pem, CERTS_TEXT_MAX);
    certs_make(&plain, NULL, "plain", PKI_ENV_NOW_S, PKI_ENV_NOW_S + 1000);
    certs_add_cert(&pem, &plain);
    refuse(buf_slice(&pem), EDGE_CONFLICT, "not that of a CA");
    buf_reset(&pem);
    struct issue_request r =
        pki_env_request(PROFILE_SERVER, "leaf", &env.owner_key, buf_slice(&env.workload));
    const struct issue_signer s = {.hsm = env.hsm, .key_name = "workload-ca-1"};
    assert_int_equal(issue_cert(&r, &s, &pem, NULL, NULL), EDGE_OK);
    refuse(buf_slice(&pem), EDGE_CONFLICT, "not that of a CA");
    refuse(slice_make(NULL, 0), EDGE_PARSE, "is empty");
    refuse(SLICE_LIT("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), EDGE_PARSE,
           "damaged");
    certs_free(&plain);
    buf_clear(&pem);
}

static void what_is_read(void **state) {
    struct issue_issuer *i = NULL;
    (void)state;
    assert_int_equal(issue_issuer_new(buf_slice(&env.chain), &i, NULL), EDGE_OK);
    assert_int_equal(i->path_len, 0);
    assert_false(i->is_rsa);
    assert_int_equal(i->not_before_wall_s, PKI_ENV_NOW_S - ISSUE_BACKDATE_S);
    assert_int_equal(i->not_after_wall_s, PKI_ENV_NOW_S + 90 * PKI_ENV_DAY_S);
    assert_int_equal(i->key_id_len, PROFILE_KEY_ID_LEN);
    assert_int_equal(i->inherited_len, 0);
    issue_issuer_free(i);
}

static void keys_that_are_not_taken(void **state) {
    static const struct {
        const char *type;
        size_t bits;
    } kinds[] = {{"ED25519", 0}, {"X25519", 0}};
    EVP_PKEY *key = NULL;
    (void)state;
    for (size_t i = 0; i <= EDGE_ARRAY_LEN(kinds); i++) {
        unsigned char *der = NULL;
        EVP_PKEY *made = i < EDGE_ARRAY_LEN(kinds) ? EVP_PKEY_Q_keygen(NULL, NULL, kinds[i].type)
                                                   : EVP_EC_gen("secp256k1");
        int len = i2d_PUBKEY(made, &der);
        assert_int_equal(issuer_key_read(slice_make(der, (size_t)len), &key, NULL),
                         EDGE_UNSUPPORTED);
        OPENSSL_free(der);
        EVP_PKEY_free(made);
    }
    assert_int_equal(issuer_key_read(slice_make(NULL, 0), &key, NULL), EDGE_PARSE);
    assert_null(key);
}

/* Signed by the key of another name: right only when nobody looks. */
static enum edge_code try(struct issue_issuer *i, const char *key, const char *claimed) {
    const struct issue_signer s = {.hsm = env.hsm, .key_name = claimed};
    const uint8_t digest[HSM_DIGEST_LEN] = {1, 2, 3};
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len;
    assert_int_equal(hsm_key_sign(env.hsm, key, digest, sig, &len, NULL), EDGE_OK);
    return issuer_verify(i, &s, digest, slice_make(sig, len), NULL);
}

static void a_key_of_the_tpm_proves_itself_each_time(void **state) {
    struct issue_issuer *i = NULL;
    (void)state;
    assert_int_equal(issue_issuer_new(buf_slice(&env.workload), &i, NULL), EDGE_OK);
    assert_int_equal(try(i, "workload-ca-1", "workload-ca-1"), EDGE_OK);
    assert_int_equal(try(i, "device-ca-1", "workload-ca-1"), EDGE_CONFLICT);
    issue_issuer_free(i);
}

static void a_software_key_proves_itself_once_a_second(void **state) {
    struct issue_issuer *i = NULL;
    (void)state;
    fake_clock_install(PKI_ENV_NOW_S);
    fake_hsm_set_key_place(env.hsm, HSM_KEY_IN_FILE);
    assert_int_equal(issue_issuer_new(buf_slice(&env.workload), &i, NULL), EDGE_OK);
    assert_int_equal(try(i, "device-ca-1", "workload-ca-1"), EDGE_CONFLICT);
    assert_int_equal(try(i, "workload-ca-1", "workload-ca-1"), EDGE_OK);
    assert_int_equal(try(i, "device-ca-1", "workload-ca-1"), EDGE_OK);
    assert_int_equal(try(i, "device-ca-1", "device-ca-1"), EDGE_CONFLICT);
    fake_clock_advance_ms(ISSUER_PROOF_MS);
    assert_int_equal(try(i, "device-ca-1", "workload-ca-1"), EDGE_CONFLICT);
    issue_issuer_free(i);
    fake_hsm_set_key_place(env.hsm, HSM_KEY_IN_TPM);
    fake_clock_remove();
}

static enum edge_code under_torture(void *data) {
    struct issue_issuer *i = NULL;
    (void)data;
    enum edge_code code = issue_issuer_new(buf_slice(&env.workload), &i, NULL);
    issue_issuer_free(i);
    if (code == EDGE_OK) {
        i = NULL;
        code = issuer_new_self(slice_make(env.owner_key.spki, env.owner_key.spki_len), &i, NULL);
        issue_issuer_free(i);
    }
    return code;
}

static void torture(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(under_torture, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_issuer),
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(keys_that_are_not_taken),
        cmocka_unit_test(a_key_of_the_tpm_proves_itself_each_time),
        cmocka_unit_test(a_software_key_proves_itself_once_a_second),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
