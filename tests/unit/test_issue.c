/* SPDX-License-Identifier: MIT */
#include "pki/issue.h"

#include "support/alloc_fail.h"
#include "support/fake_hsm.h"
#include "support/pki_env.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static const struct issue_signer *signed_by(const char *name) {
    static struct issue_signer s;
    s = (struct issue_signer){.hsm = env.hsm, .key_name = name};
    return &s;
}

static X509 *issue(const struct issue_request *r, const char *signer, int64_t *ret_end) {
    struct buf pem;
    struct edge_error err;
    buf_init(&pem, ISSUE_PEM_MAX);
    if (issue_cert(r, signed_by(signer), &pem, ret_end, &err) != EDGE_OK) {
        fail_msg("%s", edge_error_text(&err));
    }
    X509 *cert = pki_env_cert(buf_slice(&pem), 0);
    assert_non_null(cert);
    buf_clear(&pem);
    return cert;
}

static void refuse(const struct issue_request *r, const char *signer, enum edge_code code,
                   const char *part) {
    struct buf pem;
    struct edge_error err;
    int64_t end = 77;
    buf_init(&pem, ISSUE_PEM_MAX);
    assert_int_equal(issue_cert(r, signed_by(signer), &pem, &end, &err), code);
    if (strstr(edge_error_text(&err), part) == NULL) {
        fail_msg("'%s' not in '%s'", part, edge_error_text(&err));
    }
    assert_int_equal(pem.len, 0);
    assert_int_equal(end, 77);
    buf_clear(&pem);
}

static int64_t wall(const ASN1_TIME *t) {
    struct tm parts;
    assert_int_equal(ASN1_TIME_to_tm(t, &parts), 1);
    return (int64_t)timegm(&parts);
}

static void subject_is(X509 *cert, const char *text) {
    char *one = X509_NAME_oneline(X509_get_subject_name(cert), NULL, 0);
    assert_string_equal(one, text);
    OPENSSL_free(one);
}

static struct issue_request server(void) {
    return pki_env_request(PROFILE_SERVER, "gateway", &env.device_key, buf_slice(&env.workload));
}

static void authorities_form_a_path(void **state) {
    (void)state;
    assert_int_equal(pki_env_verify(buf_slice(&env.chain), buf_slice(&env.owner), 0), X509_V_OK);
    X509 *owner = pki_env_cert(buf_slice(&env.owner), 0);
    X509 *device = pki_env_cert(buf_slice(&env.device), 0);
    X509 *workload = pki_env_cert(buf_slice(&env.workload), 0);
    assert_int_equal(X509_get_pathlen(owner), 3);
    assert_int_equal(X509_get_pathlen(device), 2);
    assert_int_equal(X509_get_pathlen(workload), 0);
    subject_is(owner, "/CN=Test Edge Owner CA");
    subject_is(workload, "/CN=iotedged workload ca");
    assert_null(X509_get0_authority_key_id(owner));
    assert_null(X509_get0_authority_issuer(device));
    assert_null(X509_get0_authority_serial(device));
    assert_int_equal(
        ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(device), X509_get0_subject_key_id(owner)),
        0);
    assert_int_equal(X509_get_key_usage(owner),
                     KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    X509_free(owner);
    X509_free(device);
    X509_free(workload);
}

static void serial_numbers_are_random_and_positive(void **state) {
    const struct issue_request r = server();
    ASN1_INTEGER *before = NULL;
    int bits_max = 0;
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        X509 *cert = issue(&r, "workload-ca-1", NULL);
        const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
        BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
        assert_false(BN_is_negative(number) || BN_is_zero(number));
        assert_true(BN_num_bits(number) <= 128);
        bits_max = BN_num_bits(number) > bits_max ? BN_num_bits(number) : bits_max;
        assert_true(before == NULL || ASN1_INTEGER_cmp(before, serial) != 0);
        ASN1_INTEGER_free(before);
        before = ASN1_INTEGER_dup(serial);
        BN_free(number);
        X509_free(cert);
    }
    ASN1_INTEGER_free(before);
    assert_int_equal(bits_max, 128);
}

static void dates(void **state) {
    struct issue_request r = server();
    int64_t end = 0;
    (void)state;
    X509 *cert = issue(&r, "workload-ca-1", &end);
    /* The workload CA begins 300 s before now as well. */
    assert_int_equal(wall(X509_get0_notBefore(cert)), PKI_ENV_NOW_S - ISSUE_BACKDATE_S);
    assert_int_equal(wall(X509_get0_notAfter(cert)), r.not_after_wall_s);
    assert_int_equal(end, r.not_after_wall_s);
    X509_free(cert);

    r.not_before_wall_s = PKI_ENV_NOW_S - 100;
    r.not_after_wall_s = PKI_ENV_NOW_S + 400 * (int64_t)PKI_ENV_DAY_S;
    cert = issue(&r, "workload-ca-1", &end);
    assert_int_equal(wall(X509_get0_notBefore(cert)), PKI_ENV_NOW_S - ISSUE_BACKDATE_S);
    assert_int_equal(end, PKI_ENV_NOW_S + 90 * (int64_t)PKI_ENV_DAY_S);
    assert_int_equal(wall(X509_get0_notAfter(cert)), end);
    X509_free(cert);

    r.not_before_wall_s = PKI_ENV_NOW_S - ISSUE_BACKDATE_S - 1;
    refuse(&r, "workload-ca-1", EDGE_CONFLICT, "check the clock");
    r.not_before_wall_s = PKI_ENV_NOW_S + 90 * (int64_t)PKI_ENV_DAY_S;
    refuse(&r, "workload-ca-1", EDGE_CONFLICT, "2024-02-12T22:13:20Z");
    r.not_after_wall_s = r.not_before_wall_s;
    refuse(&r, "workload-ca-1", EDGE_INVALID, "would end before it begins");
}

static void dates_beyond_2050(void **state) {
    struct issue_request r =
        pki_env_request(PROFILE_OWNER_CA, "far", &env.owner_key, slice_make("", 0));
    (void)state;
    r.not_after_wall_s = 2524608000 + 5 * (int64_t)PKI_ENV_DAY_S;
    X509 *cert = issue(&r, "owner-ca-1", NULL);
    assert_int_equal(wall(X509_get0_notAfter(cert)), r.not_after_wall_s);
    X509_free(cert);
}

static void path_length_leaves_room(void **state) {
    struct issue_request r =
        pki_env_request(PROFILE_DEVICE_CA, "below", &env.owner_key, buf_slice(&env.device));
    (void)state;
    X509 *cert = issue(&r, "device-ca-1", NULL);
    assert_int_equal(X509_get_pathlen(cert), 1);
    X509_free(cert);
    r.issuer_pem = buf_slice(&env.workload);
    refuse(&r, "workload-ca-1", EDGE_CONFLICT, "path length is 0");
}

static void a_wrong_signing_key_is_noticed(void **state) {
    struct issue_request r = server();
    (void)state;
    refuse(&r, "device-ca-1", EDGE_CONFLICT, "has another key");
    refuse(&r, "absent", EDGE_NOT_FOUND, "while signing the server certificate");
    r = pki_env_request(PROFILE_OWNER_CA, "root", &env.owner_key, slice_make("", 0));
    refuse(&r, "device-ca-1", EDGE_CONFLICT, "has another key");
    fake_hsm_fail(env.hsm, 1, EDGE_HSM);
    refuse(&r, "owner-ca-1", EDGE_HSM, "");
}

static void requests_that_make_no_sense(void **state) {
    struct issue_request r = server();
    (void)state;
    r.issuer_pem = slice_make("", 0);
    refuse(&r, "workload-ca-1", EDGE_INVALID, "needs an issuer");
    r.kind = PROFILE_OWNER_CA;
    r.issuer_pem = buf_slice(&env.owner);
    refuse(&r, "owner-ca-1", EDGE_INVALID, "no issuer but itself");
    r = server();
    r.issuer_pem = SLICE_LIT("no certificate");
    refuse(&r, "workload-ca-1", EDGE_PARSE, "in PEM form");
    r = server();
    r.ip = SLICE_LIT("12345");
    refuse(&r, "workload-ca-1", EDGE_INTERNAL, "5 bytes");
    r = server();
    r.spki_der = SLICE_LIT("\x30\x00");
    refuse(&r, "workload-ca-1", EDGE_INVALID, "public key for the server certificate is malformed");
    r = pki_env_request(PROFILE_DEVICE_CA, "x", &env.owner_key, buf_slice(&env.owner));
    r.spki_der.len--;
    refuse(&r, "owner-ca-1", EDGE_PARSE, "not a public key");
}

static void common_names_are_bounded(void **state) {
    static const struct slice bad[] = {
        {"", 0},
        SLICE_LIT("0123456789012345678901234567890123456789012345678901234567890123x"),
        SLICE_LIT("a\nb"),
        SLICE_LIT("a\x7f"),
        {"a\0b", 3},
        SLICE_LIT("\xff\xfe"),
    };
    struct issue_request r = server();
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        r.common_name = bad[i];
        refuse(&r, "workload-ca-1", EDGE_INVALID, "1 to 64 bytes");
    }
    r.common_name = SLICE_LIT("0123456789012345678901234567890123456789012345678901234567890123");
    X509_free(issue(&r, "workload-ca-1", NULL));
    r.common_name = SLICE_LIT("G\xc3\xbcnther, O=x/CN=y");
    X509 *cert = issue(&r, "workload-ca-1", NULL);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 1);
    X509_free(cert);
}

/* An operator's CA with more in its subject, made by OpenSSL, and keys of all kinds. */
struct operator_ca {
    X509 *cert;
    EVP_PKEY *key;
    struct buf pem;
};

static void operator_free(struct operator_ca *o) {
    X509_free(o->cert);
    EVP_PKEY_free(o->key);
    buf_clear(&o->pem);
}

static void add(X509_NAME *name, const char *field, const char *text) {
    assert_int_equal(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                (const unsigned char *)text, -1, -1, 0),
                     1);
}

static void operator_ext(struct operator_ca *o, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, o->cert, o->cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(o->cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static void operator_make(struct operator_ca *o, EVP_PKEY *key, bool has_key_id) {
    unsigned char *der = NULL;
    struct secret pkcs8 = {0};
    struct hsm_key named;
    *o = (struct operator_ca){.key = key, .cert = X509_new()};
    X509_set_version(o->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(o->cert), 7);
    X509_set_pubkey(o->cert, key);
    ASN1_TIME_set(X509_getm_notBefore(o->cert), PKI_ENV_NOW_S - 1000);
    ASN1_TIME_set(X509_getm_notAfter(o->cert), PKI_ENV_NOW_S + 10 * PKI_ENV_DAY_S);
    X509_NAME *name = X509_get_subject_name(o->cert);
    add(name, "DC", "example");
    add(name, "C", "DE");
    add(name, "ST", "Bayern");
    add(name, "L", "M\xc3\xbcnchen");
    add(name, "O", "Fabrik");
    add(name, "OU", "Linie 1");
    add(name, "OU", "Linie 2");
    add(name, "CN", "Operator CA");
    add(name, "emailAddress", "a@b.example");
    X509_set_issuer_name(o->cert, name);
    operator_ext(o, NID_basic_constraints, "critical,CA:TRUE");
    operator_ext(o, NID_key_usage, "critical,keyCertSign");
    if (has_key_id) {
        operator_ext(o, NID_subject_key_identifier, "hash");
    }
    assert_true(X509_sign(o->cert, key, EVP_sha256()) > 0);
    buf_init(&o->pem, ISSUE_PEM_MAX);
    int len = i2d_X509(o->cert, &der);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_X509(bio, o->cert), 1);
    long text_len = BIO_get_mem_data(bio, &text);
    assert_int_equal(buf_append(&o->pem, text, (size_t)text_len, NULL), EDGE_OK);
    BIO_free(bio);
    OPENSSL_free(der);
    der = NULL;
    len = i2d_PrivateKey(key, &der);
    assert_int_equal(secret_copy(&pkcs8, der, (size_t)len, NULL), EDGE_OK);
    OPENSSL_free(der);
    assert_int_equal(hsm_key_drop(env.hsm, "ca-operator", NULL), EDGE_OK);
    assert_int_equal(hsm_key_import(env.hsm, "ca-operator", &pkcs8, &named, NULL), EDGE_OK);
    secret_clear(&pkcs8);
}

static void under_an_operators_ca(void **state) {
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_EC_gen("P-521"),
                        EVP_RSA_gen(2048)};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(keys); i++) {
        struct operator_ca o;
        operator_make(&o, keys[i], i != 1);
        struct issue_request r = pki_env_request(PROFILE_WORKLOAD_CA, "iotedged workload ca",
                                                 &env.workload_key, buf_slice(&o.pem));
        X509 *cert = issue(&r, "ca-operator", NULL);
        subject_is(cert, "/C=DE/ST=Bayern/L=M\\xC3\\xBCnchen/O=Fabrik/OU=Linie 1/OU=Linie 2"
                         "/CN=iotedged workload ca");
        assert_int_equal(X509_check_issued(o.cert, cert), X509_V_OK);
        assert_int_equal(X509_verify(cert, o.key), 1);
        assert_int_equal(X509_get_pathlen(cert), 0);
        assert_int_equal(wall(X509_get0_notAfter(cert)), PKI_ENV_NOW_S + 10 * PKI_ENV_DAY_S);
        const ASN1_OCTET_STRING *id = X509_get0_authority_key_id(cert);
        assert_int_equal(ASN1_STRING_length(id), PROFILE_KEY_ID_LEN);
        assert_true(i == 1 || ASN1_OCTET_STRING_cmp(id, X509_get0_subject_key_id(o.cert)) == 0);
        X509_free(cert);
        operator_free(&o);
    }
}

static void a_cross_certificate_has_the_subject_and_key_id_of_its_twin(void **state) {
    struct operator_ca o;
    (void)state;
    operator_make(&o, EVP_RSA_gen(2048), true);
    struct issue_request r =
        pki_env_request(PROFILE_CROSS_CA, "Test Edge Owner CA", &env.owner_key, buf_slice(&o.pem));
    struct buf chain;
    buf_init(&chain, 4 * ISSUE_PEM_MAX);
    assert_int_equal(buf_append_slice(&chain, buf_slice(&env.chain), NULL), EDGE_OK);
    assert_int_equal(issue_cert(&r, signed_by("ca-operator"), &chain, NULL, NULL), EDGE_OK);
    X509 *cross = pki_env_cert(buf_slice(&chain), 2);
    X509 *owner = pki_env_cert(buf_slice(&env.owner), 0);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(cross), X509_get_subject_name(owner)), 0);
    assert_int_equal(
        ASN1_OCTET_STRING_cmp(X509_get0_subject_key_id(cross), X509_get0_subject_key_id(owner)), 0);
    assert_int_equal(X509_get_pathlen(cross), 2);
    assert_int_equal(pki_env_verify(buf_slice(&chain), buf_slice(&o.pem), 0), X509_V_OK);
    assert_int_equal(pki_env_verify(buf_slice(&chain), buf_slice(&env.owner), 0), X509_V_OK);
    X509_free(cross);
    X509_free(owner);
    buf_clear(&chain);
    operator_free(&o);
}

static void an_issuer_that_is_read_once(void **state) {
    struct issue_issuer *issuer = NULL;
    struct issue_request r = server();
    struct buf pem;
    (void)state;
    buf_init(&pem, 8 * ISSUE_PEM_MAX);
    assert_int_equal(issue_issuer_new(buf_slice(&env.chain), &issuer, NULL), EDGE_OK);
    r.issuer_pem = slice_make(NULL, 0);
    r.dns[0] = SLICE_LIT("gateway");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(issue_cert_under(issuer, &r, signed_by("workload-ca-1"), &pem, NULL, NULL),
                         EDGE_OK);
    }
    assert_int_equal(buf_append_slice(&pem, buf_slice(&env.chain), NULL), EDGE_OK);
    assert_int_equal(
        pki_env_verify(buf_slice(&pem), buf_slice(&env.owner), X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_not_equal(
        pki_env_verify(buf_slice(&pem), buf_slice(&env.owner), X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    issue_issuer_free(issuer);
    issue_issuer_free(NULL);
    buf_clear(&pem);
}

static enum edge_code under_torture(void *data) {
    struct buf pem;
    struct issue_request r =
        pki_env_request(PROFILE_WORKLOAD_CA, "w", &env.workload_key, buf_slice(&env.device));
    (void)data;
    buf_init(&pem, ISSUE_PEM_MAX);
    enum edge_code code = issue_cert(&r, signed_by("device-ca-1"), &pem, NULL, NULL);
    assert_true(code == EDGE_OK || pem.len == 0);
    buf_clear(&pem);
    return code;
}

static void torture(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(under_torture, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorities_form_a_path),
        cmocka_unit_test(serial_numbers_are_random_and_positive),
        cmocka_unit_test(dates),
        cmocka_unit_test(dates_beyond_2050),
        cmocka_unit_test(path_length_leaves_room),
        cmocka_unit_test(a_wrong_signing_key_is_noticed),
        cmocka_unit_test(requests_that_make_no_sense),
        cmocka_unit_test(common_names_are_bounded),
        cmocka_unit_test(under_an_operators_ca),
        cmocka_unit_test(a_cross_certificate_has_the_subject_and_key_id_of_its_twin),
        cmocka_unit_test(an_issuer_that_is_read_once),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
