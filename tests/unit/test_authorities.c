/* SPDX-License-Identifier: MIT */
#include "pki/authorities.h"

#include "support/alloc_fail.h"
#include "support/authorities_sample.h"
#include "support/ca_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW AUTHORITIES_SAMPLE_NOW
#define DAY ((int64_t)86400)

static void test_set(void **state) {
    (void)state;
    struct authority a = {.pem = NULL};
    char *pem = authorities_sample_pem("One", NOW, NOW + DAY);
    assert_false(authority_exists(&a));
    assert_int_equal(authority_set(&a, "owner-ca-1", slice_str("x"), NULL, NULL), EDGE_PARSE);
    assert_false(authority_exists(&a));
    assert_int_equal(authority_set(&a, "owner-ca-1", slice_str(pem), NULL, NULL), EDGE_OK);
    assert_true(authority_exists(&a));
    assert_string_equal(a.cert.subject, "CN=One");
    assert_string_equal(a.issuer_sha256, "");
    authority_clear(&a);
    authority_clear(&a);
    free(pem);
}

static void test_is_under(void **state) {
    (void)state;
    struct authorities a;
    authorities_sample(&a);
    assert_true(authority_is_under(&a.device, &a.owner));
    assert_false(authority_is_under(&a.workload, &a.owner));
    assert_false(authority_is_under(&a.owner, &a.owner));
    authorities_clear(&a);
}

static void test_copy_is_deep(void **state) {
    (void)state;
    struct authorities a, b;
    authorities_sample(&a);
    authorities_init(&b);
    assert_int_equal(authorities_copy(&a, &b, NULL), EDGE_OK);
    assert_string_equal(a.owner.pem, b.owner.pem);
    assert_ptr_not_equal(a.owner.pem, b.owner.pem);
    assert_int_equal(b.before_cnt, 1);
    assert_int_equal(b.former.cnt, 1);
    assert_int_equal(b.cross.cnt, 1);
    assert_string_equal(b.bundle, a.bundle);
    assert_int_equal(b.next, a.next);
    authorities_clear(&a);
    assert_string_equal(b.former.items[0].source, "predecessor");
    authorities_clear(&b);
}

static void test_owners_change(void **state) {
    (void)state;
    struct authorities a;
    char first[SHA256_HEX];
    authorities_sample(&a);
    memcpy(first, a.owner.cert.sha256, sizeof(first));
    authorities_retire_owner(&a, NOW + 5, NOW);
    assert_int_equal(a.before_cnt, 2);
    assert_string_equal(a.before[0].cert.sha256, first);
    assert_int_equal(a.before[0].until_wall_s, NOW + 5);
    assert_false(authority_exists(&a.owner));
    authorities_retire_owner(&a, NOW, NOW); /* there is none */
    assert_int_equal(a.before_cnt, 2);
    authorities_swap_owner(&a, 1, NOW + 7);
    assert_true(authority_exists(&a.owner));
    authorities_forget(&a, 1);
    assert_int_equal(a.before_cnt, 1);
    assert_string_equal(a.before[0].cert.sha256, first);
    authorities_clear(&a);
}

/* One that cannot be used at this time makes room before the oldest does. */
static void test_room_for_owners(void **state) {
    (void)state;
    struct authorities a;
    authorities_init(&a);
    for (int i = 0; i < AUTHORITIES_BEFORE_MAX + 1; i++) {
        int64_t from = i == 1 ? NOW + DAY : NOW - DAY;
        char name[16] = "Owner 0";
        name[6] = (char)('0' + i);
        char *pem = authorities_sample_pem(name, from, NOW + 900 * DAY);
        assert_int_equal(authority_set(&a.owner, name, slice_str(pem), NULL, NULL), EDGE_OK);
        free(pem);
        authorities_retire_owner(&a, NOW + DAY, NOW);
    }
    assert_int_equal(a.before_cnt, AUTHORITIES_BEFORE_MAX);
    for (size_t i = 0; i < a.before_cnt; i++) {
        assert_string_not_equal(a.before[i].cert.subject, "CN=Owner 1");
    }
    assert_true(authorities_has_key(&a, "Owner 0"));
    assert_false(authorities_has_key(&a, "Owner 1"));
    authorities_clear(&a);
}

static void test_roots(void **state) {
    (void)state;
    struct authority_roots r = {.cnt = 0};
    for (int i = 0; i < AUTHORITIES_ROOTS_MAX + 2; i++) {
        char name[16] = "Root A";
        name[5] = (char)('A' + i);
        char *pem = authorities_sample_pem(name, NOW, NOW + DAY);
        const struct authority_root_info info = {.source = "operator", .until_wall_s = NOW + i};
        const struct authority_root_info longer = {.source = "operator",
                                                   .until_wall_s = NOW + 50 + i};
        assert_int_equal(authority_roots_add(&r, slice_str(pem), &info, NULL), EDGE_OK);
        size_t cnt = r.cnt;
        assert_int_equal(authority_roots_add(&r, slice_str(pem), &longer, NULL), EDGE_OK);
        assert_int_equal(authority_roots_add(&r, slice_str(pem), &info, NULL), EDGE_OK);
        assert_int_equal(r.cnt, cnt);
        free(pem);
    }
    assert_int_equal(r.cnt, AUTHORITIES_ROOTS_MAX);
    for (size_t i = 0; i < r.cnt; i++) {
        assert_true(r.items[i].until_wall_s >= NOW + 52);
    }
    authority_roots_clear(&r);
}

static void test_cross(void **state) {
    (void)state;
    struct authorities a;
    authorities_sample(&a);
    assert_true(authorities_has_cross(&a, &a.before[0], NOW));
    assert_false(authorities_has_cross(&a, &a.before[0], NOW + 5000 * DAY));
    assert_false(authorities_has_cross(&a, &a.owner, NOW));
    authorities_prune_cross(&a);
    assert_int_equal(a.cross.cnt, 1);
    authorities_swap_owner(&a, 0, NOW);
    authorities_prune_cross(&a);
    assert_int_equal(a.cross.cnt, 0);
    authorities_clear(&a);
}

static enum edge_code torture(void *data) {
    struct authorities b;
    authorities_init(&b);
    enum edge_code code = authorities_copy(data, &b, NULL);
    authorities_clear(&b);
    return code;
}

static void test_allocation_torture(void **state) {
    (void)state;
    struct authorities a;
    authorities_sample(&a);
    assert_true(alloc_fail_torture(torture, &a) > 6);
    authorities_clear(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_is_under),
        cmocka_unit_test(test_copy_is_deep),
        cmocka_unit_test(test_owners_change),
        cmocka_unit_test(test_room_for_owners),
        cmocka_unit_test(test_roots),
        cmocka_unit_test(test_cross),
        cmocka_unit_test(test_allocation_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
