/* SPDX-License-Identifier: MIT */
/*
 * What people and enrolment agents leave in certificate and key files.
 */
#include "base/x509.h"

#include "base/secret.h"
#include "support/alloc_fail.h"
#include "support/certs.h"

#include <openssl/pem.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FROM_S 1700000000
#define TO_S   1800000000

static struct certs_pair root, issuer, leaf, other;

static int setup(void **state) {
    (void)state;
    certs_make(&root, NULL, "root", FROM_S, TO_S);
    certs_make(&issuer, &root, "issuer", FROM_S, TO_S);
    certs_make(&leaf, &issuer, "dev-01", FROM_S, TO_S);
    certs_make(&other, NULL, NULL, FROM_S, TO_S);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    certs_free(&root);
    certs_free(&issuer);
    certs_free(&leaf);
    certs_free(&other);
    return 0;
}

static void fill(struct buf *out, const struct certs_pair *const *certs, size_t cnt) {
    buf_init(out, CERTS_TEXT_MAX);
    for (size_t i = 0; i < cnt; i++) {
        certs_add_cert(out, certs[i]);
    }
}

static void assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' not in '%s'", part, text);
    }
}

static void refuse_chain(struct slice pem, enum edge_code code, const char *part) {
    struct x509_leaf ret = {.chain_cnt = 77};
    struct edge_error err;
    assert_int_equal(x509_chain_read(pem, &ret, &err), code);
    assert_int_equal(ret.chain_cnt, 77);
    assert_contains(err.text, part);
}

static void refuse_key(struct slice chain, struct slice key, enum edge_code code,
                       const char *part) {
    struct edge_error err;
    assert_int_equal(x509_key_check(chain, key, &err), code);
    assert_contains(err.text, part);
}

static void test_good_chains(void **state) {
    (void)state;
    const struct certs_pair *const all[] = {&leaf, &issuer, &root};
    for (size_t cnt = 1; cnt <= 3; cnt++) {
        struct buf pem;
        struct x509_leaf ret;
        struct edge_error err = {0};
        fill(&pem, all, cnt);
        assert_int_equal(x509_chain_read(buf_slice(&pem), &ret, &err), EDGE_OK);
        assert_string_equal(ret.common_name, "dev-01");
        assert_int_equal(ret.chain_cnt, cnt);
        assert_int_equal(ret.not_before_wall_s, FROM_S);
        assert_int_equal(ret.not_after_wall_s, TO_S);
        unsigned char digest[32];
        char hex[65];
        assert_int_equal(X509_digest(leaf.cert, EVP_sha256(), digest, NULL), 1);
        for (size_t i = 0; i < 32; i++) {
            (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        }
        assert_string_equal(ret.thumbprint, hex);
        assert_int_equal(EVP_Digest(pem.data, pem.len, digest, NULL, EVP_sha256(), NULL), 1);
        for (size_t i = 0; i < 32; i++) {
            (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        }
        assert_string_equal(ret.pem_sha256, hex);
        struct buf key;
        buf_init_sensitive(&key, CERTS_TEXT_MAX);
        certs_add_key(&key, &leaf, NULL);
        assert_int_equal(x509_key_check(buf_slice(&pem), buf_slice(&key), &err), EDGE_OK);
        buf_clear(&key);
        buf_clear(&pem);
    }
}

static void test_text_around(void **state) {
    (void)state;
    struct buf pem;
    struct x509_leaf ret;
    buf_init(&pem, CERTS_TEXT_MAX);
    assert_int_equal(buf_append_str(&pem, "Subject: CN = dev-01\r\n\r\n", NULL), EDGE_OK);
    certs_add_key(&pem, &leaf, NULL); /* one file for both */
    certs_add_cert(&pem, &leaf);
    assert_int_equal(buf_append_str(&pem, "\n\nthe issuer:\n", NULL), EDGE_OK);
    certs_add_cert(&pem, &issuer);
    assert_int_equal(x509_chain_read(buf_slice(&pem), &ret, NULL), EDGE_OK);
    assert_int_equal(ret.chain_cnt, 2);
    assert_int_equal(x509_key_check(buf_slice(&pem), buf_slice(&pem), NULL), EDGE_OK);
    buf_clear(&pem);
}

static void test_common_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *expected;
    } rows[] = {{NULL, ""}, {"a\x1b[31m", ""}, {"a b", "a b"}, {"\xc3\xa4", "\xc3\xa4"}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct certs_pair p;
        struct x509_leaf ret;
        struct buf pem;
        certs_make(&p, NULL, rows[i].name, FROM_S, TO_S);
        buf_init(&pem, CERTS_TEXT_MAX);
        certs_add_cert(&pem, &p);
        assert_int_equal(x509_chain_read(buf_slice(&pem), &ret, NULL), EDGE_OK);
        assert_string_equal(ret.common_name, rows[i].expected);
        buf_clear(&pem);
        certs_free(&p);
    }
}

static void test_wrong_order(void **state) {
    (void)state;
    const struct certs_pair *const orders[][3] = {{&root, &issuer, &leaf},
                                                  {&leaf, &root, &issuer},
                                                  {&leaf, &issuer, &other},
                                                  {&leaf, &leaf, &issuer}};
    static const char *const parts[] = {"certificate 1 of the file was not issued by certificate 2",
                                        "certificate 1 of", "certificate 2 of", "certificate 1 of"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(orders); i++) {
        struct buf pem;
        fill(&pem, orders[i], 3);
        refuse_chain(buf_slice(&pem), EDGE_CONFLICT, parts[i]);
        buf_clear(&pem);
    }
    /* Same names, other key: only the signature tells. */
    struct certs_pair twin;
    certs_make(&twin, &root, "issuer", FROM_S, TO_S);
    const struct certs_pair *const forged[] = {&leaf, &twin};
    struct buf pem;
    fill(&pem, forged, 2);
    refuse_chain(buf_slice(&pem), EDGE_CONFLICT, "certificate 1 of");
    buf_clear(&pem);
    certs_free(&twin);
}

static void test_limits(void **state) {
    (void)state;
    struct certs_pair chain[X509_CHAIN_MAX + 1];
    struct buf pem;
    struct x509_leaf ret;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(chain); i++) {
        certs_make(&chain[i], i > 0 ? &chain[i - 1] : NULL, "c", FROM_S, TO_S);
    }
    buf_init(&pem, CERTS_TEXT_MAX);
    for (size_t i = X509_CHAIN_MAX; i > 0; i--) {
        certs_add_cert(&pem, &chain[i]);
    }
    assert_int_equal(x509_chain_read(buf_slice(&pem), &ret, NULL), EDGE_OK);
    assert_int_equal(ret.chain_cnt, X509_CHAIN_MAX);
    certs_add_cert(&pem, &chain[0]);
    refuse_chain(buf_slice(&pem), EDGE_RANGE, "more than 10 certificates");
    static char big[X509_PEM_MAX + 1];
    memset(big, 'x', sizeof(big));
    refuse_chain(slice_make(big, sizeof(big)), EDGE_RANGE, "larger than 65536 bytes");
    refuse_chain(slice_make(big, sizeof(big) - 1), EDGE_PARSE, "no certificate");
    for (size_t i = 0; i < EDGE_ARRAY_LEN(chain); i++) {
        certs_free(&chain[i]);
    }
    buf_clear(&pem);
}

static void test_no_certificates(void **state) {
    (void)state;
    struct buf pem;
    buf_init_sensitive(&pem, CERTS_TEXT_MAX);
    refuse_chain(slice_str(""), EDGE_PARSE, "the file is empty");
    refuse_chain(slice_str("hello"), EDGE_PARSE, "no certificate in PEM form");
    refuse_chain(slice_str("\x30\x82\x01"), EDGE_PARSE, "binary (DER or PFX)");
    certs_add_key(&pem, &leaf, NULL);
    refuse_chain(buf_slice(&pem), EDGE_PARSE, "no certificate in PEM form");
    buf_reset(&pem);
    certs_add_cert(&pem, &leaf);
    size_t first_len = pem.len;
    certs_add_cert(&pem, &issuer);
    pem.data[first_len + 200] = '!';
    refuse_chain(buf_slice(&pem), EDGE_PARSE, "certificate 2 of the file is damaged");
    refuse_chain(slice_make(pem.data, first_len - 30), EDGE_PARSE, "certificate 1");
    buf_clear(&pem);
}

static void test_keys(void **state) {
    (void)state;
    const struct certs_pair *const all[] = {&leaf, &issuer};
    struct buf pem;
    struct buf key;
    fill(&pem, all, 2);
    struct slice chain = buf_slice(&pem);
    buf_init_sensitive(&key, CERTS_TEXT_MAX);
    certs_add_key(&key, &other, NULL);
    refuse_key(chain, buf_slice(&key), EDGE_CONFLICT, "not that of the certificate");
    buf_reset(&key);
    certs_add_key(&key, &issuer, NULL);
    refuse_key(chain, buf_slice(&key), EDGE_CONFLICT, "belongs to certificate 2 of the chain");
    buf_reset(&key);
    certs_add_key(&key, &leaf, "sesame");
    refuse_key(chain, buf_slice(&key), EDGE_PARSE, "openssl pkey");
    buf_reset(&key);
    certs_add_key(&key, &leaf, NULL);
    key.data[60] = '!';
    refuse_key(chain, buf_slice(&key), EDGE_PARSE, "damaged");
    refuse_key(chain, chain, EDGE_PARSE, "no private key in PEM form");
    refuse_key(chain, slice_str(""), EDGE_PARSE, "empty");
    refuse_key(chain, slice_str("\x30\x82"), EDGE_PARSE, "binary");
    refuse_key(slice_str("x"), buf_slice(&key), EDGE_PARSE, "no certificate");
    buf_clear(&key);
    buf_clear(&pem);
}

static void test_times(void **state) {
    (void)state;
    const struct x509_leaf l = {.not_before_wall_s = FROM_S, .not_after_wall_s = TO_S};
    struct edge_error err;
    assert_int_equal(x509_time_check(&l, FROM_S, &err), EDGE_OK);
    assert_int_equal(x509_time_check(&l, TO_S, &err), EDGE_OK);
    assert_int_equal(x509_time_check(&l, FROM_S - 1, &err), EDGE_DENIED);
    assert_contains(err.text, "not valid before 2023-11-14T22:13:20Z, and it is "
                              "2023-11-14T22:13:19Z now");
    assert_int_equal(x509_time_check(&l, TO_S + 1, &err), EDGE_DENIED);
    assert_contains(err.text, "expired at 2027-01-15T08:00:00Z");
}

static enum edge_code read_once(void *data) {
    const struct buf *chain = data;
    struct x509_leaf ret;
    return x509_chain_read(buf_slice(chain), &ret, NULL);
}

static void test_out_of_memory(void **state) {
    (void)state;
    const struct certs_pair *const all[] = {&leaf, &issuer};
    struct buf pem;
    struct buf key;
    fill(&pem, all, 2);
    buf_init_sensitive(&key, CERTS_TEXT_MAX);
    certs_add_key(&key, &leaf, NULL);
    assert_true(alloc_fail_torture(read_once, &pem) > 50);
    /* Decoding of a key is thousands of allocations of OpenSSL: samples. */
    enum edge_code code = EDGE_INTERNAL;
    size_t n = 1;
    for (bool is_over = false; !is_over; n += 1 + n / 16) {
        alloc_fail_arm(n);
        code = x509_key_check(buf_slice(&pem), buf_slice(&key), NULL);
        is_over = !alloc_fail_disarm();
    }
    assert_int_equal(code, EDGE_OK);
    buf_clear(&key);
    buf_clear(&pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_chains),   cmocka_unit_test(test_text_around),
        cmocka_unit_test(test_common_names),  cmocka_unit_test(test_wrong_order),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_no_certificates),
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_times),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
