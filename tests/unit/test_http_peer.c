/* SPDX-License-Identifier: MIT */
#include "http/http_peer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SO_PEERPIDFD_NUMBER 77

static bool no_pidfd;

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/* An older kernel. */
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
    if (no_pidfd && name == SO_PEERPIDFD_NUMBER) {
        return -1;
    }
    return __real_getsockopt(fd, level, name, value, len);
}

static void test_own_credentials(void **state) {
    (void)state;
    struct http_peer peer;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    no_pidfd = false;
    assert_int_equal(http_peer_read(pair[0], &peer, NULL), EDGE_OK);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());
    assert_true(peer.pidfd >= 0 || peer.start_time > 0);
    int pidfd = peer.pidfd;
    http_peer_clear(&peer);
    assert_int_equal(peer.pidfd, -1);
    assert_true(pidfd < 0 || fcntl(pidfd, F_GETFD) == -1);
    http_peer_clear(&peer);

    no_pidfd = true;
    assert_int_equal(http_peer_read(pair[0], &peer, NULL), EDGE_OK);
    assert_int_equal(peer.pidfd, -1);
    assert_true(peer.start_time > 0);
    uint64_t start = peer.start_time;
    assert_int_equal(http_peer_read(pair[1], &peer, NULL), EDGE_OK);
    assert_true(peer.start_time == start);
    no_pidfd = false;
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void test_not_a_socket(void **state) {
    (void)state;
    struct http_peer peer = {.pid = 1};
    struct edge_error err;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_not_equal(http_peer_read(fd, &peer, &err), EDGE_OK);
    assert_int_equal(peer.pid, 1);
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_credentials),
        cmocka_unit_test(test_not_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
