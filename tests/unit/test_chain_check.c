/* SPDX-License-Identifier: MIT */
#include "pki/chain.h"

#include "support/alloc_fail.h"
#include "support/ca_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW       1800000000
#define DAY       ((int64_t)86400)
#define FROM      (NOW - 10 * DAY)
#define TO        (NOW + 1000 * DAY)
#define FILE_NAME "/etc/ca.pem"
#define BUNDLE    "/etc/roots.pem"
#define KEY_FILE  "/etc/ca.key"

/* Root, then the CA to be checked. */
struct pair {
    struct ca_cert root, ca;
    struct chain chain;
    struct buf bundle;
};

static void pair_make(struct pair *p, const struct ca_cert_spec *root,
                      const struct ca_cert_spec *ca) {
    struct buf pem;
    struct ca_cert_spec spec = *root;
    memset(p, 0, sizeof(*p));
    buf_init(&pem, CA_CERTS_PEM_MAX);
    buf_init(&p->bundle, CA_CERTS_PEM_MAX);
    spec.common_name = "Root";
    spec.from_wall_s = spec.from_wall_s != 0 ? spec.from_wall_s : FROM;
    spec.to_wall_s = spec.to_wall_s != 0 ? spec.to_wall_s : TO;
    ca_cert_make(&p->root, &spec);
    spec = *ca;
    spec.common_name = "Gateway CA";
    spec.issuer = &p->root;
    spec.from_wall_s = spec.from_wall_s != 0 ? spec.from_wall_s : FROM;
    spec.to_wall_s = spec.to_wall_s != 0 ? spec.to_wall_s : TO;
    ca_cert_make(&p->ca, &spec);
    ca_cert_add(&pem, &p->ca);
    ca_cert_add(&p->bundle, &p->root);
    assert_int_equal(chain_read(buf_slice(&pem), FILE_NAME, &p->chain, NULL), EDGE_OK);
    buf_clear(&pem);
}

static void pair_free(struct pair *p) {
    ca_cert_free(&p->root);
    ca_cert_free(&p->ca);
    chain_clear(&p->chain);
    buf_clear(&p->bundle);
}

static const struct ca_cert_spec plain = {.common_name = ""};

static void expect(enum edge_code code, const struct edge_error *err, const char *reason) {
    assert_int_equal(code, EDGE_CONFIG);
    if (strstr(err->text, reason) == NULL) {
        print_message("%s\n", err->text);
    }
    assert_non_null(strstr(err->text, reason));
    assert_non_null(strstr(err->text, FILE_NAME));
    assert_non_null(strstr(err->text, "CN=Gateway CA"));
}

static void test_kinds_of_keys(void **state) {
    (void)state;
    static const char *const good[] = {"P-256", "P-384", "P-521", "RSA-2048"};
    static const char *const bad[] = {"RSA-1024", "ED25519", "secp256k1"};
    struct pair p;
    struct edge_error err;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        pair_make(&p, &plain, &(struct ca_cert_spec){.key = good[i]});
        assert_int_equal(chain_check_ca(&p.chain, FILE_NAME, NULL), EDGE_OK);
        assert_string_equal(p.chain.certs[0].key, good[i]);
        pair_free(&p);
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        pair_make(&p, &plain, &(struct ca_cert_spec){.key = bad[i]});
        expect(chain_check_ca(&p.chain, FILE_NAME, &err), &err, "neither RSA");
        pair_free(&p);
    }
}

static void test_is_a_ca(void **state) {
    (void)state;
    struct pair p;
    struct edge_error err;
    pair_make(&p, &plain, &(struct ca_cert_spec){.no_ca = true});
    expect(chain_check_ca(&p.chain, FILE_NAME, &err), &err, "is not that of a CA");
    pair_free(&p);
    pair_make(&p, &plain, &(struct ca_cert_spec){.no_sign = true});
    expect(chain_check_ca(&p.chain, FILE_NAME, &err), &err, "keyCertSign");
    pair_free(&p);
    pair_make(&p, &plain, &(struct ca_cert_spec){.no_usage = true});
    assert_int_equal(chain_check_ca(&p.chain, FILE_NAME, NULL), EDGE_OK);
    pair_free(&p);
}

static void test_path_length(void **state) {
    (void)state;
    struct pair p;
    struct edge_error err;
    pair_make(&p, &plain, &(struct ca_cert_spec){.has_path_len = true, .path_len = 0});
    expect(chain_check_ca(&p.chain, FILE_NAME, &err), &err, "path length 0");
    pair_free(&p);
    pair_make(&p, &plain, &(struct ca_cert_spec){.has_path_len = true, .path_len = 1});
    assert_int_equal(chain_check_ca(&p.chain, FILE_NAME, NULL), EDGE_OK);
    pair_free(&p);
    /* The root is only in the bundle, and leaves no room. */
    pair_make(&p, &(struct ca_cert_spec){.has_path_len = true, .path_len = 1}, &plain);
    assert_int_equal(
        chain_check_anchor(&p.chain, FILE_NAME, buf_slice(&p.bundle), BUNDLE, NOW, NULL, &err),
        EDGE_CONFIG);
    assert_non_null(strstr(err.text, "path length 1"));
    assert_non_null(strstr(err.text, "CN=Root"));
    assert_non_null(strstr(err.text, BUNDLE));
    pair_free(&p);
    pair_make(&p, &(struct ca_cert_spec){.has_path_len = true, .path_len = 2}, &plain);
    assert_int_equal(
        chain_check_anchor(&p.chain, FILE_NAME, buf_slice(&p.bundle), BUNDLE, NOW, NULL, &err),
        EDGE_OK);
    pair_free(&p);
}

static void test_dates(void **state) {
    (void)state;
    struct pair p;
    struct edge_error err;
    pair_make(&p, &plain, &plain);
    assert_int_equal(chain_check_time(&p.chain, NOW, FILE_NAME, NULL), EDGE_OK);
    assert_int_equal(chain_check_time(&p.chain, FROM, FILE_NAME, NULL), EDGE_OK);
    assert_int_equal(chain_check_time(&p.chain, TO, FILE_NAME, NULL), EDGE_OK);
    expect(chain_check_time(&p.chain, FROM - 1, FILE_NAME, &err), &err, "is not valid before");
    expect(chain_check_time(&p.chain, TO + 1, FILE_NAME, &err), &err, "expired at");
    pair_free(&p);
}

static void put_spki(struct buf *out, const struct ca_cert *c) {
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(c->key, &der);
    assert_true(len > 0);
    buf_init(out, CHAIN_SPKI_MAX);
    assert_int_equal(buf_append(out, der, (size_t)len, NULL), EDGE_OK);
    OPENSSL_free(der);
}

static void test_key_fits(void **state) {
    (void)state;
    static const char *const kinds[] = {"P-256", "P-521", "RSA-2048"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct pair p;
        struct edge_error err;
        struct buf key, other;
        pair_make(&p, &plain, &(struct ca_cert_spec){.key = kinds[i]});
        put_spki(&key, &p.ca);
        put_spki(&other, &p.root);
        assert_int_equal(chain_check_key(&p.chain, FILE_NAME, buf_slice(&key), KEY_FILE, NULL),
                         EDGE_OK);
        expect(chain_check_key(&p.chain, FILE_NAME, buf_slice(&other), KEY_FILE, &err), &err,
               "is not the private key of");
        assert_non_null(strstr(err.text, KEY_FILE));
        buf_clear(&key);
        buf_clear(&other);
        pair_free(&p);
    }
}

static void test_anchor(void **state) {
    (void)state;
    struct pair p, q;
    struct edge_error err;
    struct buf anchor, both;
    buf_init(&anchor, CA_CERTS_PEM_MAX);
    buf_init(&both, CA_CERTS_PEM_MAX);
    pair_make(&p, &plain, &plain);
    pair_make(&q, &plain, &plain);
    ca_cert_add(&both, &q.root);
    expect(chain_check_anchor(&p.chain, FILE_NAME, buf_slice(&both), BUNDLE, NOW, &anchor, &err),
           &err, "is not in '" BUNDLE "'");
    assert_int_equal(anchor.len, 0);
    ca_cert_add(&both, &p.root);
    assert_int_equal(
        chain_check_anchor(&p.chain, FILE_NAME, buf_slice(&both), BUNDLE, NOW, &anchor, NULL),
        EDGE_OK);
    assert_true(slice_eq(buf_slice(&anchor), buf_slice(&p.bundle)));
    /* The CA itself may be what is trusted. */
    buf_reset(&both);
    buf_reset(&anchor);
    ca_cert_add(&both, &p.ca);
    assert_int_equal(
        chain_check_anchor(&p.chain, FILE_NAME, buf_slice(&both), BUNDLE, NOW, &anchor, NULL),
        EDGE_OK);
    assert_int_equal(
        chain_check_anchor(&p.chain, FILE_NAME, buf_slice(&p.bundle), BUNDLE, TO + DAY, NULL, &err),
        EDGE_CONFIG);
    pair_free(&p);
    pair_free(&q);
    buf_clear(&anchor);
    buf_clear(&both);
}

static void test_bundle(void **state) {
    (void)state;
    struct pair p;
    struct edge_error err;
    struct buf key;
    pair_make(&p, &plain, &plain);
    assert_int_equal(chain_check_bundle(buf_slice(&p.bundle), BUNDLE, NULL), EDGE_OK);
    assert_int_equal(chain_check_bundle(slice_str("\xff\xfe"), BUNDLE, &err), EDGE_CONFIG);
    assert_int_equal(chain_check_bundle(slice_str("nothing"), BUNDLE, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, BUNDLE));
    assert_int_equal(chain_check_bundle(slice_str(""), BUNDLE, &err), EDGE_CONFIG);
    buf_init(&key, CA_CERTS_PEM_MAX);
    ca_cert_add(&key, &p.root);
    ca_cert_add_key(&key, &p.root);
    assert_int_equal(chain_check_bundle(buf_slice(&key), BUNDLE, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, "private key"));
    buf_clear(&key);
    pair_free(&p);
}

static enum edge_code torture(void *data) {
    struct pair *p = data;
    return chain_check_anchor(&p->chain, FILE_NAME, buf_slice(&p->bundle), BUNDLE, NOW, NULL, NULL);
}

static void test_allocation_torture(void **state) {
    (void)state;
    struct pair p;
    pair_make(&p, &plain, &plain);
    assert_true(alloc_fail_torture(torture, &p) > 20);
    pair_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_keys), cmocka_unit_test(test_is_a_ca),
        cmocka_unit_test(test_path_length),   cmocka_unit_test(test_dates),
        cmocka_unit_test(test_key_fits),      cmocka_unit_test(test_anchor),
        cmocka_unit_test(test_bundle),        cmocka_unit_test(test_allocation_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
