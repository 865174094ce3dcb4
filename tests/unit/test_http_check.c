/* SPDX-License-Identifier: MIT */
/*
 * What may be sent.
 */
#include "loop/http_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void on_done(void *data, const struct http_client_answer *answer) {
    (void)data;
    (void)answer;
}

static struct http_client_request request(const char *method, const char *url, const char *path) {
    return (struct http_client_request){
        .method = method, .url = url, .unix_path = path, .on_done = on_done};
}

static enum edge_code check(const char *method, const char *url, const char *path) {
    struct http_client_request req = request(method, url, path);
    return http_check_request(&req, NULL);
}

static void test_addresses(void **state) {
    (void)state;
    static const struct {
        const char *url;
        const char *path;
        enum edge_code code;
    } rows[] = {
        {"https://hub.example/devices/d?api-version=1", NULL, EDGE_OK},
        {"https://hub.example:8443", NULL, EDGE_OK},
        {"https://[::1]:8443/x@y", NULL, EDGE_OK},
        {"http://localhost/v1.41/info", "/run/docker.sock", EDGE_OK},
        {"http://hub.example/", NULL, EDGE_INVALID},
        {"HTTPS://hub.example/", NULL, EDGE_INVALID},
        {"ftp://hub.example/", NULL, EDGE_INVALID},
        {"file:///etc/shadow", NULL, EDGE_INVALID},
        {"hub.example", NULL, EDGE_INVALID},
        {"https://", NULL, EDGE_INVALID},
        {"https:///path", NULL, EDGE_INVALID},
        {"https://?q", NULL, EDGE_INVALID},
        {"https://user:pw@hub.example/", NULL, EDGE_INVALID},
        {"https://good.example\\@evil.example/", NULL, EDGE_INVALID},
        {"https://good.example\\.evil.example/", NULL, EDGE_INVALID},
        {"https://hub.example/a b", NULL, EDGE_INVALID},
        {"https://hub.example/a\r\nX: y", NULL, EDGE_INVALID},
        {"https://hub.ex\xc3\xa4mple/", NULL, EDGE_INVALID},
        {"https://localhost/", "/run/docker.sock", EDGE_INVALID},
        {"http://localhost/", "", EDGE_INVALID},
        {NULL, NULL, EDGE_INVALID},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(check("GET", rows[i].url, rows[i].path), rows[i].code);
    }
}

static void test_plain_http(void **state) {
    (void)state;
    static const struct {
        const char *url;
        enum edge_code code;
    } rows[] = {
        {"http://10.0.0.1:8080/device", EDGE_OK},
        {"https://hub.example/", EDGE_OK},
        {"http://", EDGE_INVALID},
        {"http://user:pw@host/", EDGE_INVALID},
        {"ftp://host/", EDGE_INVALID},
        {"HTTP://host/", EDGE_INVALID},
        {"http://good\\@evil/", EDGE_INVALID},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct http_client_request req = request("GET", rows[i].url, NULL);
        req.plain_http = true;
        assert_int_equal(http_check_request(&req, NULL), rows[i].code);
    }
    struct http_client_request req = request("GET", "https://localhost/", "/run/docker.sock");
    req.plain_http = true;
    assert_int_equal(http_check_request(&req, NULL), EDGE_INVALID);
}

static void test_identities(void **state) {
    (void)state;
    static const char bytes[HTTP_CLIENT_IDENTITY_MAX + 1];
    static const struct {
        const char *url;
        const char *path;
        size_t cert_len;
        size_t key_len;
        enum edge_code code;
    } rows[] = {
        {"https://h/", NULL, 1, 1, EDGE_OK},
        {"https://h/", NULL, HTTP_CLIENT_IDENTITY_MAX, HTTP_CLIENT_IDENTITY_MAX, EDGE_OK},
        {"https://h/", NULL, HTTP_CLIENT_IDENTITY_MAX + 1, 1, EDGE_INVALID},
        {"https://h/", NULL, 1, HTTP_CLIENT_IDENTITY_MAX + 1, EDGE_INVALID},
        {"https://h/", NULL, 0, 1, EDGE_INVALID},
        {"https://h/", NULL, 1, 0, EDGE_INVALID},
        {"http://h/", NULL, 1, 1, EDGE_INVALID},
        {"http://h/", "/run/docker.sock", 1, 1, EDGE_INVALID},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct http_client_request req = request("GET", rows[i].url, rows[i].path);
        const struct http_client_identity id = {slice_make(bytes, rows[i].cert_len),
                                                slice_make(bytes, rows[i].key_len)};
        req.plain_http = true;
        req.identity = &id;
        assert_int_equal(http_check_request(&req, NULL), rows[i].code);
    }
}

static void test_lengths(void **state) {
    (void)state;
    char url[HTTP_CHECK_URL_MAX + 2];
    memset(url, 'x', sizeof(url));
    memcpy(url, "https://", 8);
    url[HTTP_CHECK_URL_MAX] = '\0';
    assert_int_equal(check("GET", url, NULL), EDGE_OK);
    url[HTTP_CHECK_URL_MAX] = 'x';
    url[HTTP_CHECK_URL_MAX + 1] = '\0';
    assert_int_equal(check("GET", url, NULL), EDGE_INVALID);
    char path[109];
    memset(path, 'p', sizeof(path));
    path[107] = '\0';
    assert_int_equal(check("GET", "http://localhost/", path), EDGE_OK);
    path[107] = 'p';
    path[108] = '\0';
    assert_int_equal(check("GET", "http://localhost/", path), EDGE_INVALID);
}

static void test_methods(void **state) {
    (void)state;
    assert_int_equal(check("PATCH", "https://h/", NULL), EDGE_OK);
    assert_int_equal(check("", "https://h/", NULL), EDGE_INVALID);
    assert_int_equal(check(NULL, "https://h/", NULL), EDGE_INVALID);
    assert_int_equal(check("GET /x", "https://h/", NULL), EDGE_INVALID);
    assert_int_equal(check("GET\r\n", "https://h/", NULL), EDGE_INVALID);
    assert_int_equal(check("ABCDEFGHIJKLMNOPQ", "https://h/", NULL), EDGE_INVALID);
}

static void test_headers(void **state) {
    (void)state;
    static const struct {
        struct http_client_header header;
        enum edge_code code;
    } rows[] = {
        {{"If-Match", "\"etag\""}, EDGE_OK}, {{"X-Empty", ""}, EDGE_OK},
        {{"X-Null", NULL}, EDGE_OK},         {{"X-Tab", "a\tb"}, EDGE_OK},
        {{"", "x"}, EDGE_INVALID},           {{NULL, "x"}, EDGE_INVALID},
        {{"A B", "x"}, EDGE_INVALID},        {{"A:", "x"}, EDGE_INVALID},
        {{"A;", "x"}, EDGE_INVALID},         {{"A", "secret\r\nB: y"}, EDGE_INVALID},
        {{"A", "secret\n"}, EDGE_INVALID},   {{"A", "\x7f"}, EDGE_INVALID},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct http_client_request req = request("GET", "https://h/", NULL);
        struct edge_error err = {0};
        req.headers = &rows[i].header;
        req.header_cnt = 1;
        assert_int_equal(http_check_request(&req, &err), rows[i].code);
        assert_null(strstr(err.text, "secret"));
    }
    static char big[HTTP_CLIENT_HEADERS_MAX + 1];
    memset(big, 'v', sizeof(big) - 1);
    struct http_client_header header = {"A", big};
    struct http_client_request req = request("GET", "https://h/", NULL);
    req.headers = &header;
    req.header_cnt = 1;
    assert_int_equal(http_check_request(&req, NULL), EDGE_INVALID);
    req = request("GET", "https://h/", NULL);
    req.on_done = NULL;
    assert_int_equal(http_check_request(&req, NULL), EDGE_INVALID);
}

static void test_hosts(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"https://hub.example/x:y", NULL, "hub.example"},
        {"https://hub.example:8443/", NULL, "hub.example"},
        {"https://hub.example?q", NULL, "hub.example"},
        {"https://[::1]/", NULL, "[::1]"},
        {"https://[::1]:443/", NULL, "[::1]"},
        {"http://localhost/", "/run/docker.sock", "/run/docker.sock"},
    };
    char host[HTTP_CHECK_HOST_MAX];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct http_client_request req = request("GET", rows[i][0], rows[i][1]);
        http_check_host(&req, host);
        assert_string_equal(host, rows[i][2]);
    }
    char url[1024];
    (void)snprintf(url, sizeof(url), "https://%0500d/", 0);
    struct http_client_request req = request("GET", url, NULL);
    http_check_host(&req, host);
    assert_int_equal(strlen(host), HTTP_CHECK_HOST_MAX - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),  cmocka_unit_test(test_plain_http),
        cmocka_unit_test(test_identities), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_methods),    cmocka_unit_test(test_headers),
        cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
