/* SPDX-License-Identifier: MIT */
#include "pki/bundle.h"

#include "pki/renew.h"
#include "support/alloc_fail.h"
#include "support/authorities_sample.h"
#include "support/ca_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW AUTHORITIES_SAMPLE_NOW
#define DAY ((int64_t)86400)

static struct authorities a;

static int setup(void **state) {
    (void)state;
    authorities_sample(&a);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    authorities_clear(&a);
    return 0;
}

static bool has(const struct buf *b, const char *pem) {
    return memmem(b->data, b->len, pem, strlen(pem)) != NULL;
}

static size_t count(const struct buf *b) {
    size_t cnt = 0;
    const char *at = (const char *)b->data;
    const char *end = at + b->len;
    while ((at = memmem(at, (size_t)(end - at), "-----BEGIN", 10)) != NULL) {
        cnt++;
        at++;
    }
    return cnt;
}

static void write_at(int64_t now, struct buf *out) {
    buf_init(out, CA_CERTS_PEM_MAX);
    assert_int_equal(bundle_write(&a, now, out, NULL), EDGE_OK);
}

static void test_all(void **state) {
    (void)state;
    struct buf out;
    write_at(NOW, &out);
    assert_true(has(&out, a.owner.pem));
    assert_true(has(&out, a.before[0].pem));
    assert_true(has(&out, a.former.items[0].pem));
    assert_int_equal(count(&out), 3); /* the operator's is the former root, given once */
    assert_false(has(&out, a.device.pem));
    buf_clear(&out);
}

static void test_former_roots_end(void **state) {
    (void)state;
    struct buf out;
    free(a.bundle);
    a.bundle = NULL;
    write_at(NOW + 61 * DAY, &out);
    assert_false(has(&out, a.former.items[0].pem));
    assert_true(has(&out, a.before[0].pem));
    buf_clear(&out);
    write_at(NOW + 701 * DAY, &out); /* ended, but the present root is younger than the overlap */
    assert_true(has(&out, a.before[0].pem));
    buf_clear(&out);
    write_at(NOW + 731 * DAY, &out);
    assert_false(has(&out, a.before[0].pem));
    assert_int_equal(count(&out), 1);
    buf_clear(&out);
    write_at(BUNDLE_TIME_UNKNOWN, &out);
    assert_int_equal(count(&out), 3);
    buf_clear(&out);
}

static void test_operator(void **state) {
    (void)state;
    struct buf out;
    a.source = AUTHORITIES_OPERATOR;
    write_at(NOW, &out);
    assert_int_equal(count(&out), 1);
    assert_true(has(&out, a.bundle));
    assert_int_equal(out.len, strlen(a.bundle));
    buf_clear(&out);
}

static void test_line_ends(void **state) {
    (void)state;
    struct buf out;
    free(a.bundle);
    a.bundle = strdup("# ours\r\n-----BEGIN X\r\nend");
    assert_non_null(a.bundle);
    write_at(NOW, &out);
    assert_null(memchr(out.data, '\r', out.len));
    assert_memory_equal(out.data, "# ours\n-----BEGIN X\nend\n-----BEGIN CERT", 39);
    assert_int_equal(out.data[out.len - 1], '\n');
    buf_clear(&out);
}

static void test_nothing_yet(void **state) {
    (void)state;
    struct authorities none;
    struct buf out;
    authorities_init(&none);
    buf_init(&out, 1000);
    assert_int_equal(bundle_write(&none, NOW, &out, NULL), EDGE_NOT_FOUND);
    assert_int_equal(bundle_write_chain(&none, NOW, &out, NULL), EDGE_NOT_FOUND);
    assert_int_equal(out.len, 0);
}

static void test_too_long(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(bundle_write(&a, NOW, &out, NULL), EDGE_RANGE);
    assert_int_equal(out.len, 0);
    assert_int_equal(bundle_write_chain(&a, NOW, &out, NULL), EDGE_RANGE);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
}

/* Roots that are out of use give way to what is in use. */
static void test_too_long_for_former_roots(void **state) {
    (void)state;
    struct buf all, out;
    free(a.bundle);
    a.bundle = NULL;
    write_at(NOW, &all);
    assert_true(has(&all, a.former.items[0].pem));
    buf_init(&out, all.len - 1);
    assert_int_equal(bundle_write(&a, NOW, &out, NULL), EDGE_OK);
    assert_false(has(&out, a.former.items[0].pem));
    assert_true(has(&out, a.owner.pem));
    assert_int_equal(count(&out), count(&all) - 1);
    buf_clear(&out);
    buf_clear(&all);
}

static void test_chain(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, CA_CERTS_PEM_MAX);
    assert_int_equal(bundle_write_chain(&a, NOW, &out, NULL), EDGE_OK);
    assert_int_equal(count(&out), 3);
    assert_memory_equal(out.data, a.workload.pem, strlen(a.workload.pem));
    assert_true(has(&out, a.device.pem));
    assert_true(has(&out, a.cross.items[0].pem));
    assert_false(has(&out, a.owner.pem));
    buf_reset(&out);
    assert_int_equal(bundle_write_chain(&a, NOW + 701 * DAY, &out, NULL), EDGE_OK);
    assert_int_equal(count(&out), 2);
    buf_reset(&out);
    a.source = AUTHORITIES_OPERATOR;
    assert_int_equal(bundle_write_chain(&a, NOW, &out, NULL), EDGE_OK);
    assert_int_equal(count(&out), 2);
    buf_clear(&out);
}

/* A client that knows only the former root follows the cross certificate. */
static void test_chain_verifies(void **state) {
    (void)state;
    struct buf chain, bundle;
    buf_init(&chain, CA_CERTS_PEM_MAX);
    buf_init(&bundle, CA_CERTS_PEM_MAX);
    assert_int_equal(bundle_write_chain(&a, NOW, &chain, NULL), EDGE_OK);
    assert_int_equal(bundle_write(&a, NOW, &bundle, NULL), EDGE_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&chain), buf_slice(&bundle), NOW), 0);
    assert_int_equal(ca_cert_verify(buf_slice(&chain), slice_str(a.before[0].pem), NOW), 0);
    assert_int_equal(ca_cert_verify(buf_slice(&chain), slice_str(a.owner.pem), NOW), 0);
    assert_int_not_equal(ca_cert_verify(buf_slice(&chain), slice_str(a.bundle), NOW), 0);
    buf_clear(&chain);
    buf_clear(&bundle);
}

static enum edge_code torture(void *data) {
    (void)data;
    struct buf out;
    buf_init(&out, CA_CERTS_PEM_MAX);
    enum edge_code code = bundle_write(&a, NOW, &out, NULL);
    buf_clear(&out);
    return code;
}

static void test_allocation_torture(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(torture, NULL) > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_former_roots_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_operator, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long_for_former_roots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chain_verifies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
