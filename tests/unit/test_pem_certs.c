/* SPDX-License-Identifier: MIT */
#include "pki/pem_certs.h"

#include "support/alloc_fail.h"
#include "support/ca_certs.h"

#include <openssl/err.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW ((int64_t)1800000000)
#define DAY ((int64_t)86400)

static void make(struct ca_cert *c, const char *name) {
    const struct ca_cert_spec spec = {
        .common_name = name, .from_wall_s = NOW, .to_wall_s = NOW + DAY};
    ca_cert_make(c, &spec);
}

static void test_description(void **state) {
    (void)state;
    struct ca_cert c;
    struct chain_cert d;
    char subject[8], issuer[32];
    const struct ca_cert_spec spec = {.common_name = "Gerät \x01",
                                      .key = "P-384",
                                      .has_path_len = true,
                                      .path_len = 2,
                                      .from_wall_s = NOW,
                                      .to_wall_s = NOW + DAY};
    ca_cert_make(&c, &spec);
    assert_int_equal(pem_certs_describe(c.cert, "file", &d, NULL), EDGE_OK);
    assert_string_equal(d.key, "P-384");
    assert_int_equal(d.path_len, 2);
    assert_int_equal(d.not_before_wall_s, NOW);
    assert_int_equal(d.not_after_wall_s, NOW + DAY);
    assert_true(d.is_ca && d.may_sign && d.self_issued);
    assert_true(slice_starts_with(slice_str(d.subject), "CN=Ger\xc3\xa4t "));
    assert_null(strchr(d.subject, 1));
    pem_certs_subject(c.cert, subject, sizeof(subject)); /* cut between characters */
    assert_string_equal(subject, "CN=Ger");
    pem_certs_issuer(c.cert, issuer, sizeof(issuer));
    assert_string_equal(issuer, d.subject);
    ca_cert_free(&c);
}

static void test_append(void **state) {
    (void)state;
    struct ca_cert a, b;
    struct buf pem, again;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    buf_init(&again, CA_CERTS_PEM_MAX);
    make(&a, "A");
    make(&b, "B");
    ca_cert_add(&pem, &a);
    ca_cert_add(&pem, &b);
    assert_int_equal(pem_certs_append(b.cert, &again, NULL), EDGE_OK);
    assert_non_null(memmem(pem.data, pem.len, again.data, again.len));
    assert_int_equal(ERR_peek_error(), 0);
    buf_clear(&pem);
    buf_clear(&again);
    ca_cert_free(&a);
    ca_cert_free(&b);
}

static enum edge_code torture(void *data) {
    struct ca_cert *c = data;
    struct buf out;
    struct chain_cert d;
    buf_init(&out, CA_CERTS_PEM_MAX);
    enum edge_code code = pem_certs_describe(c->cert, "file", &d, NULL);
    code = code != EDGE_OK ? code : pem_certs_append(c->cert, &out, NULL);
    buf_clear(&out);
    return code;
}

static void test_allocation_torture(void **state) {
    (void)state;
    struct ca_cert c;
    make(&c, "A");
    assert_true(alloc_fail_torture(torture, &c) > 5);
    ca_cert_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_allocation_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
