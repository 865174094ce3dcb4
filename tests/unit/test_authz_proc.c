/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a peer: recorded trees, the real /proc, and processes that are not who they
 * were.
 */
#include "api/authz_proc.h"
#include "base/proc_stat.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID   "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"
#define TAIL "S 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 "

static void add_process(const struct tmpdir *dir, int pid, const char *cgroup, const char *stat) {
    char name[64];
    snprintf(name, sizeof(name), "%d", pid);
    (void)mkdirat(dir->fd, name, 0755);
    if (cgroup != NULL) {
        snprintf(name, sizeof(name), "%d/cgroup", pid);
        tmpdir_write(dir, name, cgroup, strlen(cgroup), 0444);
    }
    if (stat != NULL) {
        snprintf(name, sizeof(name), "%d/stat", pid);
        tmpdir_write(dir, name, stat, strlen(stat), 0444);
    }
}

static void test_start_time_unchanged(void **state) {
    const struct tmpdir *dir = *state;
    struct http_peer peer = {.pid = 42, .pidfd = -1, .start_time = 7777};
    struct authz_evidence found;

    add_process(dir, 42, "0::/docker/" ID "\n", "42 (sh) " TAIL "7777 1\n");
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_OK);
    assert_int_equal(found.verdict, CGROUP_CONTAINER);
    assert_string_equal(found.id, ID);
    assert_int_equal(authz_proc_verify(dir->fd, &peer, NULL), EDGE_OK);
}

/* The number now belongs to a process of the container; the one that connected was another. */
static void test_recycled_number(void **state) {
    const struct tmpdir *dir = *state;
    struct http_peer peer = {.pid = 42, .pidfd = -1, .start_time = 7777};
    struct authz_evidence found;

    add_process(dir, 42, "0::/docker/" ID "\n", "42 (sh) " TAIL "7778 1\n");
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_CONFLICT);
    assert_int_equal(authz_proc_verify(dir->fd, &peer, NULL), EDGE_CONFLICT);
}

static void test_pidfd_rules(void **state) {
    const struct tmpdir *dir = *state;
    struct http_peer peer = {.pid = 42, .start_time = 7777};
    struct authz_evidence found;

    /* The start time disagrees, but the pidfd is the better witness in both directions. */
    add_process(dir, 42, "0::/docker/" ID "\n", "42 (sh) " TAIL "7778 1\n");
    peer.pidfd = eventfd(0, EFD_CLOEXEC); /* not readable, like the pidfd of a live process */
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_OK);
    assert_int_equal(authz_proc_verify(dir->fd, &peer, NULL), EDGE_OK);
    close(peer.pidfd);

    add_process(dir, 43, "0::/docker/" ID "\n", "43 (sh) " TAIL "7777 1\n");
    peer.pid = 43;
    peer.pidfd = eventfd(1, EFD_CLOEXEC); /* readable, like that of one that has exited */
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_CONFLICT);
    assert_int_equal(authz_proc_verify(dir->fd, &peer, NULL), EDGE_CONFLICT);
    close(peer.pidfd);
    assert_int_equal(authz_proc_verify(dir->fd, &peer, NULL),
                     EDGE_CONFLICT); /* no such descriptor */
}

static void test_nothing_to_verify_with(void **state) {
    const struct tmpdir *dir = *state;
    struct http_peer peer = {.pid = 42, .pidfd = -1};
    struct authz_evidence found;

    add_process(dir, 42, "0::/docker/" ID "\n", "42 (sh) " TAIL "0 1\n");
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_DENIED);
    assert_int_equal(authz_proc_verify(dir->fd, &peer, NULL), EDGE_DENIED);
}

static void test_gone_or_hidden(void **state) {
    const struct tmpdir *dir = *state;
    struct http_peer peer = {.pid = 42, .pidfd = -1, .start_time = 7777};
    struct authz_evidence found;

    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_CONFLICT);
    /* Hidden by a /proc mounted with hidepid: alive by its pidfd, but nothing can be read. */
    peer.pidfd = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_OK);
    assert_int_equal(found.verdict, CGROUP_UNCLEAR);
    close(peer.pidfd);
}

static void test_odd_files(void **state) {
    const struct tmpdir *dir = *state;
    struct http_peer peer = {.pid = 42, .pidfd = -1, .start_time = 7777};
    struct authz_evidence found;
    char *big = malloc(CGROUP_TEXT_MAX + 1);

    assert_non_null(big);
    memset(big, '\n', CGROUP_TEXT_MAX + 1);
    add_process(dir, 42, NULL, "42 (sh) " TAIL "7777 1\n");
    tmpdir_write(dir, "42/cgroup", big, CGROUP_TEXT_MAX + 1, 0444);
    free(big);
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_OK);
    assert_int_equal(found.verdict, CGROUP_UNCLEAR);

    /* A link in place of the file is not followed. */
    assert_int_equal(unlinkat(dir->fd, "42/cgroup", 0), 0);
    tmpdir_write(dir, "elsewhere", "0::/docker/" ID "\n", 76, 0444);
    assert_int_equal(symlinkat("../elsewhere", dir->fd, "42/cgroup"), 0);
    assert_int_equal(authz_proc_look(dir->fd, &peer, &found, NULL), EDGE_OK);
    assert_int_equal(found.verdict, CGROUP_UNCLEAR);
}

/* A real child, with a real pidfd, before and after its end. */
/* Linux has it since 5.3, valgrind 3.19 does not pass it on. */
static bool has_pidfd(void) {
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static void test_real_process(void **state) {
    if (!has_pidfd()) {
        skip();
    }
    int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct authz_evidence found;
    char text[1024], path[64];
    int hold[2];

    (void)state;
    assert_int_equal(pipe(hold), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(hold[1]);
        (void)!read(hold[0], &c, 1);
        _exit(0);
    }
    assert_true(pid > 0);
    close(hold[0]);
    struct http_peer peer = {.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
    assert_true(peer.pidfd >= 0);
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    assert_true(len > 0 && proc_stat_start_time(slice_make(text, (size_t)len), &peer.start_time));
    struct http_peer without = peer;
    without.pidfd = -1;

    assert_int_equal(authz_proc_look(proc_fd, &peer, &found, NULL), EDGE_OK);
    assert_int_equal(authz_proc_look(proc_fd, &without, &found, NULL), EDGE_OK);

    close(hold[1]);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(authz_proc_look(proc_fd, &peer, &found, NULL), EDGE_CONFLICT); /* a zombie */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(authz_proc_look(proc_fd, &peer, &found, NULL), EDGE_CONFLICT);
    assert_int_equal(authz_proc_look(proc_fd, &without, &found, NULL), EDGE_CONFLICT);
    close(peer.pidfd);
    close(proc_fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_time_unchanged, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_recycled_number, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_pidfd_rules, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_to_verify_with, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_gone_or_hidden, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_odd_files, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test(test_real_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
