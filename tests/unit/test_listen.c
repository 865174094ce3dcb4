/* SPDX-License-Identifier: MIT */
/*
 * From a listen URI to a socket: by path, by name of an inherited descriptor, by its number.
 */
#include "listen.h"

#include "http/http_socket.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static struct notify_fd items[] = {{.fd = 3, .name = "iotedge.mgmt.socket"},
                                   {.fd = 4, .name = "b"}};
static struct notify_fds two = {.items = items, .cnt = 2};
static struct listen_made made;

static int setup(void **state) {
    (void)state;
    path[0] = '\0';
    fd = -1;
    made = (struct listen_made){0};
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
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "listen.management_uri", &made, NULL),
                     EDGE_OK);
    assert_string_equal(path, "/run/x.sock");
    assert_int_equal(mode, 0660);
    assert_string_equal(made.path, "/run/x.sock");
}

/* With a service manager the socket's descriptor goes to it, and comes back at the next start. */
static void test_kept_path(void **unused) {
    (void)unused;
    struct tmpdir *dir = tmpdir_new();
    char sock[108];
    (void)snprintf(sock, sizeof(sock), "%s", tmpdir_join(dir, "work.sock"));
    const struct config_uri uri = {
        .scheme = CONFIG_SCHEME_UNIX, .text = (char *)"unix://work.sock", .path = sock};
    struct notify_fds none = {0};
    (void)setenv("NOTIFY_SOCKET", tmpdir_join(dir, "nobody"), 1);
    assert_int_equal(listen_open(NULL, &none, &uri, &options, "k", &made, NULL), EDGE_OK);
    assert_string_equal(path, "");
    assert_true(fd >= 0);
    assert_string_equal(made.path, sock);
    struct stat st;
    assert_int_equal(stat(sock, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);

    struct notify_fd kept = {.fd = fd};
    (void)snprintf(kept.name, sizeof(kept.name), "edged-socket.%jx.%jx.%s", (uintmax_t)st.st_dev,
                   (uintmax_t)st.st_ino, sock);
    struct notify_fds one = {.items = &kept, .cnt = 1};
    assert_int_equal(listen_open(NULL, &one, &uri, &options, "k", &made, NULL), EDGE_OK);
    assert_string_equal(made.path, "");
    assert_int_equal(kept.fd, -1);
    answer = EDGE_INVALID;
    kept.fd = fd;
    assert_int_equal(listen_open(NULL, &one, &uri, &options, "k", &made, NULL), EDGE_INVALID);
    (void)close(fd);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unlink(sock);
    tmpdir_free(dir);
}

static void test_inherited(void **unused) {
    (void)unused;
    struct config_uri uri = uri_fd("b", -1);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "k", &made, NULL), EDGE_OK);
    assert_int_equal(fd, 4);
    assert_string_equal(made.path, "");
    uri = uri_fd(NULL, 0);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "k", &made, NULL), EDGE_OK);
    assert_int_equal(fd, 3);
}

/* One that the manager made after the last run is told with its age. */
static void test_inherited_anew(void **unused) {
    (void)unused;
    struct tmpdir *dir = tmpdir_new();
    char sock[108];
    (void)snprintf(sock, sizeof(sock), "%s", tmpdir_join(dir, "work.sock"));
    struct http_socket_file file;
    struct notify_fd item = {.name = "iotedge.socket"};
    assert_int_equal(http_socket_bind(sock, 0660, &item.fd, &file, NULL), EDGE_OK);
    const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    assert_int_equal(utimensat(AT_FDCWD, sock, times, 0), 0);

    struct notify_fd list[2] = {item, {.fd = dup(item.fd)}};
    (void)snprintf(list[1].name, sizeof(list[1].name), "edged-socket.%jx.%jx.%s",
                   (uintmax_t)file.dev, (uintmax_t)file.ino, sock);
    struct notify_fds fds = {list, 1};
    const struct config_uri uri = uri_fd("iotedge.socket", -1);
    assert_int_equal(listen_open(NULL, &fds, &uri, &options, "k", &made, NULL), EDGE_OK);
    assert_int_equal(fd, item.fd);
    assert_string_equal(made.path, sock);
    assert_int_equal(made.wall_s, 1700000000);

    fds.cnt = 2; /* it was there in the last run */
    assert_int_equal(listen_open(NULL, &fds, &uri, &options, "k", &made, NULL), EDGE_OK);
    assert_int_equal(fd, item.fd);
    assert_string_equal(made.path, "");
    assert_int_equal(list[1].fd, -1);
    (void)close(item.fd);
    (void)unlink(sock);
    tmpdir_free(dir);
}

static void test_not_inherited(void **unused) {
    (void)unused;
    struct edge_error err;
    struct config_uri uri = uri_fd("c", -1);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "listen.workload_uri", &made, &err),
                     EDGE_CONFIG);
    assert_non_null(strstr(err.text, "listen.workload_uri is 'fd://x'"));
    assert_non_null(strstr(err.text, "2 passed"));
    uri = uri_fd(NULL, 2);
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "k", &made, NULL), EDGE_CONFIG);
    assert_int_equal(fd, -1);
}

static void test_failures_name_the_setting(void **unused) {
    (void)unused;
    struct edge_error err;
    struct config_uri uri = uri_fd("b", -1);
    answer = EDGE_INVALID;
    assert_int_equal(listen_open(NULL, &two, &uri, &options, "listen.workload_uri", &made, &err),
                     EDGE_INVALID);
    assert_non_null(strstr(err.text, "listen.workload_uri"));
    assert_non_null(strstr(err.text, "not a socket"));
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_path),           T(test_kept_path),     T(test_inherited),
        T(test_inherited_anew), T(test_not_inherited), T(test_failures_name_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
