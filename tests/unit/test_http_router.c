/* SPDX-License-Identifier: MIT */
#include "http/http_router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void handler(struct http_exchange *x) {
    (void)x;
}

static const struct http_route routes[] = {
    {"GET", "/modules", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 0, handler},
    {"PUT", "/modules", "2019-01-30", HTTP_POLICY_ANONYMOUS, 0, 0, 0, handler},
    {"GET", "/modules/{name}", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 0, handler},
    {"GET", "/modules/{name}/logs", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 0, handler},
    {"POST", "/modules/{name}/genid/{genid}/sign", "2018-06-28", HTTP_POLICY_CALLER, 0, 0, 0,
     handler},
    {"GET", "/new", "2022-08-03", HTTP_POLICY_ANONYMOUS, 0, 0, 0, handler},
    {"GET", "/a/{1}/{2}/{3}/{4}", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 0, handler},
};

static struct http_match match;
static struct edge_error err;

static enum edge_code find(const char *method, const char *target) {
    edge_error_clear(&err);
    return http_router_match(routes, EDGE_ARRAY_LEN(routes), slice_str(method), slice_str(target),
                             &match, &err);
}

#define V "?api-version=2018-06-28"

/* Index of the matching route, or -1. */
static int route(const char *method, const char *target) {
    return find(method, target) == EDGE_OK ? (int)(match.route - routes) : -1;
}

static void test_paths(void **state) {
    (void)state;
    assert_int_equal(route("GET", "/modules" V), 0);
    assert_int_equal(route("GET", "/modules/" V), 0);
    assert_int_equal(route("GET", "/modules//" V), -1);
    assert_int_equal(route("GET", "//modules" V), -1);
    assert_int_equal(route("GET", "/module" V), -1);
    assert_int_equal(route("GET", "/modulesx" V), -1);
    assert_int_equal(route("GET", "/%6dodules" V), -1);
    assert_int_equal(route("GET", "/Modules" V), -1);
    assert_int_equal(route("get", "/modules" V), -1);
    assert_int_equal(route("GET", "/modules/x" V), 2);
    assert_int_equal(route("GET", "/modules/x/" V), 2);
    assert_int_equal(route("GET", "/modules/x/logs" V), 3);
    assert_int_equal(route("GET", "/modules//logs" V), -1);
    assert_int_equal(route("GET", "/modules/x/y" V), -1);
    assert_int_equal(route("POST", "/modules/x/genid/y/sign" V), 4);
    assert_int_equal(route("POST", "/modules/x/genid//sign" V), -1);
    assert_int_equal(route("POST", "/modules/x/genid/y/sign/more" V), -1);
    assert_int_equal(route("GET", "/" V), -1);
    assert_int_equal(err.code, EDGE_NOT_FOUND);
    assert_string_equal(err.text, "not found");
}

static void check_param(size_t index, const char *want) {
    assert_int_equal(match.param_lens[index], strlen(want));
    assert_string_equal(match.params[index], want);
}

static void test_parameters(void **state) {
    (void)state;
    assert_int_equal(route("POST", "/modules/%24edgeHub/genid/6%2F7+8/sign" V), 4);
    assert_int_equal(match.param_cnt, 2);
    check_param(0, "$edgeHub");
    check_param(1, "6/7+8");
    assert_int_equal(route("GET", "/modules/$edgeHub" V), 2);
    check_param(0, "$edgeHub");
    assert_int_equal(route("GET", "/modules/%2524" V), 2);
    check_param(0, "%24");
    assert_int_equal(route("GET", "/modules/%C3%A9" V), 2);
    check_param(0, "\303\251");
    /* Not UTF-8, cut short, not hexadecimal, or with a NUL: as it was sent. */
    assert_int_equal(route("GET", "/modules/a%ff" V), 2);
    check_param(0, "a%ff");
    assert_int_equal(route("GET", "/modules/a%" V), 2);
    check_param(0, "a%");
    assert_int_equal(route("GET", "/modules/a%4" V), 2);
    check_param(0, "a%4");
    assert_int_equal(route("GET", "/modules/%g4%4g" V), 2);
    check_param(0, "%g4%4g");
    assert_int_equal(route("GET", "/modules/a%00b" V), 2);
    check_param(0, "a%00b");
    assert_int_equal(route("GET", "/a/1/2/3/4" V), 6);
    check_param(3, "4");
}

static void test_long_parameters(void **state) {
    (void)state;
    char target[4096];
    char name[HTTP_PARAM_LEN_MAX * 3 + 4];
    static const struct {
        const char *unit;
        size_t cnt;
        enum edge_code code;
    } table[] = {
        {"a", HTTP_PARAM_LEN_MAX, EDGE_OK},       {"a", HTTP_PARAM_LEN_MAX + 1, EDGE_RANGE},
        {"%41", HTTP_PARAM_LEN_MAX, EDGE_OK},     {"%41", HTTP_PARAM_LEN_MAX + 1, EDGE_RANGE},
        {"%ff", HTTP_PARAM_LEN_MAX / 3, EDGE_OK}, {"%ff", HTTP_PARAM_LEN_MAX / 3 + 1, EDGE_RANGE},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        size_t unit = strlen(table[i].unit), len = 0;
        for (size_t n = 0; n < table[i].cnt; n++) {
            memcpy(name + len, table[i].unit, unit);
            len += unit;
        }
        name[len] = '\0';
        (void)snprintf(target, sizeof(target), "/modules/%s" V, name);
        assert_int_equal(find("GET", target), table[i].code);
        /* Too long for a parameter is no reason to hide that there is no such route. */
        (void)snprintf(target, sizeof(target), "/modules/%s/x" V, name);
        assert_int_equal(find("GET", target), EDGE_NOT_FOUND);
    }
}

static void test_versions(void **state) {
    (void)state;
    char target[64];
    for (size_t i = 0; i < http_api_version_cnt; i++) {
        (void)snprintf(target, sizeof(target), "/modules?api-version=%s", http_api_versions[i]);
        assert_int_equal(route("GET", target), 0);
        assert_string_equal(match.version, http_api_versions[i]);
        assert_int_equal(route("PUT", target), i >= 1 ? 1 : -1);
        assert_true(i == 0 || strcmp(http_api_versions[i - 1], http_api_versions[i]) < 0);
    }
    assert_int_equal(http_api_version_cnt, 7);
    assert_int_equal(find("GET", "/new?api-version=2021-12-07"), EDGE_NOT_FOUND);
    assert_int_equal(route("GET", "/new?api-version=2022-08-03"), 5);
    assert_int_equal(route("GET", "/modules?a=b&api-version=2018-06-28"), 0);
    assert_int_equal(route("GET", "/modules?api-version=2018-06-28&api-version=x"), 0);
    assert_int_equal(route("GET", "/modules?api%2Dversion=2018%2D06-28"), 0);
    assert_int_equal(route("GET", "/modules?&&=&api-version=2018-06-28"), 0);
}

static void test_bad_versions(void **state) {
    (void)state;
    static const struct {
        const char *query;
        const char *text;
    } table[] = {
        {"", "Invalid API version \"\""},
        {"?", "Invalid API version \"\""},
        {"?api-version", "Invalid API version \"\""},
        {"?api-version=", "Invalid API version \"\""},
        {"?API-version=2018-06-28", "Invalid API version \"\""},
        {"?api-version=2021-05-11", "Invalid API version \"2021-05-11\""},
        {"?api-version=x&api-version=2018-06-28", "Invalid API version \"x\""},
        {"?api-version=2018-06-28%20", "Invalid API version \"2018-06-28 \""},
        {"?api-version=2018-06-28+", "Invalid API version \"2018-06-28 \""},
        {"?api-version=2018-06-28/", "Invalid API version \"2018-06-28/\""},
        {"?api-version=2018-06-28%00", "Invalid API version \"2018-06-28\""},
    };
    char target[128];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        /* Before the route is looked for. */
        (void)snprintf(target, sizeof(target), "/nothing%s", table[i].query);
        assert_int_equal(find("GET", target), EDGE_INVALID);
        assert_string_equal(err.text, table[i].text);
    }
    /* A long one is not told back whole. */
    (void)snprintf(target, sizeof(target), "/nothing?api-version=%0100d", 1);
    assert_int_equal(find("GET", target), EDGE_INVALID);
    assert_int_equal(strlen(err.text), strlen("Invalid API version \"\"") + 64);
}

static void test_long_query(void **state) {
    (void)state;
    char target[HTTP_QUERY_LEN_MAX + 64];
    int len = snprintf(target, sizeof(target), "/modules" V "&x=");
    size_t query = (size_t)len - strlen("/modules?");
    memset(target + len, 'a', HTTP_QUERY_LEN_MAX - query + 1);
    target[(size_t)len + HTTP_QUERY_LEN_MAX - query] = '\0';
    assert_int_equal(route("GET", target), 0);
    target[(size_t)len + HTTP_QUERY_LEN_MAX - query] = 'a';
    target[(size_t)len + HTTP_QUERY_LEN_MAX - query + 1] = '\0';
    assert_int_equal(find("GET", target), EDGE_RANGE);
}

static bool query(const char *target, const char *name, struct buf *out) {
    buf_reset(out);
    return http_query_get(slice_str(target), name, out);
}

static void test_query(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 8);
    assert_true(query("/x?a=1&b=%32+3&c&b=4", "b", &out));
    assert_true(slice_eq_str(buf_slice(&out), "2 3"));
    assert_true(query("/x?a=1&b=%32+3&c&b=4", "c", &out));
    assert_int_equal(out.len, 0);
    assert_true(query("/x?a=1=2", "a", &out));
    assert_true(slice_eq_str(buf_slice(&out), "1=2"));
    assert_false(query("/x?a=1", "b", &out));
    assert_false(query("/x", "b", &out));
    assert_false(query("/x?b=%3", "b", &out));
    assert_false(query("/x?b=123456789", "b", &out));
    assert_int_equal(out.len, 0);
    /* A name longer than any of ours is no match, and no overflow. */
    assert_false(
        query("/x?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1", "a",
              &out));
    buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),           cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_long_parameters), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_bad_versions),    cmocka_unit_test(test_long_query),
        cmocka_unit_test(test_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
