/* SPDX-License-Identifier: MIT */
#include "http/http_socket.h"

#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct http_socket_file file;
static struct edge_error err;

/* Binds below the test's folder; returns the descriptor or -1. */
static int bind_at(void **state, const char *name, mode_t mode) {
    int fd = -1;
    edge_error_clear(&err);
    enum edge_code code = http_socket_bind(tmpdir_join(*state, name), mode, &fd, &file, &err);
    assert_true((code == EDGE_OK) == (fd >= 0));
    assert_int_equal(code, err.code);
    return fd;
}

static mode_t mode_of(void **state, const char *name) {
    struct stat st;
    assert_int_equal(lstat(tmpdir_join(*state, name), &st), 0);
    return st.st_mode;
}

static bool exists(void **state, const char *name) {
    struct stat st;
    return lstat(tmpdir_join(*state, name), &st) == 0;
}

static void test_modes(void **state) {
    mode_t was = umask(0077);
    int fd = bind_at(state, "a", 0666);
    assert_int_equal(mode_of(state, "a"), S_IFSOCK | 0666);
    (void)close(fd);
    (void)umask(0);
    fd = bind_at(state, "b", 0660);
    assert_int_equal(mode_of(state, "b"), S_IFSOCK | 0660);
    (void)close(fd);
    (void)umask(was);
}

static void test_parents_are_made(void **state) {
    mode_t was = umask(0022);
    int fd = bind_at(state, "x/y/z.sock", 0600);
    assert_true(fd >= 0);
    assert_int_equal(mode_of(state, "x/y"), S_IFDIR | 0755);
    (void)close(fd);
    (void)umask(was);
}

static void test_stale_socket_is_replaced(void **state) {
    int fd = bind_at(state, "s", 0600);
    assert_int_equal(listen(fd, 1), 0);
    (void)close(fd);
    fd = bind_at(state, "s", 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void test_live_socket_is_left_alone(void **state) {
    int fd = bind_at(state, "s", 0600);
    assert_int_equal(listen(fd, 0), 0);
    /* The first attempts fill the queue, the last finds it full: alive all the same. */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bind_at(state, "s", 0600), -1);
        assert_int_equal(err.code, EDGE_CONFLICT);
    }
    assert_true(exists(state, "s"));
    (void)close(fd);
}

static void test_directories(void **state) {
    assert_int_equal(mkdir(tmpdir_join(*state, "d"), 0700), 0);
    int fd = bind_at(state, "d", 0600);
    assert_int_equal(mode_of(state, "d"), S_IFSOCK | 0600);
    (void)close(fd);
    assert_int_equal(mkdir(tmpdir_join(*state, "e"), 0700), 0);
    tmpdir_write(*state, "e/file", "x", 1, 0600);
    assert_int_equal(bind_at(state, "e", 0600), -1);
    assert_int_equal(err.code, EDGE_EXISTS);
    assert_true(exists(state, "e/file"));
}

static void test_other_files_are_left_alone(void **state) {
    tmpdir_write(*state, "f", "x", 1, 0600);
    assert_int_equal(bind_at(state, "f", 0600), -1);
    assert_int_equal(err.code, EDGE_EXISTS);
    assert_int_equal(mode_of(state, "f"), S_IFREG | 0600);
    assert_int_equal(symlink("f", tmpdir_join(*state, "l")), 0);
    assert_int_equal(bind_at(state, "l", 0600), -1);
    assert_int_equal(err.code, EDGE_EXISTS);
    assert_int_equal(bind_at(state, "f/g", 0600), -1);
    assert_int_not_equal(err.code, EDGE_OK);
}

static void test_path_length(void **state) {
    char path[200];
    int fd = -1;
    (void)state;
    assert_int_equal(http_socket_bind("", 0600, &fd, &file, &err), EDGE_RANGE);
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(http_socket_bind(path, 0600, &fd, &file, &err), EDGE_RANGE);
    assert_int_equal(fd, -1);
}

static void test_unlink_only_our_own(void **state) {
    int first = bind_at(state, "u", 0600);
    struct http_socket_file old = file;
    int second = bind_at(state, "v", 0600);
    char from[256];
    (void)snprintf(from, sizeof(from), "%s", tmpdir_join(*state, "v"));
    assert_int_equal(rename(from, tmpdir_join(*state, "u")), 0);
    http_socket_unlink(tmpdir_join(*state, "u"), &old);
    assert_true(exists(state, "u"));
    http_socket_unlink(tmpdir_join(*state, "u"), &file);
    assert_false(exists(state, "u"));
    http_socket_unlink(tmpdir_join(*state, "u"), &file);
    (void)close(first);
    (void)close(second);
}

int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);

/* What a module that has the folder mounted does as soon as a socket is there. */
static const char *planted_over; /* NULL: nothing */

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len) {
    int rc = __real_bind(fd, addr, len);
    if (planted_over != NULL) {
        assert_int_equal(unlink(planted_over), 0);
        assert_int_equal(symlink("victim", planted_over), 0);
    }
    return rc;
}

static void test_a_planted_link_is_not_followed(void **state) {
    char path[256];
    tmpdir_write(*state, "victim", "x", 1, 0600);
    (void)snprintf(path, sizeof(path), "%s", tmpdir_join(*state, "s"));
    planted_over = path;
    assert_int_equal(bind_at(state, "s", 0666), -1);
    planted_over = NULL;
    assert_int_equal(err.code, EDGE_CONFLICT);
    assert_int_equal(mode_of(state, "victim"), S_IFREG | 0600);
    assert_true(exists(state, "s"));
}

static void test_restore(void **state) {
    const char *path;
    int fd = bind_at(state, "s", 0666);
    struct http_socket_file mine = file;
    (void)close(bind_at(state, "t", 0600));
    path = tmpdir_join(*state, "s");
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(http_socket_restore(path, &file, 0666, &err), EDGE_CONFLICT);
    assert_int_equal(mode_of(state, "s"), S_IFSOCK);
    path = tmpdir_join(*state, "s");
    assert_int_equal(http_socket_restore(path, &mine, 0666, &err), EDGE_OK);
    assert_int_equal(mode_of(state, "s"), S_IFSOCK | 0666);
    path = tmpdir_join(*state, "none");
    assert_int_equal(http_socket_restore(path, &mine, 0666, &err), EDGE_NOT_FOUND);
    (void)close(fd);
}

static void test_check(void **state) {
    int fd = bind_at(state, "s", 0600);
    assert_int_equal(http_socket_check(fd, &err), EDGE_INVALID);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(http_socket_check(fd, &err), EDGE_OK);
    (void)close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(http_socket_check(fd, &err), EDGE_INVALID);
    (void)close(fd);
    assert_int_equal(http_socket_check(fd, &err), EDGE_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_modes),
        TEST(test_parents_are_made),
        TEST(test_stale_socket_is_replaced),
        TEST(test_live_socket_is_left_alone),
        TEST(test_directories),
        TEST(test_other_files_are_left_alone),
        TEST(test_path_length),
        TEST(test_unlink_only_our_own),
        TEST(test_a_planted_link_is_not_followed),
        TEST(test_restore),
        TEST(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
