/* SPDX-License-Identifier: MIT */
#include "pki/keeper_status.h"

#include "pki/renew.h"
#include "support/authorities_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW AUTHORITIES_SAMPLE_NOW
#define DAY RENEW_DAY_S

static void test_quickstart(void **state) {
    (void)state;
    struct authorities a;
    struct pki_status s;
    authorities_sample(&a);
    keeper_status_fill(&a, 90 * DAY, &s);
    assert_int_equal(s.cnt, 5);
    assert_string_equal(s.items[0].name, "owner CA");
    assert_string_equal(s.items[0].source, "quickstart");
    assert_string_equal(s.items[0].subject, "CN=Test Edge Owner CA 2");
    assert_int_equal(s.items[0].renew_at_wall_s, NOW + 3650 * DAY - RENEW_OWNER_OVERLAP_S);
    assert_string_equal(s.items[1].name, "device CA");
    assert_int_equal(s.items[1].renew_at_wall_s, NOW + 60 * DAY);
    assert_int_equal(s.items[1].not_before_wall_s, NOW - DAY);
    assert_string_equal(s.items[2].name, "workload CA");
    assert_int_equal(s.items[2].renew_at_wall_s, NOW + 60 * DAY);
    assert_string_equal(s.items[3].name, "former root");
    assert_string_equal(s.items[3].source, "quickstart");
    assert_string_equal(s.items[4].source, "predecessor");
    assert_string_equal(s.note, "");
    authorities_clear(&a);
}

static void test_operator(void **state) {
    (void)state;
    struct authorities a;
    struct pki_status s;
    authorities_sample(&a);
    a.source = AUTHORITIES_OPERATOR;
    keeper_status_fill(&a, 90 * DAY, &s);
    assert_int_equal(s.cnt, 3);
    assert_string_equal(s.items[0].name, "device CA");
    assert_string_equal(s.items[0].source, "operator");
    assert_int_equal(s.items[0].renew_at_wall_s, 0);
    authorities_clear(&a);
}

static void test_none_and_many(void **state) {
    (void)state;
    struct authorities a;
    struct pki_status s;
    authorities_init(&a);
    keeper_status_fill(&a, 90 * DAY, &s);
    assert_int_equal(s.cnt, 0);
    authorities_sample(&a);
    for (int i = 0; i < AUTHORITIES_ROOTS_MAX; i++) {
        char name[16] = "Root A";
        name[5] = (char)('A' + i);
        char *pem = authorities_sample_pem(name, NOW, NOW + DAY);
        const struct authority_root_info info = {.source = "operator", .until_wall_s = NOW + DAY};
        assert_int_equal(authority_roots_add(&a.former, slice_str(pem), &info, NULL), EDGE_OK);
        free(pem);
    }
    keeper_status_fill(&a, 90 * DAY, &s);
    assert_int_equal(s.cnt, PKI_STATUS_MAX);
    authorities_clear(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quickstart),
        cmocka_unit_test(test_operator),
        cmocka_unit_test(test_none_and_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
