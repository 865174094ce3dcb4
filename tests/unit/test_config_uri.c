/* SPDX-License-Identifier: MIT */
/* Forms of URIs that are taken and refused. */
#include "config/config_uri.h"

#include "test_config_expect.h"

#include <stdlib.h>
#include <string.h>

#define P100                                                                                       \
    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaa"

static void refused_uri(const char *text, const char *part) {
    struct config_uri uri = {.text = NULL};
    struct edge_error err;
    assert_int_equal(config_uri_parse(slice_str(text), &uri, &err), EDGE_CONFIG);
    assert_null(uri.text);
    if (strstr(err.text, part) == NULL) {
        fail_msg("%s: '%s' does not contain '%s'", text, err.text, part);
    }
}

static void test_unix(void **state) {
    (void)state;
    struct config_uri uri;
    assert_int_equal(config_uri_parse(SLICE_LIT("unix:///run/x%20.sock"), &uri, NULL), EDGE_OK);
    assert_int_equal(uri.scheme, CONFIG_SCHEME_UNIX);
    assert_string_equal(uri.text, "unix:///run/x%20.sock");
    assert_string_equal(uri.path, "/run/x%20.sock");
    assert_null(uri.name);
    assert_int_equal(uri.fd_index, -1);
    config_uri_clear(&uri);
    config_uri_clear(&uri);
    config_uri_clear(NULL);
    assert_int_equal(config_uri_parse(SLICE_LIT("UNIX://" P100 "1234567"), &uri, NULL), EDGE_OK);
    assert_int_equal(strlen(uri.path), CONFIG_UNIX_PATH_MAX);
    config_uri_clear(&uri);
    refused_uri("unix://" P100 "12345678", "longer than 107 bytes");
    refused_uri("unix://run/x.sock", "absolute path");
    refused_uri("unix://", "absolute path");
    refused_uri("unix:///", "names a directory");
    refused_uri("unix:///run/", "names a directory");
    refused_uri("unix:///run/x?y", "no query");
    refused_uri("unix:///run/x#y", "no query");
    refused_uri("unix:/run/x", "//");
}

static void test_fd(void **state) {
    (void)state;
    struct config_uri uri;
    assert_int_equal(config_uri_parse(SLICE_LIT("fd://iotedge.mgmt.socket"), &uri, NULL), EDGE_OK);
    assert_int_equal(uri.scheme, CONFIG_SCHEME_FD);
    assert_string_equal(uri.name, "iotedge.mgmt.socket");
    assert_int_equal(uri.fd_index, -1);
    config_uri_clear(&uri);
    assert_int_equal(config_uri_parse(SLICE_LIT("fd://x/"), &uri, NULL), EDGE_OK);
    assert_string_equal(uri.name, "x");
    config_uri_clear(&uri);
    assert_int_equal(config_uri_parse(SLICE_LIT("fd://12"), &uri, NULL), EDGE_OK);
    assert_null(uri.name);
    assert_int_equal(uri.fd_index, 12);
    config_uri_clear(&uri);
    assert_int_equal(config_uri_parse(SLICE_LIT("fd://0"), &uri, NULL), EDGE_OK);
    assert_int_equal(uri.fd_index, 0);
    config_uri_clear(&uri);
    assert_int_equal(config_uri_parse(SLICE_LIT("fd://1x"), &uri, NULL), EDGE_OK);
    assert_string_equal(uri.name, "1x");
    config_uri_clear(&uri);
    refused_uri("fd://", "name or the number");
    refused_uri("fd:///", "name or the number");
    refused_uri("fd://a/b", "name or the number");
    refused_uri("fd://a:b", "name or the number");
    refused_uri("fd://1024", "above 1023");
    refused_uri("fd://99999999999999999999", "above 1023");
}

static void test_network(void **state) {
    (void)state;
    refused_uri("http://0.0.0.0:15580", "which module is calling");
    refused_uri("https://localhost:1", "which module is calling");
    refused_uri("tcp://127.0.0.1:2375", "which module is calling");
    refused_uri("npipe:////./pipe/x", "scheme is not supported");
}

static void test_no_uri(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "/run/x",
                                        "run",
                                        "://x",
                                        "1x://y",
                                        ":",
                                        "unix",
                                        "unix:// /x",
                                        "unix:///a\tb",
                                        "unix:///\xC3\xA4",
                                        "unix:///a|b",
                                        "unix:///a\\b"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        refused_uri(texts[i], "is no URI");
    }
    struct config_uri uri = {.text = NULL};
    struct slice nul = slice_make("unix:///a\0b", 11);
    assert_int_equal(config_uri_parse(nul, &uri, NULL), EDGE_CONFIG);
}

static void endpoint(const char *text, const char *expected) {
    char *url = NULL;
    struct edge_error err;
    if (config_uri_endpoint(slice_str(text), &url, &err) != EDGE_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_string_equal(url, expected);
    free(url);
}

static void refused_endpoint(const char *text, const char *part) {
    char *url = NULL;
    struct edge_error err;
    assert_int_equal(config_uri_endpoint(slice_str(text), &url, &err), EDGE_CONFIG);
    assert_null(url);
    if (strstr(err.text, part) == NULL) {
        fail_msg("%s: '%s' does not contain '%s'", text, err.text, part);
    }
}

static void test_endpoint(void **state) {
    (void)state;
    endpoint("https://dps.example", "https://dps.example");
    endpoint("https://dps.example/", "https://dps.example");
    endpoint("HTTPS://dps.example:8443/", "HTTPS://dps.example:8443");
    endpoint("https://127.0.0.1:1", "https://127.0.0.1:1");
    endpoint("https://[::1]:8443", "https://[::1]:8443");
    endpoint("https://[fe80::1]", "https://[fe80::1]");
    refused_endpoint("http://dps.example", "must be an https URL");
    refused_endpoint("dps.example", "must be an https URL");
    refused_endpoint("", "must be an https URL");
    refused_endpoint("https:", "must be an https URL");
    refused_endpoint("https:/dps.example", "must be an https URL");
    refused_endpoint("https://", "needs a host name");
    refused_endpoint("https:///", "needs a host name");
    refused_endpoint("https://:443", "needs a host name");
    refused_endpoint("https://dps.example:", "needs a host name");
    refused_endpoint("https://dps.example:0", "needs a host name");
    refused_endpoint("https://dps.example:65536", "needs a host name");
    refused_endpoint("https://dps_example", "needs a host name");
    refused_endpoint("https://dps example", "needs a host name");
    refused_endpoint("https://[::1", "needs a host name");
    refused_endpoint("https://[x]", "needs a host name");
    refused_endpoint("https://[]", "needs a host name");
    refused_endpoint("https://dps.example//", "must end after");
    refused_endpoint("https://dps.example/path", "must end after");
    refused_endpoint("https://dps.example?q", "must end after");
    refused_endpoint("https://dps.example#f", "must end after");
    refused_endpoint("https://user:secret@dps.example", "user name");
    char text[CONFIG_URL_MAX + 2];
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://", 8);
    text[CONFIG_URL_MAX + 1] = '\0';
    refused_endpoint(text, "longer than");
}

static void external(const char *text, const char *expected, bool expected_clear) {
    char *url = NULL;
    bool clear = !expected_clear;
    struct edge_error err;
    if (config_uri_external(slice_str(text), &url, &clear, &err) != EDGE_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_string_equal(url, expected);
    assert_int_equal(clear, expected_clear);
    free(url);
}

static void refused_external(const char *text, const char *part) {
    char *url = NULL;
    bool clear = false;
    struct edge_error err;
    assert_int_equal(config_uri_external(slice_str(text), &url, &clear, &err), EDGE_CONFIG);
    assert_null(url);
    if (strstr(err.text, part) == NULL) {
        fail_msg("%s: '%s' does not contain '%s'", text, err.text, part);
    }
}

static void test_external(void **state) {
    (void)state;
    external("http://localhost:9999", "http://localhost:9999", false);
    external("HTTP://127.0.0.1/", "http://127.0.0.1", false);
    external("http://[::1]:1", "http://[::1]:1", false);
    external("http://provisioner.example", "http://provisioner.example", true);
    external("http://10.0.0.1:80/", "http://10.0.0.1:80", true);
    external("Unix:///run/p.sock", "unix:///run/p.sock", false);
    refused_external("https://localhost:9999", "https is not possible: nothing says which");
    refused_external("fd://x", "must be unix:///PATH or http://HOST:PORT");
    refused_external("localhost:9999", "must be");
    refused_external("http:/localhost", "must be");
    refused_external("http://a b", "must be");
    refused_external("", "must be");
    refused_external("/run/p.sock", "must be");
    refused_external("http://", "needs a host name");
    refused_external("http:///", "needs a host name");
    refused_external("http://h:0", "needs a host name");
    refused_external("http://h:65536", "needs a host name");
    refused_external("http://u:p@h", "user name or password");
    refused_external("http://h/device", "end after host and port");
    refused_external("http://h?x", "end after host and port");
    refused_external("unix://run/p.sock", "absolute path");
    refused_external("unix:///run/", "directory");
    refused_external("unix://" P100 "12345678", "longer than 107 bytes");
}

static void proxy(const char *text, const char *expected) {
    char *url = NULL;
    struct edge_error err;
    if (config_uri_proxy(slice_str(text), &url, &err) != EDGE_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_string_equal(url, expected);
    free(url);
}

static void refused_proxy(const char *text, const char *part) {
    char *url = NULL;
    struct edge_error err;
    assert_int_equal(config_uri_proxy(slice_str(text), &url, &err), EDGE_CONFIG);
    assert_null(url);
    assert_null(strstr(err.text, "S3cr3t"));
    if (strstr(err.text, part) == NULL) {
        fail_msg("%s: '%s' does not contain '%s'", text, err.text, part);
    }
}

static void test_proxy(void **state) {
    (void)state;
    proxy("http://proxy.example:3128", "http://proxy.example:3128");
    proxy("https://proxy/", "https://proxy");
    proxy("http://user@[::1]:1", "http://user@[::1]:1");
    proxy("http://user:p%40ss%2F@10.0.0.1:3128/", "http://user:p%40ss%2F@10.0.0.1:3128");
    refused_proxy("", "http or https URL");
    refused_proxy("proxy:3128", "http or https URL");
    refused_proxy("socks5://proxy", "http or https URL");
    refused_proxy("http://", "needs a host name");
    refused_proxy("http://u:S3cr3t@", "needs a host name");
    refused_proxy("http://u:S3cr3t@x@h", "'@' must be percent-encoded");
    refused_proxy("http://u:S3cr3t/@h", "percent-encoded");
    refused_proxy("http://u:S3cr3t@h/path", "must end after host and port");
    refused_proxy("http://u:S3cr3t @h", "percent-encoded");
    refused_proxy("http://u:S3cr3t@h:99999", "needs a host name");
    refused_proxy("http://" P100 P100 P100 P100 P100 P100, "longer than 512");
}

static void file_uri(const char *text, const char *expected) {
    char *path = NULL;
    struct edge_error err;
    if (config_uri_file(slice_str(text), &path, &err) != EDGE_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_string_equal(path, expected);
    free(path);
}

static void refused_file(const char *text, const char *part) {
    char *path = NULL;
    struct edge_error err;
    assert_int_equal(config_uri_file(slice_str(text), &path, &err), EDGE_CONFIG);
    assert_null(path);
    if (strstr(err.text, part) == NULL) {
        fail_msg("%s: '%s' does not contain '%s'", text, err.text, part);
    }
}

static void test_file(void **state) {
    (void)state;
    file_uri("file:///a/b.pem", "/a/b.pem");
    file_uri("file://localhost/a", "/a");
    file_uri("FILE:/a", "/a");
    file_uri("file:///a%20b%2Fc", "/a b/c");
    file_uri("file:///a b", "/a b");
    refused_file("/a", "must be a file URI");
    refused_file("a/b", "must be a file URI");
    refused_file("", "must be a file URI");
    refused_file("https://h/a", "only file URIs");
    refused_file("file://host/a", "another host");
    refused_file("file://localhost:1/a", "another host");
    refused_file("file:///a?b", "query");
    refused_file("file:///a#b", "fragment");
    refused_file("file://", "absolute path");
    refused_file("file:///", "absolute path");
    refused_file("file:a", "absolute path");
    refused_file("file:///a%2", "cannot be decoded");
    refused_file("file:///a%00b", "cannot be decoded");
}

static void test_path(void **state) {
    (void)state;
    char *path = NULL;
    struct edge_error err;
    assert_int_equal(config_uri_path(SLICE_LIT("/a%20:b"), &path, &err), EDGE_OK);
    assert_string_equal(path, "/a%20:b");
    free(path);
    assert_int_equal(config_uri_path(SLICE_LIT("rel/x"), &path, &err), EDGE_OK);
    assert_string_equal(path, "rel/x");
    free(path);
    assert_int_equal(config_uri_path(SLICE_LIT("file:///x"), &path, &err), EDGE_OK);
    assert_string_equal(path, "/x");
    free(path);
    assert_int_equal(config_uri_path(SLICE_LIT("http://x/y"), &path, &err), EDGE_CONFIG);
    assert_int_equal(config_uri_path(SLICE_LIT(""), &path, &err), EDGE_CONFIG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unix),     cmocka_unit_test(test_fd),
        cmocka_unit_test(test_network),  cmocka_unit_test(test_no_uri),
        cmocka_unit_test(test_endpoint), cmocka_unit_test(test_file),
        cmocka_unit_test(test_path),     cmocka_unit_test(test_external),
        cmocka_unit_test(test_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
