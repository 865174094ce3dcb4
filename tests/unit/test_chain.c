/* SPDX-License-Identifier: MIT */
#include "pki/chain.h"

#include "support/alloc_fail.h"
#include "support/ca_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW  1800000000
#define DAY  ((int64_t)86400)
#define FROM (NOW - 10 * DAY)
#define TO   (NOW + 1000 * DAY)

static struct ca_cert root, middle, device, other;

static void make(struct ca_cert *c, const char *name, const struct ca_cert *issuer) {
    const struct ca_cert_spec spec = {
        .common_name = name, .issuer = issuer, .from_wall_s = FROM, .to_wall_s = TO};
    ca_cert_make(c, &spec);
}

static int setup(void **state) {
    (void)state;
    make(&root, "Root", NULL);
    make(&middle, "Middle", &root);
    make(&device, "Device", &middle);
    make(&other, "Other", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ca_cert_free(&root);
    ca_cert_free(&middle);
    ca_cert_free(&device);
    ca_cert_free(&other);
    return 0;
}

static void write_pem(struct buf *out, const struct ca_cert *const *certs, size_t cnt) {
    buf_init(out, CA_CERTS_PEM_MAX);
    for (size_t i = 0; i < cnt; i++) {
        ca_cert_add(out, certs[i]);
    }
}

static enum edge_code read_certs(struct chain *ret, const struct ca_cert *const *certs, size_t cnt,
                                 struct edge_error *err) {
    struct buf pem;
    write_pem(&pem, certs, cnt);
    enum edge_code code = chain_read(buf_slice(&pem), "/etc/ca.pem", ret, err);
    buf_clear(&pem);
    return code;
}

static void test_any_order(void **state) {
    (void)state;
    const struct ca_cert *const all[] = {&device, &middle, &root};
    static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct buf expected;
    write_pem(&expected, all, 2); /* the root is not served */
    for (size_t i = 0; i < 6; i++) {
        const struct ca_cert *const mixed[] = {all[orders[i][0]], all[orders[i][1]],
                                               all[orders[i][2]], all[orders[i][0]]};
        struct chain c = {.cnt = 0};
        assert_int_equal(read_certs(&c, mixed, 4, NULL), EDGE_OK);
        assert_int_equal(c.cnt, 3);
        assert_string_equal(c.certs[0].subject, "CN=Device");
        assert_string_equal(c.certs[1].subject, "CN=Middle");
        assert_string_equal(c.certs[2].subject, "CN=Root");
        assert_true(slice_eq(buf_slice(&c.pem), buf_slice(&expected)));
        assert_string_equal(c.certs[0].key, "P-256");
        assert_int_equal(c.certs[0].not_after_wall_s, TO);
        assert_true(c.spki_len > 80);
        chain_clear(&c);
    }
    buf_clear(&expected);
}

static void test_single_and_self_signed(void **state) {
    (void)state;
    const struct ca_cert *const one[] = {&root};
    struct chain c = {.cnt = 0};
    assert_int_equal(read_certs(&c, one, 1, NULL), EDGE_OK);
    assert_int_equal(c.cnt, 1);
    assert_true(c.pem.len > 0);
    chain_clear(&c);
    chain_clear(&c);
    chain_clear(NULL);
}

static void test_two_chains(void **state) {
    (void)state;
    const struct ca_cert *const two[] = {&device, &middle, &other};
    struct edge_error err;
    struct chain c = {.cnt = 0};
    assert_int_equal(read_certs(&c, two, 3, &err), EDGE_CONFLICT);
    assert_non_null(strstr(err.text, "/etc/ca.pem"));
    assert_non_null(strstr(err.text, "CN=Device"));
    assert_non_null(strstr(err.text, "CN=Other"));
}

/* A renewed issuer with the same key, beside the old one: both are handed on. */
static void test_renewed_issuer(void **state) {
    (void)state;
    struct ca_cert again;
    const struct ca_cert_spec spec = {.common_name = "Middle",
                                      .issuer = &root,
                                      .same_key = &middle,
                                      .from_wall_s = FROM,
                                      .to_wall_s = TO + DAY};
    ca_cert_make(&again, &spec);
    const struct ca_cert *const certs[] = {&again, &middle, &device, &root};
    struct chain c = {.cnt = 0};
    assert_int_equal(read_certs(&c, certs, 4, NULL), EDGE_OK);
    assert_int_equal(c.cnt, 3);
    size_t found = 0;
    for (const char *at = (const char *)c.pem.data;
         (at = memmem(at, (size_t)((const char *)c.pem.data + c.pem.len - at), "-----BEGIN", 10)) !=
         NULL;
         at++) {
        found++;
    }
    assert_int_equal(found, 3);
    chain_clear(&c);
    ca_cert_free(&again);
}

static void test_not_a_chain(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "hello", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "0\x82\x01"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct edge_error err;
        struct chain c = {.cnt = 0};
        assert_int_equal(chain_read(slice_str(bad[i]), "/etc/ca.pem", &c, &err), EDGE_PARSE);
        assert_non_null(strstr(err.text, "/etc/ca.pem"));
    }
}

static void test_too_many(void **state) {
    (void)state;
    struct ca_cert certs[CHAIN_CERTS_MAX + 1];
    const struct ca_cert *list[CHAIN_CERTS_MAX + 1];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(certs); i++) {
        make(&certs[i], "CA", i > 0 ? &certs[i - 1] : NULL);
        list[i] = &certs[i];
    }
    struct chain c = {.cnt = 0};
    assert_int_equal(read_certs(&c, list, CHAIN_CERTS_MAX + 1, NULL), EDGE_RANGE);
    assert_int_equal(read_certs(&c, list, CHAIN_CERTS_MAX, NULL), EDGE_OK);
    assert_int_equal(c.cnt, CHAIN_CERTS_MAX);
    chain_clear(&c);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(certs); i++) {
        ca_cert_free(&certs[i]);
    }
}

static void test_first_alone(void **state) {
    (void)state;
    struct buf pem;
    struct chain_cert cert;
    const struct ca_cert *const certs[] = {&middle, &device};
    write_pem(&pem, certs, 2);
    assert_int_equal(chain_read_first(buf_slice(&pem), "file", &cert, NULL), EDGE_OK);
    assert_string_equal(cert.subject, "CN=Middle");
    assert_int_equal(strlen(cert.sha256), 64);
    assert_int_equal(strlen(cert.key_sha256), 64);
    assert_true(cert.is_ca && cert.may_sign && !cert.self_issued);
    assert_int_equal(cert.path_len, -1);
    buf_clear(&pem);
}

static enum edge_code torture(void *data) {
    struct chain c = {.cnt = 0};
    enum edge_code code = chain_read(buf_slice(data), "file", &c, NULL);
    chain_clear(&c);
    return code;
}

static void test_allocation_torture(void **state) {
    (void)state;
    struct buf pem;
    const struct ca_cert *const certs[] = {&device, &middle};
    write_pem(&pem, certs, 2);
    assert_true(alloc_fail_torture(torture, &pem) > 20);
    buf_clear(&pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),   cmocka_unit_test(test_single_and_self_signed),
        cmocka_unit_test(test_two_chains),  cmocka_unit_test(test_renewed_issuer),
        cmocka_unit_test(test_not_a_chain), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_first_alone), cmocka_unit_test(test_allocation_torture),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
