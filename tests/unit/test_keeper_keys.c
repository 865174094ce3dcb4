/* SPDX-License-Identifier: MIT */
#include "pki/keeper_keys.h"

#include "pki/ca_make.h"
#include "support/fake_hsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW ((int64_t)1800000000)
#define DAY ((int64_t)86400)

static struct hsm *hsm;
static struct authorities a;

static int setup(void **state) {
    (void)state;
    hsm = fake_hsm_new();
    authorities_init(&a);
    const struct ca_make m = {.hsm = hsm,
                              .kind = PROFILE_OWNER_CA,
                              .number = 1,
                              .now_wall_s = NOW,
                              .not_after_wall_s = NOW + DAY};
    assert_int_equal(ca_make(&m, &a.owner, NULL), EDGE_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    authorities_clear(&a);
    hsm_close(hsm);
    return 0;
}

static bool is_there(const char *name) {
    struct hsm_key key;
    return hsm_key_get(hsm, name, &key, NULL) == EDGE_OK;
}

static void test_find(void **state) {
    (void)state;
    struct keeper_keys keys = {.device = true};
    assert_int_equal(keeper_keys_find(hsm, &a, &keys, NULL), EDGE_OK);
    assert_true(keys.owner && !keys.device && !keys.workload && !keys.before[0]);
    authorities_retire_owner(&a, NOW, NOW);
    assert_int_equal(keeper_keys_find(hsm, &a, &keys, NULL), EDGE_OK);
    assert_true(!keys.owner && keys.before[0]);
    fake_hsm_fail(hsm, 1, EDGE_HSM);
    assert_int_equal(keeper_keys_find(hsm, &a, &keys, NULL), EDGE_HSM);
    assert_true(keys.before[0]);
}

static void test_sweep(void **state) {
    (void)state;
    struct hsm_key key;
    assert_int_equal(hsm_key_make(hsm, "workload-ca-9", &key, NULL), EDGE_OK);
    assert_int_equal(hsm_key_make(hsm, "ca-0011", &key, NULL), EDGE_OK);
    fake_hsm_fail(hsm, 1, EDGE_HSM);
    assert_false(keeper_keys_sweep(hsm, &a));
    assert_true(is_there("workload-ca-9"));
    assert_true(keeper_keys_sweep(hsm, &a));
    assert_false(is_there("workload-ca-9"));
    assert_true(is_there("ca-0011"));
    assert_true(is_there("owner-ca-1"));
}

static void test_drop(void **state) {
    (void)state;
    struct authorities none;
    authorities_init(&none);
    assert_true(keeper_keys_drop(hsm, &a, &a));
    assert_true(is_there("owner-ca-1"));
    fake_hsm_fail(hsm, 1, EDGE_HSM);
    assert_false(keeper_keys_drop(hsm, &a, &none));
    assert_true(keeper_keys_drop(hsm, &a, &none));
    assert_false(is_there("owner-ca-1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
