/* SPDX-License-Identifier: MIT */
#include "pki/ca_make.h"

#include "support/ca_certs.h"
#include "support/fake_hsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW ((int64_t)1800000000)
#define DAY ((int64_t)86400)

static struct hsm *hsm;

static int setup(void **state) {
    (void)state;
    hsm = fake_hsm_new();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hsm_close(hsm);
    return 0;
}

static size_t key_cnt(void) {
    struct hsm_key keys[HSM_KEYS_MAX];
    size_t cnt = 0;
    assert_int_equal(hsm_key_list(hsm, keys, &cnt, NULL), EDGE_OK);
    return cnt;
}

static const struct ca_make owner = {
    .kind = PROFILE_OWNER_CA, .number = 1, .now_wall_s = NOW, .not_after_wall_s = NOW + 100 * DAY};

static void test_chain(void **state) {
    (void)state;
    struct authority a = {.pem = NULL}, b = {.pem = NULL};
    struct ca_make m = owner;
    m.hsm = hsm;
    assert_int_equal(ca_make(&m, &a, NULL), EDGE_OK);
    assert_string_equal(a.key, "owner-ca-1");
    assert_non_null(strstr(a.cert.subject, "CN=Test Edge Owner CA "));
    m = (struct ca_make){.hsm = hsm,
                         .kind = PROFILE_DEVICE_CA,
                         .common_name = "Device",
                         .issuer = &a,
                         .number = 2,
                         .now_wall_s = NOW,
                         .not_after_wall_s = NOW + 500 * DAY};
    assert_int_equal(ca_make(&m, &b, NULL), EDGE_OK);
    assert_string_equal(b.key, "device-ca-2");
    assert_true(authority_is_under(&b, &a));
    assert_int_equal(b.cert.not_after_wall_s, NOW + 100 * DAY); /* never longer than its issuer */
    assert_true(b.cert.not_before_wall_s >= a.cert.not_before_wall_s);
    assert_int_equal(ca_cert_verify(slice_str(b.pem), slice_str(a.pem), NOW), 0);
    assert_int_equal(key_cnt(), 2);
    authority_clear(&a);
    authority_clear(&b);
}

/* A number that was given to a key of a run that was cut short. */
static void test_left_over_key(void **state) {
    (void)state;
    struct authority a = {.pem = NULL};
    struct hsm_key key;
    struct ca_make m = owner;
    m.hsm = hsm;
    assert_int_equal(hsm_key_make(hsm, "owner-ca-1", &key, NULL), EDGE_OK);
    assert_int_equal(ca_make(&m, &a, NULL), EDGE_OK);
    assert_int_equal(key_cnt(), 1);
    authority_clear(&a);
}

static void test_failure_leaves_no_key(void **state) {
    (void)state;
    struct authority a = {.pem = NULL};
    struct ca_make m = owner;
    m.hsm = hsm;
    fake_hsm_fail(hsm, 1, EDGE_HSM);
    assert_int_equal(ca_make(&m, &a, NULL), EDGE_HSM);
    m.not_after_wall_s = NOW - 5 * DAY; /* refused after the key was made */
    assert_int_not_equal(ca_make(&m, &a, NULL), EDGE_OK);
    assert_false(authority_exists(&a));
    assert_int_equal(key_cnt(), 0);
}

static void test_names(void **state) {
    (void)state;
    char one[CA_MAKE_NAME_MAX], two[CA_MAKE_NAME_MAX];
    assert_true(ca_make_is_name("owner-ca-1"));
    assert_true(ca_make_is_name("device-ca-12"));
    assert_true(ca_make_is_name("workload-ca-3"));
    assert_false(ca_make_is_name("ca-00112233445566778899aabbccddeeff"));
    assert_int_equal(ca_make_owner_name(slice_str("a"), one, NULL), EDGE_OK);
    assert_int_equal(ca_make_owner_name(slice_str("b"), two, NULL), EDGE_OK);
    assert_string_not_equal(one, two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_left_over_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_leaves_no_key, setup, teardown),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
