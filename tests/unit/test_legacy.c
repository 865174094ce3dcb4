/* SPDX-License-Identifier: MIT */
#include "pki/legacy.h"

#include "base/legacy_files.h"
#include "base/x509_key.h"
#include "pki/issue.h"
#include "support/alloc_fail.h"
#include "support/legacy_pki.h"
#include "support/legacy_state.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW  1700000000
#define DAY  86400
#define YEAR (365 * (int64_t)DAY)

struct fixture {
    struct tmpdir *home;
    struct legacy_pki pki;
    EVP_PKEY *owner; /* our key */
    struct buf owner_pem, spki;
    struct secret owner_secret;
    struct buf cross, root;
    struct edge_error err;
};

static void take_key(struct fixture *f) {
    const struct certs_pair pair = {NULL, f->owner};
    buf_init(&f->owner_pem, CERTS_TEXT_MAX);
    buf_init(&f->spki, X509_SPKI_MAX);
    certs_add_key(&f->owner_pem, &pair, NULL);
    assert_int_equal(x509_key_read(buf_slice(&f->owner_pem), &f->owner_secret, &f->spki, NULL),
                     EDGE_OK);
}

static int setup_with(void **state, int path_len, int64_t from_wall_s) {
    static struct fixture f;
    f = (struct fixture){.home = tmpdir_new()};
    legacy_state_make(f.home);
    legacy_pki_make(&f.pki, f.home, path_len, from_wall_s, NOW + 60 * DAY);
    f.owner = EVP_EC_gen("P-256");
    assert_non_null(f.owner);
    take_key(&f);
    buf_init(&f.cross, CERTS_TEXT_MAX);
    buf_init(&f.root, CERTS_TEXT_MAX);
    *state = &f;
    return 0;
}

static int setup(void **state) {
    return setup_with(state, 3, NOW - 30 * DAY);
}

static int setup_short(void **state) {
    return setup_with(state, 2, NOW - 30 * DAY);
}

static int setup_future(void **state) {
    return setup_with(state, 3, NOW + DAY);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    legacy_pki_free(&f->pki);
    EVP_PKEY_free(f->owner);
    buf_clear(&f->owner_pem);
    buf_clear(&f->spki);
    buf_clear(&f->cross);
    buf_clear(&f->root);
    secret_clear(&f->owner_secret);
    tmpdir_free(f->home);
    return 0;
}

static enum edge_code cross_sign(struct fixture *f) {
    enum edge_code code =
        legacy_cross_sign(f->home->path, buf_slice(&f->spki), SLICE_LIT("edged owner CA"), NOW,
                          NOW + 10 * YEAR, &f->cross, &f->root, &f->err);
    assert_true((code == EDGE_OK) == (f->cross.len > 0));
    assert_true((code == EDGE_OK) == (f->root.len > 0));
    return code;
}

static X509 *read_cert(const struct buf *pem) {
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(cert);
    BIO_free(bio);
    return cert;
}

/* A certificate under an issuer, by our key; all our keys are the same one here. */
static void issue(const struct fixture *f, enum profile_kind kind, const char *name,
                  const struct buf *issuer, struct buf *ret) {
    const struct issue_request r = {
        .kind = kind,
        .common_name = slice_str(name),
        .spki_der = buf_slice(&f->spki),
        .issuer_pem = issuer != NULL ? buf_slice(issuer) : SLICE_LIT(""),
        .not_before_wall_s = NOW,
        .not_after_wall_s = NOW + 30 * DAY,
        .dns = {kind == PROFILE_SERVER ? SLICE_LIT("edgehub") : SLICE_LIT("")}};
    const struct issue_signer s = {.key_pkcs8 = &f->owner_secret};
    buf_init(ret, CERTS_TEXT_MAX);
    assert_int_equal(issue_cert(&r, &s, ret, NULL, NULL), EDGE_OK);
}

/* What a leaf device does that trusts nothing but the old root. */
static int verify(X509 *root, X509 *const chain[], size_t cnt) {
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    assert_int_equal(X509_STORE_add_cert(store, root), 1);
    for (size_t i = 1; i < cnt; i++) {
        assert_true(sk_X509_push(others, chain[i]) > 0);
    }
    assert_int_equal(X509_STORE_CTX_init(ctx, store, chain[0], others), 1);
    X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(p, NOW + DAY);
    X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_SERVER);
    assert_int_equal(X509_VERIFY_PARAM_set1_host(p, "edgehub", 0), 1);
    int answer = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_free(others);
    return answer;
}

static void test_leaf_devices_go_on_trusting(void **state) {
    struct fixture *f = *state;
    struct buf pem[5];
    X509 *certs[5];
    assert_int_equal(cross_sign(f), EDGE_OK);
    /* Our own chain is made under our own root; the cross certificate is added to it. */
    issue(f, PROFILE_OWNER_CA, "edged owner CA", NULL, &pem[4]);
    issue(f, PROFILE_DEVICE_CA, "edged device CA", &pem[4], &pem[2]);
    issue(f, PROFILE_WORKLOAD_CA, "edged workload CA", &pem[2], &pem[1]);
    issue(f, PROFILE_SERVER, "edgehub", &pem[1], &pem[0]);
    pem[3] = f->cross;
    for (size_t i = 0; i < 5; i++) {
        certs[i] = read_cert(&pem[i]);
    }
    assert_int_equal(verify(f->pki.root.cert, certs, 4), X509_V_OK);
    assert_int_equal(verify(certs[4], certs, 4), X509_V_OK);
    assert_int_equal(verify(certs[4], certs, 3), X509_V_OK);
    assert_int_not_equal(verify(f->pki.root.cert, certs, 3), X509_V_OK);
    for (size_t i = 0; i < 5; i++) {
        X509_free(certs[i]);
        if (i != 3) {
            buf_clear(&pem[i]);
        }
    }
}

static void test_cross_certificate(void **state) {
    struct fixture *f = *state;
    assert_int_equal(cross_sign(f), EDGE_OK);
    X509 *cross = read_cert(&f->cross);
    X509 *root = read_cert(&f->root);
    assert_int_equal(X509_cmp(root, f->pki.root.cert), 0);
    assert_int_equal(X509_verify(cross, f->pki.root.key), 1);
    assert_int_equal(X509_get_pathlen(cross), 2);
    assert_int_equal(ASN1_TIME_compare(X509_get0_notBefore(cross), X509_get0_notBefore(root)), 0);
    assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(cross), X509_get0_notAfter(root)), 0);
    X509_free(cross);
    X509_free(root);
}

static void test_nothing_left(void **state) {
    struct fixture *f = *state;
    assert_int_equal(unlinkat(f->home->fd, LEGACY_PKI_KEY(LEGACY_PKI_OWNER), 0), 0);
    assert_int_equal(cross_sign(f), EDGE_NOT_FOUND);
    assert_int_equal(unlinkat(f->home->fd, LEGACY_PKI_CERT(LEGACY_PKI_OWNER), 0), 0);
    assert_int_equal(cross_sign(f), EDGE_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "carrying on the root of release 1.1"));
}

static void put(const struct fixture *f, const char *path, const char *from) {
    assert_int_equal(unlinkat(f->home->fd, path, 0), 0);
    assert_int_equal(linkat(f->home->fd, from, f->home->fd, path, 0), 0);
}

static void test_other_files(void **state) {
    struct fixture *f = *state;
    put(f, LEGACY_PKI_KEY(LEGACY_PKI_OWNER), LEGACY_PKI_KEY(LEGACY_PKI_DEVICE));
    assert_int_equal(cross_sign(f), EDGE_CONFLICT);
    put(f, LEGACY_PKI_CERT(LEGACY_PKI_OWNER), LEGACY_PKI_CERT(LEGACY_PKI_DEVICE));
    assert_int_equal(cross_sign(f), EDGE_PARSE);
    put(f, LEGACY_PKI_CERT(LEGACY_PKI_OWNER), LEGACY_PKI_CERT(LEGACY_PKI_TLS));
    assert_int_equal(cross_sign(f), EDGE_PARSE);
    put(f, LEGACY_PKI_CERT(LEGACY_PKI_OWNER), LEGACY_DIGEST_PATH);
    assert_int_equal(cross_sign(f), EDGE_PARSE);
}

static void test_damaged_key(void **state) {
    struct fixture *f = *state;
    static const char text[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    tmpdir_write(f->home, LEGACY_PKI_KEY(LEGACY_PKI_OWNER), text, sizeof(text) - 1, 0600);
    assert_int_equal(cross_sign(f), EDGE_PARSE);
}

static void test_key_open_to_others(void **state) {
    struct fixture *f = *state;
    assert_int_equal(fchmodat(f->home->fd, LEGACY_PKI_KEY(LEGACY_PKI_OWNER), 0644, 0), 0);
    assert_int_equal(cross_sign(f), EDGE_OK);
}

static void test_short_path(void **state) {
    struct fixture *f = *state;
    assert_int_equal(cross_sign(f), EDGE_PARSE);
}

static void test_not_valid_yet(void **state) {
    struct fixture *f = *state;
    assert_int_equal(cross_sign(f), EDGE_RETRY);
}

static void test_expired(void **state) {
    struct fixture *f = *state;
    assert_int_equal(legacy_cross_sign(f->home->path, buf_slice(&f->spki), SLICE_LIT("owner"),
                                       NOW + YEAR, NOW + 2 * YEAR, &f->cross, &f->root, NULL),
                     EDGE_RANGE);
}

static enum edge_code sign_once(struct fixture *f) {
    buf_clear(&f->cross);
    buf_clear(&f->root);
    return cross_sign(f);
}

/* Every one of the first allocations, which are our own; samples of OpenSSL's thousands. */
static void test_out_of_memory(void **state) {
    struct fixture *f = *state;
    enum edge_code code = EDGE_INTERNAL;
    size_t n = 1;
    for (bool is_over = false; !is_over; n += 1 + n / 8) {
        alloc_fail_arm(n);
        code = sign_once(f);
        is_over = !alloc_fail_disarm();
    }
    assert_int_equal(code, EDGE_OK);
    assert_true(n > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_leaf_devices_go_on_trusting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cross_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_open_to_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_path, setup_short, teardown),
        cmocka_unit_test_setup_teardown(test_not_valid_yet, setup_future, teardown),
        cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
