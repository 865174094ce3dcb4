/* SPDX-License-Identifier: MIT */
#include "cloud/reply.h"

#include "support/fake_clock.h"
#include "support/stub_wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static int setup(void **state) {
    (void)state;
    fake_clock_install(NOW);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_clock_remove();
    return 0;
}

static void test_init(void **state) {
    (void)state;
    struct http_client_answer a = {.status = 429,
                                   .body = SLICE_LIT("x"),
                                   .retry_after = SLICE_LIT("7"),
                                   .date = SLICE_LIT("Tue, 14 Nov 2023 22:13:20 GMT"),
                                   .tls_verified = true};
    struct reply r;
    reply_init(&r, &a, NULL, 300000);
    assert_int_equal(r.status, 429);
    assert_true(slice_eq_str(r.body, "x"));
    assert_int_equal(r.retry_after_ms, 7000);
    assert_int_equal(r.now_wall_s, NOW);
    assert_int_equal(r.date_wall_s, NOW);
    a.retry_after = SLICE_LIT("Tue, 14 Nov 2023 22:14:20 GMT");
    reply_init(&r, &a, NULL, 300000);
    assert_int_equal(r.retry_after_ms, 60000);
    reply_init(&r, &a, NULL, 1000);
    assert_int_equal(r.retry_after_ms, 1000);
    a.tls_verified = false;
    reply_init(&r, &a, NULL, 1000);
    assert_int_equal(r.date_wall_s, 0);
    a.tls_verified = true;
    a.date = SLICE_LIT("yesterday");
    reply_init(&r, &a, NULL, 1000);
    assert_int_equal(r.date_wall_s, 0);
}

/* A verified peer's time is told to the clock first, and counts at once. */
static void test_hint(void **state) {
    (void)state;
    struct wall wall = {.takes_hints = true};
    const struct http_client_answer plain = {.status = 200,
                                             .date = SLICE_LIT("Tue, 14 Nov 2023 23:13:20 GMT")};
    struct http_client_answer a = plain;
    struct reply r;
    reply_init(&r, &a, &wall, 300000);
    assert_int_equal(wall.hint_cnt, 0);
    assert_int_equal(r.now_wall_s, NOW);
    a.tls_verified = true;
    a.retry_after = SLICE_LIT("Tue, 14 Nov 2023 23:14:20 GMT");
    reply_init(&r, &a, &wall, 300000);
    assert_int_equal(wall.hint_cnt, 1);
    assert_int_equal(wall.hint_wall_s, NOW + 3600);
    assert_int_equal(r.now_wall_s, NOW + 3600);
    assert_int_equal(r.retry_after_ms, 60000);
    assert_int_equal(reply_skew_s(&r), 0);
}

static void test_parse(void **state) {
    (void)state;
    static const struct {
        const char *type;
        bool is_json;
    } cases[] = {{"", true},
                 {"application/json", true},
                 {"Application/JSON; charset=utf-8", true},
                 {" application/json ;x", true},
                 {"text/json", true},
                 {"application/problem+json", true},
                 {"+json", false},
                 {"text/html", false},
                 {"text/html; a=application/json", false},
                 {"application/jsonp", false}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        struct cJSON *root = NULL;
        struct edge_error err;
        struct reply r = {.body = SLICE_LIT("{}"), .content_type = slice_str(cases[i].type)};
        assert_int_equal(reply_parse(&r, &root, &err), EDGE_OK);
        assert_true(json_is_object(root));
        json_free(root);
        root = NULL;
        r.body = SLICE_LIT("<html>");
        assert_int_equal(reply_parse(&r, &root, &err), EDGE_PARSE);
        assert_null(root);
        assert_int_equal(strstr(edge_error_text(&err), "content type") == NULL, cases[i].is_json);
        r.body = SLICE_LIT("");
        assert_int_equal(reply_parse(&r, &root, &err), EDGE_PARSE);
        assert_null(strstr(edge_error_text(&err), "content type"));
    }
}

static void test_skew(void **state) {
    (void)state;
    struct reply r = {.now_wall_s = NOW};
    char buf[REPLY_HINT_MAX];
    assert_int_equal(reply_skew_s(&r), 0);
    r.date_wall_s = NOW - REPLY_SKEW_MAX_S;
    assert_int_equal(reply_skew_s(&r), 0);
    assert_string_equal(reply_refusal_hint(&r, "other", buf), "other");
    r.date_wall_s = NOW - REPLY_SKEW_MAX_S - 1;
    assert_int_equal(reply_skew_s(&r), 301);
    assert_non_null(strstr(reply_refusal_hint(&r, "other", buf), "301 s ahead of"));
    r.date_wall_s = NOW + 4000;
    assert_int_equal(reply_skew_s(&r), -4000);
    assert_non_null(strstr(reply_refusal_hint(&r, "other", buf), "4000 s behind"));
    r.now_wall_s = INT64_MIN;
    assert_int_equal(reply_skew_s(&r), 0);
}

static void test_error(void **state) {
    (void)state;
    const struct reply r = {.status = 400};
    struct edge_error err;
    assert_int_equal(
        reply_error(&r, EDGE_REMOTE, "DPS", 400208, "No %s hub", &err, "link %s", "one"),
        EDGE_REMOTE);
    assert_string_equal(edge_error_text(&err), "link one; DPS said 400 (400208): 'No %s hub'");
    assert_int_equal(err.domain, EDGE_DOMAIN_HTTP);
    assert_int_equal(err.native, 400);
    assert_int_equal(reply_error(&r, EDGE_RETRY, "hub", 0, "", &err, "again"), EDGE_RETRY);
    assert_string_equal(edge_error_text(&err), "again; hub said 400");
    assert_int_equal(reply_error(&r, EDGE_RETRY, "hub", 0, "", NULL, "again"), EDGE_RETRY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_init, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hint, setup, teardown),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
