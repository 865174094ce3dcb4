/* SPDX-License-Identifier: MIT */
/*
 * Who may administer the device, over a made-up /proc and the real one.
 */
#include "api/authz_host.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID    "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"
#define SHELL "0::/user.slice/user-1000.slice/session-3.scope\n"
#define STAT  "42 (sh) S 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 7777 1\n"

static const struct authz_self self = {.uid = 990, .gid = 991};

static void add(const struct tmpdir *dir, const char *process, const char *file, const char *text) {
    char name[64];
    (void)mkdirat(dir->fd, process, 0755);
    snprintf(name, sizeof(name), "%s/%s", process, file);
    (void)unlinkat(dir->fd, name, 0);
    tmpdir_write(dir, name, text, strlen(text), 0444);
}

static void world(const struct tmpdir *dir, const char *cgroup, const char *groups,
                  const char *ns_pids) {
    char text[512];
    snprintf(text, sizeof(text),
             "Name:\tsh\nUid:\t1 1 1 1\nGroups:\t%s \nNSpid:\t%s\nThreads:\t1\n", groups, ns_pids);
    add(dir, "42", "cgroup", cgroup);
    add(dir, "42", "status", text);
    add(dir, "42", "stat", STAT);
    add(dir, "self", "cgroup", "0::/system.slice/iotedge.service\n");
}

static enum edge_code check(const struct tmpdir *dir, uid_t uid, gid_t gid, char *why) {
    struct edge_error err = {0};
    const struct http_peer peer = {
        .pid = 42, .uid = uid, .gid = gid, .pidfd = -1, .start_time = 7777};
    enum edge_code code = authz_host_check(dir->fd, &peer, &self, &err);
    if (why != NULL) {
        snprintf(why, EDGE_ERROR_TEXT_MAX, "%s", err.text);
    }
    return code;
}

static void test_who(void **state) {
    const struct tmpdir *dir = *state;
    char why[EDGE_ERROR_TEXT_MAX];
    world(dir, SHELL, "4 24 27", "42");
    assert_int_equal(check(dir, 0, 0, NULL), EDGE_OK);
    assert_int_equal(check(dir, 990, 5, NULL), EDGE_OK);
    assert_int_equal(check(dir, 1000, 991, NULL), EDGE_OK);
    assert_int_equal(check(dir, 1000, 1000, why), EDGE_DENIED);
    assert_non_null(strstr(why, "user 1000 is neither root"));
    world(dir, SHELL, "4 991 27", "42");
    assert_int_equal(check(dir, 1000, 1000, NULL), EDGE_OK);
    world(dir, SHELL, "4 9910 99 1991", "42");
    assert_int_equal(check(dir, 1000, 1000, NULL), EDGE_DENIED);
}

/* edgeAgent's start script makes its own user the owner of the socket; root in a container is not
 * the host's root either. */
static void test_containers(void **state) {
    const struct tmpdir *dir = *state;
    char why[EDGE_ERROR_TEXT_MAX];
    static const uid_t users[] = {0, 990, 1000, 13622};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(users); i++) {
        world(dir, "0::/system.slice/docker-" ID ".scope\n", "991", "42 1");
        assert_int_equal(check(dir, users[i], 991, why), EDGE_DENIED);
        assert_non_null(strstr(why, "container 1ef0bf51bef5"));
    }
}

static void test_unclear_place(void **state) {
    const struct tmpdir *dir = *state;
    char why[EDGE_ERROR_TEXT_MAX];
    world(dir, "0::/\n", "", "42");
    assert_int_equal(check(dir, 0, 0, why), EDGE_DENIED);
    assert_non_null(strstr(why, "cgroup"));
    add(dir, "self", "cgroup", "0::/\n"); /* a machine without a service manager */
    assert_int_equal(check(dir, 0, 0, NULL), EDGE_OK);
    world(dir, "0::/\n", "", "42 7");
    add(dir, "self", "cgroup", "0::/\n");
    assert_int_equal(check(dir, 0, 0, NULL), EDGE_DENIED);
    world(dir, "0::/user.slice/u.service/" ID "\n", "", "42");
    assert_int_equal(check(dir, 0, 0, NULL), EDGE_DENIED);
}

static void test_what_cannot_be_read(void **state) {
    const struct tmpdir *dir = *state;
    struct edge_error err = {0};
    struct http_peer peer = {.pid = 0, .pidfd = -1};
    assert_int_equal(authz_host_check(dir->fd, &peer, &self, &err), EDGE_DENIED);
    peer.pid = 42;
    peer.start_time = 7777;
    add(dir, "42", "stat", STAT);
    assert_int_equal(authz_host_check(dir->fd, &peer, &self, &err), EDGE_NOT_FOUND);
    world(dir, SHELL, "", "42");
    assert_int_equal(unlinkat(dir->fd, "42/cgroup", 0), 0);
    assert_int_equal(authz_host_check(dir->fd, &peer, &self, &err), EDGE_DENIED);
}

/* A container's root that could move itself to a group of the host's. */
static void test_process_numbers_of_its_own(void **state) {
    const struct tmpdir *dir = *state;
    char why[EDGE_ERROR_TEXT_MAX];
    world(dir, SHELL, "", "42 1");
    assert_int_equal(check(dir, 0, 0, why), EDGE_DENIED);
    assert_non_null(strstr(why, "process numbers"));
}

/* Root opened the socket and left; its number is somebody else's now. */
static void test_recycled_number(void **state) {
    const struct tmpdir *dir = *state;
    struct http_peer peer = {.pid = 42, .pidfd = -1, .start_time = 7778};
    world(dir, SHELL, "", "42");
    assert_int_equal(authz_host_check(dir->fd, &peer, &self, NULL), EDGE_CONFLICT);
    peer.pidfd = eventfd(1, EFD_CLOEXEC); /* fires */
    assert_int_equal(authz_host_check(dir->fd, &peer, &self, NULL), EDGE_CONFLICT);
    close(peer.pidfd);
}

static void test_status_text(void **state) {
    (void)state;
    assert_false(authz_host_has_group(slice_str("Groups:\t5"), 5)); /* cut short */
    assert_true(authz_host_has_group(slice_str("Groups:\t5\n"), 5));
    assert_false(authz_host_has_group(slice_str("Groups:\t-1 5x 0x5 \n"), 5));
    assert_false(authz_host_has_group(slice_str("Name:\tGroups:\nGroups:\t\n"), 5));
    assert_false(authz_host_has_group(slice_str(""), 0));
    assert_true(authz_host_shares_pids(slice_str("NSpid:\t5\n")));
    assert_false(authz_host_shares_pids(slice_str("NSpid:\t5\t1\n")));
    assert_false(authz_host_shares_pids(slice_str("NSpid:\t\n")));
    assert_false(authz_host_shares_pids(slice_str("Pid:\t5\n")));
}

static int setup(void **state) {
    *state = tmpdir_new();
    return 0;
}

static int teardown(void **state) {
    tmpdir_free(*state);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_who),
        T(test_containers),
        T(test_unclear_place),
        T(test_what_cannot_be_read),
        T(test_process_numbers_of_its_own),
        T(test_recycled_number),
        T(test_status_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
