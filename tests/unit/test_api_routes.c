/* SPDX-License-Identifier: MIT */
/*
 * The tables: who may call what, and what carries secrets.
 */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static const struct http_route *find(const char *method, const char *path) {
    for (size_t i = 0; i < api_mgmt_route_cnt; i++) {
        if (strcmp(api_mgmt_routes[i].method, method) == 0 &&
            strcmp(api_mgmt_routes[i].path, path) == 0) {
            return &api_mgmt_routes[i];
        }
    }
    fail_msg("no route %s %s", method, path);
    return NULL;
}

static void test_policies(void **state) {
    (void)state;
    for (size_t i = 0; i < api_mgmt_route_cnt; i++) {
        const struct http_route *r = &api_mgmt_routes[i];
        bool ours = strncmp(r->path, "/edged/", 7) == 0;
        assert_int_equal(r->policy == HTTP_POLICY_HOST, ours);
        assert_true(r->deadline_ms > 0);
    }
    assert_int_equal(find("POST", "/device/reprovision")->policy, HTTP_POLICY_EDGE_AGENT);
    for (size_t i = 0; i < api_workload_route_cnt; i++) {
        assert_true(api_workload_routes[i].policy != HTTP_POLICY_HOST);
    }
}

static void test_secrets(void **state) {
    (void)state;
    assert_true(find("POST", "/edged/key")->flags & HTTP_ROUTE_SENSITIVE);
    assert_true(find("POST", "/edged/token")->flags & HTTP_ROUTE_SENSITIVE);
    assert_true(api_workload_routes[0].flags & HTTP_ROUTE_SENSITIVE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
