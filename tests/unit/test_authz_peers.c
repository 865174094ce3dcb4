/* SPDX-License-Identifier: MIT */
/*
 * Remembering callers: the same process is found again, another one never is.
 */
#include "api/authz_peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"

static struct authz_peers peers;
static char id[RUNTIME_ID_LEN + 1];

static int setup(void **state) {
    (void)state;
    memset(&peers, 0, sizeof(peers));
    memset(id, 0, sizeof(id));
    return 0;
}

static void test_found_again(void **unused) {
    (void)unused;
    const uint64_t key = 77;
    assert_false(authz_peers_get(&peers, key, 1000, id));
    authz_peers_put(&peers, key, 1000, ID);
    assert_true(authz_peers_get(&peers, key, 1000, id));
    assert_string_equal(id, ID);
}

static void test_another_process_is_not_taken_for_it(void **unused) {
    (void)unused;
    authz_peers_put(&peers, 77, 1000, ID);
    for (uint64_t other = 0; other < 5000; other++) {
        assert_int_equal(authz_peers_get(&peers, other, 1000, id), other == 77);
    }
}

static void test_forgotten_in_time(void **unused) {
    (void)unused;
    const uint64_t key = 77;
    authz_peers_put(&peers, key, 1000, ID);
    assert_true(authz_peers_get(&peers, key, 1000 + AUTHZ_PEERS_MS - 1, id));
    assert_false(authz_peers_get(&peers, key, 1000 + AUTHZ_PEERS_MS, id));
}

static void test_nothing_unique_nothing_remembered(void **unused) {
    (void)unused;
    const uint64_t key = 0;
    authz_peers_put(&peers, key, 1000, ID);
    assert_false(authz_peers_get(&peers, key, 1000, id));
}

static void test_more_processes_than_places(void **unused) {
    (void)unused;
    for (uint64_t key = 1; key <= 3 * AUTHZ_PEERS_MAX; key++) {
        authz_peers_put(&peers, key, 1000, ID);
        assert_true(authz_peers_get(&peers, key, 1000, id));
    }
}

static void test_without_pidfd_nothing_is_remembered(void **unused) {
    (void)unused;
    const struct http_peer peer = {.pid = 100, .pidfd = -1, .start_time = 4711};
    assert_int_equal(authz_peer_key(&peer), 0);
}

/* The real thing: two descriptors of one process agree, those of two processes differ, or the
 * kernel cannot tell. */
static void test_pidfds_of_this_kernel(void **unused) {
    (void)unused;
    int probe = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (probe < 0) {
        skip(); /* Linux has it since 5.3, valgrind 3.19 does not pass it on */
    }
    close(probe);
    pid_t child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    int mine = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int again = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int other = (int)syscall(SYS_pidfd_open, child, 0);
    assert_true(mine >= 0 && again >= 0 && other >= 0);
    const uint64_t a = authz_peer_key(&(struct http_peer){.pid = 1, .pidfd = mine});
    const uint64_t b = authz_peer_key(&(struct http_peer){.pid = 1, .pidfd = again});
    const uint64_t c = authz_peer_key(&(struct http_peer){.pid = 1, .pidfd = other});
    assert_int_equal(a, b);
    assert_true(a == 0 || a != c);
    close(mine);
    close(again);
    close(other);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_found_again),
        T(test_another_process_is_not_taken_for_it),
        T(test_forgotten_in_time),
        T(test_nothing_unique_nothing_remembered),
        T(test_more_processes_than_places),
        T(test_without_pidfd_nothing_is_remembered),
        T(test_pidfds_of_this_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
