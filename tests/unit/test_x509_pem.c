/* SPDX-License-Identifier: MIT */
#include "base/x509_pem.h"

#include "support/alloc_fail.h"
#include "support/ca_certs.h"

#include <openssl/err.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW ((int64_t)1800000000)
#define DAY ((int64_t)86400)

static const struct x509_source from = {
    .file = "some file", .bytes_max = 100000, .cnt_max = 3, .skips_copies = true};

static void make(struct ca_cert *c, const char *name) {
    const struct ca_cert_spec spec = {
        .common_name = name, .from_wall_s = NOW, .to_wall_s = NOW + DAY};
    ca_cert_make(c, &spec);
}

static void test_reads_each_once(void **state) {
    (void)state;
    struct ca_cert a, b;
    struct buf pem;
    struct x509_certs certs = {NULL, 0};
    buf_init(&pem, CA_CERTS_PEM_MAX);
    make(&a, "A");
    make(&b, "B");
    assert_int_equal(buf_append_str(&pem, "text before\n", NULL), EDGE_OK);
    ca_cert_add(&pem, &a);
    ca_cert_add_key(&pem, &a);
    ca_cert_add(&pem, &b);
    ca_cert_add(&pem, &a);
    assert_int_equal(x509_certs_read(buf_slice(&pem), &from, &certs, NULL), EDGE_OK);
    assert_int_equal(certs.cnt, 2);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(X509_cmp(certs.items[0], a.cert), 0);
    assert_int_equal(X509_cmp(certs.items[1], b.cert), 0);
    x509_certs_clear(&certs);
    x509_certs_clear(&certs);
    /* A device's own chain is sent as it is: copies in it are for the check of its order. */
    assert_int_equal(x509_certs_read_chain(buf_slice(&pem), &certs, NULL), EDGE_OK);
    assert_int_equal(certs.cnt, 3);
    x509_certs_clear(&certs);
    buf_clear(&pem);
    ca_cert_free(&a);
    ca_cert_free(&b);
}

static void expect(struct slice pem, enum edge_code code, const char *reason) {
    struct x509_certs certs = {NULL, 0};
    struct edge_error err;
    assert_int_equal(x509_certs_read(pem, &from, &certs, &err), code);
    assert_non_null(strstr(err.text, "some file"));
    assert_non_null(strstr(err.text, reason));
    assert_null(certs.items);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_refusals(void **state) {
    (void)state;
    struct buf pem;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    expect(slice_str(""), EDGE_PARSE, "is empty");
    expect(slice_str("0\x82"), EDGE_PARSE, "binary");
    expect(slice_str("hello"), EDGE_PARSE, "no certificate in PEM form");
    expect(slice_str("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), EDGE_PARSE,
           "certificate 1 of");
    for (int i = 0; i < 4; i++) {
        struct ca_cert c;
        make(&c, "Many");
        ca_cert_add(&pem, &c);
        ca_cert_free(&c);
    }
    expect(buf_slice(&pem), EDGE_RANGE, "more than 3");
    expect((struct slice){(const char *)pem.data, 100001}, EDGE_RANGE, "larger than 100000");
    buf_clear(&pem);
}

static void test_first_one(void **state) {
    (void)state;
    struct ca_cert a;
    struct buf pem;
    struct edge_error err;
    X509 *first = NULL;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    make(&a, "A");
    assert_int_equal(x509_certs_first(buf_slice(&pem), &from, &first, &err), EDGE_PARSE);
    assert_int_equal(buf_append_str(&pem, "no certificate\n", NULL), EDGE_OK);
    assert_int_equal(x509_certs_first(buf_slice(&pem), &from, &first, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "holds no certificate"));
    assert_null(first);
    ca_cert_add(&pem, &a);
    assert_int_equal(buf_append_str(&pem, "-----BEGIN CERTIFICATE-----\n!\n", NULL), EDGE_OK);
    assert_int_equal(x509_certs_first(buf_slice(&pem), &from, &first, NULL), EDGE_OK);
    assert_int_equal(X509_cmp(first, a.cert), 0);
    assert_int_equal(ERR_peek_error(), 0);
    X509_free(first);
    buf_clear(&pem);
    ca_cert_free(&a);
}

static enum edge_code torture(void *data) {
    struct x509_certs certs = {NULL, 0};
    int64_t before, after;
    enum edge_code code = x509_certs_read(buf_slice(data), &from, &certs, NULL);
    if (code == EDGE_OK) {
        assert_int_equal(certs.cnt, 1);
        assert_true(x509_cert_times(certs.items[0], &before, &after));
        assert_true(before == NOW && after == NOW + DAY);
    }
    x509_certs_clear(&certs);
    return code;
}

static void test_allocation_torture(void **state) {
    (void)state;
    struct ca_cert c;
    struct buf pem;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    make(&c, "A");
    ca_cert_add(&pem, &c);
    assert_true(alloc_fail_torture(torture, &pem) > 10);
    buf_clear(&pem);
    ca_cert_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_each_once),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_first_one),
        cmocka_unit_test(test_allocation_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
