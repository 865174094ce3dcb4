/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int flock_errno;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation) {
    if (flock_errno != 0) {
        errno = flock_errno;
        flock_errno = flock_errno == EINTR ? 0 : flock_errno;
        return -1;
    }
    return __real_flock(fd, operation);
}

static void test_one_at_a_time(void **state) {
    const struct tmpdir *dir = *state;
    struct edge_error err;
    struct stat st;
    char expected[64];
    int fd = -1, other = -1;
    const char *folder = tmpdir_join(dir, "a/b");
    assert_int_equal(lock_take(folder, "lock", &fd, &err), EDGE_OK);
    assert_int_equal(lock_take(folder, "lock", &other, &err), EDGE_CONFLICT);
    assert_int_equal(other, -1);
    snprintf(expected, sizeof(expected), "process %d works on", (int)getpid());
    assert_non_null(strstr(err.text, expected));
    assert_int_equal(stat(tmpdir_join(dir, "a/b/lock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(tmpdir_join(dir, "a/b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    close(fd);
    assert_int_equal(lock_take(tmpdir_join(dir, "a/b"), "lock", &fd, &err), EDGE_OK);
    close(fd);
}

/* Killed, as by a power cut: nothing has to be cleaned up. */
static void test_holder_that_dies(void **state) {
    const struct tmpdir *dir = *state;
    int fd = -1, status;
    pid_t child = fork();
    if (child == 0) {
        _exit(lock_take(dir->path, "lock", &fd, NULL) == EDGE_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(lock_take(dir->path, "lock", &fd, NULL), EDGE_OK);
    close(fd);
}

static void test_unknown_holder(void **state) {
    const struct tmpdir *dir = *state;
    struct edge_error err;
    int fd = -1;
    tmpdir_write(dir, "lock", "not a number", 12, 0600);
    flock_errno = EWOULDBLOCK;
    assert_int_equal(lock_take(dir->path, "lock", &fd, &err), EDGE_CONFLICT);
    assert_non_null(strstr(err.text, "another process"));
    flock_errno = EINTR;
    assert_int_equal(lock_take(dir->path, "lock", &fd, &err), EDGE_OK);
    close(fd);
    fd = -1;
    flock_errno = ENOLCK;
    assert_int_equal(lock_take(dir->path, "lock", &fd, &err), EDGE_IO);
    flock_errno = 0;
    assert_int_equal(fd, -1);
}

static void test_what_is_no_file(void **state) {
    const struct tmpdir *dir = *state;
    int fd = -1;
    assert_int_equal(symlink("elsewhere", tmpdir_join(dir, "lock")), 0);
    assert_int_not_equal(lock_take(dir->path, "lock", &fd, NULL), EDGE_OK);
    tmpdir_write(dir, "file", "", 0, 0600);
    assert_int_not_equal(lock_take(tmpdir_join(dir, "file"), "lock", &fd, NULL), EDGE_OK);
    assert_int_equal(fd, -1);
}

static enum edge_code one_round(void *data) {
    const struct tmpdir *dir = data;
    int fd = -1;
    enum edge_code code = lock_take(dir->path, "lock", &fd, NULL);
    if (code == EDGE_OK) {
        close(fd);
    }
    return code;
}

static void test_out_of_memory(void **state) {
    (void)alloc_fail_torture(one_round, *state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_one_at_a_time),   T(test_holder_that_dies), T(test_unknown_holder),
        T(test_what_is_no_file), T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
