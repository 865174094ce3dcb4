/* SPDX-License-Identifier: MIT */
/*
 * From a listen URI to a socket: by path, by name of an inherited descriptor, by its number.
 */
#include "listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static const struct http_listen_options options = {.mode = 0660, .max_conns = 9};

static char path[64];
static int fd;
static mode_t mode;
static enum edge_code answer;

enum edge_code http_server_listen_path(struct http_server *s, const char *at,
                                       const struct http_listen_options *opt,
                                       struct edge_error *err) {
    (void)s;
    (void)snprintf(path, sizeof(path), "%s", at);
    mode = opt->mode;
    return answer == EDGE_OK ? EDGE_OK : edge_set(err, answer, "somebody answers there");
}

enum edge_code http_server_listen_fd(struct http_server *s, int inherited,
                                     const struct http_listen_options *opt,
                                     struct edge_error *err) {
    (void)s;
    (void)opt;
    fd = inherited;
    return answer == EDGE_OK ? EDGE_OK : edge_set(err, answer, "not a socket");
}

static struct listen_fds two = {
    .items = {{.fd = 3, .name = "iotedge.mgmt.socket"}, {.fd = 4, .name = "b"}}, .cnt = 2};

static int setup(void **state) {
    (void)state;
    path[0] = '\0';
    fd = -1;
    answer = EDGE_OK;
    return 0;
}

static struct config_uri uri_fd(const char *name, int index) {
    return (struct config_uri){.scheme = CONFIG_SCHEME_FD,
                               .text = (char *)"fd://x",
                               .name = (char *)name,
                               .fd_index = index};
}

static void test_path(void **unused) {
    (void)unused;
    const struct config_uri uri = {.scheme = CONFIG_SCHEME_UNIX,
                                   .text = (char *)"unix:///run/x.sock",
                                   .path = (char *)"/run/x.sock"};
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "listen.management_uri", NULL),
                     EDGE_OK);
    assert_string_equal(path, "/run/x.sock");
    assert_int_equal(mode, 0660);
}

static void test_inherited(void **unused) {
    (void)unused;
    struct config_uri uri = uri_fd("b", -1);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "k", NULL), EDGE_OK);
    assert_int_equal(fd, 4);
    uri = uri_fd(NULL, 0);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "k", NULL), EDGE_OK);
    assert_int_equal(fd, 3);
}

static void test_not_inherited(void **unused) {
    (void)unused;
    struct edge_error err;
    struct config_uri uri = uri_fd("c", -1);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "listen.workload_uri", &err),
                     EDGE_CONFIG);
    assert_non_null(strstr(err.text, "listen.workload_uri is 'fd://x'"));
    assert_non_null(strstr(err.text, "2 passed"));
    uri = uri_fd(NULL, 2);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "k", NULL), EDGE_CONFIG);
    assert_int_equal(fd, -1);
}

static void test_failures_name_the_setting(void **unused) {
    (void)unused;
    struct edge_error err;
    struct config_uri uri = uri_fd("b", -1);
    answer = EDGE_INVALID;
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "listen.workload_uri", &err),
                     EDGE_INVALID);
    assert_non_null(strstr(err.text, "listen.workload_uri"));
    assert_non_null(strstr(err.text, "not a socket"));
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_path),
        T(test_inherited),
        T(test_not_inherited),
        T(test_failures_name_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
