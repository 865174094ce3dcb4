/* SPDX-License-Identifier: MIT */
/*
 * What a listener on the bus gets: none of the keys and passwords. Each search is first shown to
 * find the same secret in a plain session.
 */
#include "fixture.h"

#include "support/fake_tcti.h"
#include "support/signing_keys.h"

#include "pkcs8.h"
#include "tpm/tpm_named_key.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t challenge[32] = "challenge-key-0123456789-abcdef";
static const uint8_t device[32] = "device-key-0123456789-abcdefghi";
static const uint8_t symmetric[40] = "symmetric-enrollment-key-0123456789-abc";
static const char owner[] = "owner-password-0123456789";
static const char endorsement[] = "endorsement-password-012345";

/* Keys as they would cross the bus: whole, or any half of them. */
static void check_unseen(const void *secret, size_t len) {
    const uint8_t *p = secret;

    assert_false(fake_tcti_saw(p, len));
    if (len >= 16) {
        assert_false(fake_tcti_saw(p, len / 2));
        assert_false(fake_tcti_saw(p + len / 2, len - len / 2));
    }
}

static void secrets_do_not_cross(void **state) {
    struct fixture *f = *state;
    struct secret derived = {0}, key = {0}, sealed = {0}, back = {0};
    uint8_t mac[HSM_MAC_LEN], hub_mac[HSM_MAC_LEN], random[32];
    uint64_t generation, other;

    assert_int_equal(swtpm_sh(f->tpm, "tpm2_changeauth -c o owner-password-0123456789 && "
                                      "tpm2_changeauth -c e endorsement-password-012345"),
                     0);
    fixture_owner_auth(f, owner);
    fixture_endorsement_auth(f, endorsement);
    fixture_start(f);
    fixture_ok(f, fixture_challenge(f, challenge));
    fixture_ok(f, hsm_challenge_sign(f->hsm, SLICE_LIT("token"), mac, &f->err));
    generation = fixture_import(f, device, "hub/device");
    fixture_ok(f, hsm_identity_publish(f->hsm, generation, &f->err));
    fixture_ok(f, hsm_identity_sign(f->hsm, generation, SLICE_LIT("token"), hub_mac, &f->err));
    fixture_ok(f, secret_copy(&key, symmetric, sizeof(symmetric), &f->err));
    fixture_ok(f, hsm_identity_import_key(f->hsm, &key, SLICE_LIT("l"), &other, &f->err));
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("module"), &derived, &f->err));
    fixture_ok(f, hsm_random(f->hsm, random, sizeof(random), &f->err));
    fixture_ok(f, secret_copy(&sealed, "sealed-master-key-0123456789", 28, &f->err));
    fixture_ok(f, hsm_record_put(f->hsm, "r", &sealed, &f->err));
    fixture_ok(f, hsm_record_get(f->hsm, "r", &back, &f->err));
    assert_true(secret_equal(&sealed, &back));
    fixture_close(f);

    assert_true(fake_tcti_seen_len() > 10000);
    check_unseen(challenge, sizeof(challenge));
    check_unseen(device, sizeof(device));
    check_unseen(symmetric, sizeof(symmetric));
    check_unseen(owner, strlen(owner));
    check_unseen(endorsement, strlen(endorsement));
    check_unseen(derived.data, derived.len);
    check_unseen(mac, sizeof(mac));
    check_unseen(hub_mac, sizeof(hub_mac));
    check_unseen(random, sizeof(random));
    check_unseen(sealed.data, sealed.len);
    secret_clear(&derived);
    secret_clear(&key);
    secret_clear(&sealed);
    secret_clear(&back);
}

enum edge_code __wrap_tpm_named_auth(const struct secret *store_key, const char *name,
                                     TPM2B_AUTH *ret, struct edge_error *err);
enum edge_code __real_tpm_named_auth(const struct secret *store_key, const char *name,
                                     TPM2B_AUTH *ret, struct edge_error *err);

static TPM2B_AUTH last_auth;

enum edge_code __wrap_tpm_named_auth(const struct secret *store_key, const char *name,
                                     TPM2B_AUTH *ret, struct edge_error *err) {
    enum edge_code rc = __real_tpm_named_auth(store_key, name, ret, err);

    last_auth = *ret;
    return rc;
}

/* Takes a key in and uses it: of all its numbers only the public ones are seen. */
static void check_import(struct fixture *f, const char *kind, const char *name) {
    struct pkcs8_key numbers;
    struct secret pkcs8 = {0};
    struct hsm_key key;

    signing_key_make(kind, &pkcs8);
    fixture_ok(f, hsm_key_import(f->hsm, name, &pkcs8, &key, &f->err));
    signing_key_check(f->hsm, &key);
    fixture_ok(f, pkcs8_parse(secret_slice(&pkcs8), &numbers, &f->err));
    check_unseen(last_auth.buffer, last_auth.size);
    if (key.type == HSM_KEY_RSA) {
        const struct slice secrets[] = {numbers.rsa.d,  numbers.rsa.p,  numbers.rsa.q,
                                        numbers.rsa.dp, numbers.rsa.dq, numbers.rsa.qi};
        for (size_t i = 0; i < EDGE_ARRAY_LEN(secrets); i++) {
            check_unseen(secrets[i].ptr, secrets[i].len);
        }
        assert_int_equal(fake_tcti_saw(numbers.rsa.n.ptr, numbers.rsa.n.len),
                         key.place == HSM_KEY_IN_TPM);
    } else {
        check_unseen(numbers.ec.ptr, numbers.ec.len);
        assert_true(fake_tcti_saw(key.spki + key.spki_len - numbers.ec.len, numbers.ec.len));
    }
    secret_clear(&pkcs8);
}

static void signing_keys_do_not_cross(void **state) {
    struct fixture *f = *state;
    struct hsm_key made;

    fixture_start(f);
    fixture_ok(f, hsm_key_make(f->hsm, "made", &made, &f->err));
    signing_key_check(f->hsm, &made);
    assert_int_equal(last_auth.size, HSM_MAC_LEN);
    check_unseen(last_auth.buffer, last_auth.size);
    check_import(f, "P-256", "p256");
    check_import(f, "P-384", "p384");
    check_import(f, "RSA-2048", "rsa");
    check_import(f, "RSA-2304", "sealed");
    fixture_close(f);
}

/* The same operations as other software does them: everything is there to be read. */
static void plain_sessions_show_them(void **state) {
    struct fixture *f = *state;
    TSS2_TCTI_CONTEXT *tcti = NULL;
    ESYS_CONTEXT *esys = NULL;
    ESYS_TR parent, key;
    TPM2B_AUTH auth = {.size = sizeof(owner) - 1};
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = sizeof(symmetric)};
    const TPM2B_PUBLIC parent_tmpl = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = 0x30472,
                       .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                              .keyBits.aes = 128,
                                                              .mode.aes = TPM2_ALG_CFB},
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf.scheme = TPM2_ALG_NULL}}};
    const TPM2B_PUBLIC key_tmpl = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = 0x40452,
                       .parameters.keyedHashDetail.scheme = {
                           .scheme = TPM2_ALG_HMAC, .details.hmac.hashAlg = TPM2_ALG_SHA256}}};
    const TPM2B_SENSITIVE_CREATE none = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    const TPM2B_MAX_BUFFER text = {.size = 6, .buffer = "module"};
    TPM2B_PRIVATE *priv = NULL;
    TPM2B_PUBLIC *pub = NULL;
    TPM2B_DIGEST *mac = NULL;

    assert_int_equal(swtpm_sh(f->tpm, "tpm2_changeauth -c o owner-password-0123456789"), 0);
    memcpy(auth.buffer, owner, auth.size);
    memcpy(sensitive.sensitive.data.buffer, symmetric, sizeof(symmetric));
    assert_int_equal(Tss2_TctiLdr_Initialize(f->tpm->tcti, &tcti), 0);
    assert_int_equal(Esys_Initialize(&esys, tcti, NULL), 0);
    assert_int_equal(Esys_TR_SetAuth(esys, ESYS_TR_RH_OWNER, &auth), 0);
    assert_int_equal(Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &none, &parent_tmpl, &outside, &pcrs, &parent,
                                        NULL, NULL, NULL, NULL),
                     0);
    assert_int_equal(Esys_Create(esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                 &sensitive, &key_tmpl, &outside, &pcrs, &priv, &pub, NULL, NULL,
                                 NULL),
                     0);
    assert_int_equal(
        Esys_Load(esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, priv, pub, &key), 0);
    assert_int_equal(Esys_HMAC(esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &text,
                               TPM2_ALG_SHA256, &mac),
                     0);
    assert_true(fake_tcti_saw(owner, strlen(owner)));
    assert_true(fake_tcti_saw(symmetric, sizeof(symmetric)));
    assert_true(fake_tcti_saw(mac->buffer, mac->size));
    free(priv);
    free(pub);
    free(mac);
    assert_int_equal(Esys_FlushContext(esys, key), 0);
    assert_int_equal(Esys_FlushContext(esys, parent), 0);
    Esys_Finalize(&esys);
    Tss2_TctiLdr_Finalize(&tcti);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(secrets_do_not_cross),
        WITH_TPM(signing_keys_do_not_cross),
        WITH_TPM(plain_sessions_show_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
