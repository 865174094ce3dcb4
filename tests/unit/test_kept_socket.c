/* SPDX-License-Identifier: MIT */
/*
 * Sockets that outlive the daemon: what is given to the manager, what is taken back, and what is
 * not since it is another file by now.
 */
#include "kept_socket.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STORE_MAX 8

/* The manager. */
static struct notify_fd store[STORE_MAX];
static size_t store_cnt;

static struct tmpdir *dir;
static char path[108];

void notify_store_fd(int fd, const char *name) {
    if (name[0] != '\0') {
        assert_true(store_cnt < STORE_MAX);
        store[store_cnt].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        (void)snprintf(store[store_cnt].name, sizeof(store[0].name), "%s", name);
        store_cnt++;
    }
}

void notify_remove_fd(const char *name) {
    for (size_t i = 0; i < store_cnt; i++) {
        if (strcmp(store[i].name, name) == 0) {
            (void)close(store[i].fd);
            store[i] = store[--store_cnt];
            return;
        }
    }
}

static int setup(void **state) {
    (void)state;
    store_cnt = 0;
    dir = tmpdir_new();
    (void)snprintf(path, sizeof(path), "%s", tmpdir_join(dir, "a/m.sock"));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    while (store_cnt > 0) {
        notify_remove_fd(store[0].name);
    }
    tmpdir_free(dir);
    return 0;
}

static struct kept_socket must_open(struct notify_fds *fds) {
    struct kept_socket kept = {.fd = -1};
    assert_int_equal(kept_socket_open(fds, path, 0666, &kept, NULL), EDGE_OK);
    assert_true(kept.fd >= 0);
    assert_true(http_socket_is_there(path, &kept.file));
    return kept;
}

static bool answers(void) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    memcpy(addr.sun_path, path, sizeof(path));
    bool good = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
    (void)close(fd);
    return good;
}

static void test_comes_back(void **state) {
    struct notify_fds none = {0};
    struct stat st;
    (void)state;
    struct kept_socket first = must_open(&none);
    assert_true(first.made);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_int_equal(store_cnt, 1);
    (void)close(first.fd);
    assert_true(answers());              /* to be served by the next run */
    assert_int_equal(chmod(path, 0), 0); /* by a container */

    struct notify_fd list[2] = {{.fd = 99, .name = "iotedge.socket"}, store[0]};
    struct notify_fds fds = {list, 2};
    store_cnt = 0;
    const int kept_fd = list[1].fd;
    struct kept_socket second = must_open(&fds);
    assert_true(!second.made && second.fd == kept_fd);
    assert_int_equal(list[1].fd, -1);
    assert_int_equal(second.file.ino, first.file.ino);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    kept_socket_drop_rest(&fds); /* what is another's stays */
    assert_int_equal(list[0].fd, 99);
    assert_true(answers());
    kept_socket_remove(path, &second.file);
    assert_false(http_socket_is_there(path, &second.file));
    (void)close(second.fd);
}

/* One that the manager itself made: known from the second run on, until it makes another one. */
static void test_inherited(void **state) {
    struct notify_fds none = {0};
    (void)state;
    struct kept_socket own = must_open(&none); /* stands for the manager's */
    notify_remove_fd(store[0].name);
    assert_false(kept_socket_is_known(&none, path, own.fd));
    assert_int_equal(store_cnt, 1);

    struct notify_fd item = store[0];
    struct notify_fds fds = {&item, 1};
    assert_true(kept_socket_is_known(&fds, path, own.fd));
    assert_int_equal(item.fd, -1);
    assert_int_equal(store_cnt, 1);
    assert_true(answers());

    item.fd = fcntl(own.fd, F_DUPFD_CLOEXEC, 0);
    (void)snprintf(item.name, sizeof(item.name), "%s", store[0].name);
    store_cnt = 0;
    assert_int_equal(unlink(path), 0);
    struct kept_socket second = must_open(&none);
    notify_remove_fd(store[0].name);
    assert_false(kept_socket_is_known(&fds, path, second.fd));
    kept_socket_drop_rest(&fds);
    assert_int_equal(item.fd, -1);
    assert_int_equal(store_cnt, 1);
    (void)close(own.fd);
    (void)close(second.fd);
}

/* Somebody removed the file, or put another one in its place: nobody can have that mounted. */
static void test_another_file(void **state) {
    struct notify_fds none = {0};
    (void)state;
    struct kept_socket first = must_open(&none);
    (void)close(first.fd);
    assert_int_equal(unlink(path), 0);
    struct notify_fd list[1] = {store[0]};
    struct notify_fds fds = {list, 1};
    assert_false(http_socket_is_there(path, &first.file));
    int other = open(path, O_CREAT | O_WRONLY, 0600);
    struct kept_socket kept;
    struct edge_error err;
    assert_int_equal(kept_socket_open(&fds, path, 0666, &kept, &err), EDGE_EXISTS);
    (void)close(other);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0); /* the engine's, for a mount without source */
    struct kept_socket second = must_open(&fds);
    assert_true(second.made);
    assert_int_equal(store_cnt, 2);
    kept_socket_drop_rest(&fds);
    assert_int_equal(list[0].fd, -1);
    assert_int_equal(store_cnt, 1);
    kept_socket_remove(path, &second.file);
    assert_int_equal(store_cnt, 0);
    (void)close(second.fd);
}

/* The manager refuses names of more than 255 bytes; no socket has such a path. */
static void test_long_path(void **state) {
    struct notify_fds none = {0};
    struct kept_socket kept;
    struct edge_error err;
    char text[300];
    (void)state;
    memset(text, 'p', sizeof(text));
    text[0] = '/';
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(kept_socket_open(&none, text, 0666, &kept, &err), EDGE_RANGE);
    const struct http_socket_file file = {1, 2};
    kept_socket_remove(text, &file);
    assert_int_equal(store_cnt, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_comes_back),
        T(test_inherited),
        T(test_another_file),
        T(test_long_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
