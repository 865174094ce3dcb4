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
        bool is_change_of_store =
            strcmp(r->path, "/edged/seal") == 0 && strcmp(r->method, "GET") != 0;
        assert_int_equal(r->policy == HTTP_POLICY_HOST, ours && !is_change_of_store);
        assert_int_equal(r->policy == HTTP_POLICY_OWNER, is_change_of_store);
        assert_true(r->deadline_ms > 0);
    }
    assert_int_equal(find("POST", "/device/reprovision")->policy, HTTP_POLICY_EDGE_AGENT);
    for (size_t i = 0; i < api_workload_route_cnt; i++) {
        assert_true(api_workload_routes[i].policy != HTTP_POLICY_HOST);
        assert_true(api_workload_routes[i].policy != HTTP_POLICY_OWNER);
    }
}

/* Exactly the routes of the original, each from its first api-version on. */
static void test_workload(void **state) {
    (void)state;
    static const struct {
        const char *method;
        const char *path;
        enum http_policy policy;
        bool sensitive;
        http_handler_fn *handler;
    } want[] = {
        {"POST", "/modules/{name}/genid/{genid}/sign", HTTP_POLICY_CALLER, true, workload_sign},
        {"POST", "/modules/{name}/genid/{genid}/encrypt", HTTP_POLICY_CALLER, true,
         workload_encrypt},
        {"POST", "/modules/{name}/genid/{genid}/decrypt", HTTP_POLICY_CALLER, true,
         workload_decrypt},
        {"POST", "/modules/{name}/genid/{genid}/certificate/server", HTTP_POLICY_CALLER, true,
         workload_server_cert},
        {"POST", "/modules/{name}/certificate/identity", HTTP_POLICY_CALLER, true,
         workload_identity_cert},
        {"GET", "/trust-bundle", HTTP_POLICY_ANONYMOUS, false, workload_trust_bundle},
        {"GET", "/manifest-trust-bundle", HTTP_POLICY_ANONYMOUS, false,
         workload_manifest_trust_bundle},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(want); i++) {
        const struct http_route *r = NULL;
        for (size_t j = 0; j < api_workload_route_cnt && r == NULL; j++) {
            if (api_workload_routes[j].handler == want[i].handler) {
                r = &api_workload_routes[j];
            }
        }
        assert_non_null(r);
        assert_string_equal(r->method, want[i].method);
        assert_string_equal(r->path, want[i].path);
        assert_string_equal(r->min_version, http_api_versions[0]);
        assert_int_equal(r->policy, want[i].policy);
        assert_int_equal((r->flags & HTTP_ROUTE_SENSITIVE) != 0, want[i].sensitive);
        assert_int_equal(r->body_max > 0, strcmp(r->method, "POST") == 0);
        /* The C SDK gives up after 60 s. */
        assert_true(r->deadline_ms > 0 && r->deadline_ms < 60000);
    }
}

/* Whoever opens the socket may start and stop, as ever; only edgeAgent changes what there is. */
static void test_modules(void **state) {
    static const struct {
        const char *method, *path;
        enum http_policy policy;
        http_handler_fn *handler;
    } want[] = {
        {"GET", "/modules", HTTP_POLICY_ANONYMOUS, mgmt_modules_list},
        {"GET", "/modules/{name}", HTTP_POLICY_ANONYMOUS, mgmt_modules_get},
        {"POST", "/modules", HTTP_POLICY_EDGE_AGENT, mgmt_modules_create},
        {"PUT", "/modules/{name}", HTTP_POLICY_EDGE_AGENT, mgmt_modules_update},
        {"DELETE", "/modules/{name}", HTTP_POLICY_EDGE_AGENT, mgmt_modules_delete},
        {"POST", "/modules/{name}/start", HTTP_POLICY_CONTROL, mgmt_modules_start},
        {"POST", "/modules/{name}/stop", HTTP_POLICY_CONTROL, mgmt_modules_stop},
        {"POST", "/modules/{name}/restart", HTTP_POLICY_CONTROL, mgmt_modules_restart},
        {"GET", "/modules/{name}/logs", HTTP_POLICY_CONTROL, mgmt_modules_logs},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(want); i++) {
        const struct http_route *r = find(want[i].method, want[i].path);
        assert_int_equal(r->policy, want[i].policy);
        assert_ptr_equal(r->handler, want[i].handler);
        assert_string_equal(r->min_version, http_api_versions[0]);
    }
    const struct http_route *prepare = find("POST", "/modules/{name}/prepareupdate");
    assert_int_equal(prepare->policy, HTTP_POLICY_EDGE_AGENT);
    assert_ptr_equal(prepare->handler, mgmt_modules_prepare_update);
    assert_string_equal(prepare->min_version, "2019-01-30");
}

static void test_system(void **state) {
    (void)state;
    static const struct {
        const char *path, *min_version;
        http_handler_fn *handler;
    } want[] = {
        {"/systeminfo", "2018-06-28", mgmt_system_info},
        {"/systeminfo/resources", "2019-11-05", mgmt_system_resources},
        {"/systeminfo/supportbundle", "2020-07-07", mgmt_support_bundle},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(want); i++) {
        const struct http_route *r = find("GET", want[i].path);
        assert_int_equal(r->policy, HTTP_POLICY_ANONYMOUS);
        assert_ptr_equal(r->handler, want[i].handler);
        assert_string_equal(r->min_version, want[i].min_version);
    }
}

static void test_secrets(void **state) {
    (void)state;
    assert_true(find("POST", "/edged/key")->flags & HTTP_ROUTE_SENSITIVE);
    assert_true(find("POST", "/modules")->flags & HTTP_ROUTE_SENSITIVE); /* registry passwords */
    assert_true(find("PUT", "/modules/{name}")->flags & HTTP_ROUTE_SENSITIVE);
    assert_true(find("POST", "/modules/{name}/prepareupdate")->flags & HTTP_ROUTE_SENSITIVE);
    assert_true(find("POST", "/edged/token")->flags & HTTP_ROUTE_SENSITIVE);
    assert_true(api_workload_routes[0].flags & HTTP_ROUTE_SENSITIVE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies), cmocka_unit_test(test_workload),
        cmocka_unit_test(test_modules),  cmocka_unit_test(test_system),
        cmocka_unit_test(test_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
