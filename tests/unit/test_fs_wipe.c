/* SPDX-License-Identifier: MIT */
#include "base/fs_wipe.h"

#include "base/fs.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int fail_rename, fail_open;

int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b) {
    if (fail_rename != 0) {
        errno = fail_rename;
        return -1;
    }
    return __real_renameat(from, a, to, b);
}

int __real_openat(int dirfd, const char *name, int flags, ...);
int __wrap_openat(int dirfd, const char *name, int flags, ...);
int __wrap_openat(int dirfd, const char *name, int flags, ...) {
    if (fail_open != 0 && (flags & O_WRONLY)) {
        errno = fail_open;
        return -1;
    }
    return __real_openat(dirfd, name, flags, 0600); /* the mode matters for new files only */
}

/* Content of the file at the moment when its name goes. */
static char last[5000];
static ssize_t last_len;

int __real_unlinkat(int dirfd, const char *name, int flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags) {
    int fd = __real_openat(dirfd, name, O_RDONLY);
    if (fd >= 0) {
        last_len = read(fd, last, sizeof(last));
        close(fd);
    }
    return __real_unlinkat(dirfd, name, flags);
}

static int setup(void **state) {
    fail_rename = fail_open = 0;
    last_len = -1;
    *state = tmpdir_new();
    return 0;
}

static int teardown(void **state) {
    tmpdir_free(*state);
    return 0;
}

static bool is_there(const struct tmpdir *dir, const char *name) {
    return faccessat(dir->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_overwritten_and_gone(void **state) {
    const struct tmpdir *dir = *state;
    static char secret[4700];
    memset(secret, 's', sizeof(secret));
    tmpdir_write(dir, "key", secret, sizeof(secret), 0600);
    assert_int_equal(fs_wipe(dir->fd, "key", NULL), EDGE_OK);
    assert_false(is_there(dir, "key"));
    assert_false(is_there(dir, "key" FS_WIPE_SUFFIX));
    assert_int_equal(last_len, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++) {
        assert_int_equal(last[i], 0);
    }
    assert_int_equal(fs_wipe(dir->fd, "key", NULL), EDGE_OK);
}

/* Somebody else's name of the same file keeps its content. */
static void test_other_name(void **state) {
    const struct tmpdir *dir = *state;
    char text[8] = "";
    tmpdir_write(dir, "key", "secret", 6, 0600);
    assert_int_equal(linkat(dir->fd, "key", dir->fd, "other", 0), 0);
    assert_int_equal(fs_wipe(dir->fd, "key", NULL), EDGE_OK);
    assert_false(is_there(dir, "key"));
    int fd = openat(dir->fd, "other", O_RDONLY);
    assert_int_equal(read(fd, text, sizeof(text)), 6);
    close(fd);
    assert_string_equal(text, "secret");
}

static void test_what_is_no_file(void **state) {
    const struct tmpdir *dir = *state;
    static char longest[256];
    memset(longest, 'a', sizeof(longest) - 1);
    tmpdir_write(dir, "file", "text", 4, 0600);
    assert_int_equal(symlinkat("file", dir->fd, "link"), 0);
    assert_int_equal(mkdirat(dir->fd, "folder", 0700), 0);
    assert_int_equal(fs_wipe(dir->fd, "link", NULL), EDGE_INVALID);
    assert_int_equal(fs_wipe(dir->fd, "folder", NULL), EDGE_INVALID);
    assert_int_equal(fs_wipe(dir->fd, "folder/x", NULL), EDGE_INVALID);
    assert_int_equal(fs_wipe(dir->fd, longest, NULL), EDGE_INVALID);
    assert_true(is_there(dir, "file"));
    assert_true(is_there(dir, "link"));
}

static void test_failures(void **state) {
    const struct tmpdir *dir = *state;
    tmpdir_write(dir, "key", "secret", 6, 0600);
    fail_rename = EROFS;
    assert_int_not_equal(fs_wipe(dir->fd, "key", NULL), EDGE_OK);
    assert_true(is_there(dir, "key"));
    fail_rename = 0;
    /* What cannot be overwritten goes all the same. */
    fail_open = EIO;
    assert_int_equal(fs_wipe(dir->fd, "key", NULL), EDGE_OK);
    assert_false(is_there(dir, "key"));
    assert_memory_equal(last, "secret", 6);
}

static void test_rest(void **state) {
    const struct tmpdir *dir = *state;
    size_t cnt = 9;
    assert_int_equal(fs_wipe_rest(dir->fd, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 0);
    tmpdir_write(dir, "one" FS_WIPE_SUFFIX, "secret", 6, 0600);
    tmpdir_write(dir, "two" FS_WIPE_SUFFIX, "", 0, 0600);
    tmpdir_write(dir, "three", "text", 4, 0600);
    assert_int_equal(symlinkat("three", dir->fd, "link" FS_WIPE_SUFFIX), 0);
    assert_int_equal(fs_wipe_rest(dir->fd, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_true(is_there(dir, "three"));
    assert_true(is_there(dir, "link" FS_WIPE_SUFFIX));
    assert_false(is_there(dir, "one" FS_WIPE_SUFFIX));
}

static enum edge_code torture(void *data) {
    const struct tmpdir *dir = data;
    size_t cnt = 0;
    return fs_wipe_rest(dir->fd, &cnt, NULL);
}

static void assert_text(int fd, const char *want, size_t len) {
    char text[64] = "";
    assert_int_equal(pread(fd, text, sizeof(text), 0), len);
    assert_memory_equal(text, want, len);
}

static void test_replace(void **state) {
    const struct tmpdir *dir = *state;
    assert_int_equal(fs_wipe_replace(dir->fd, "key", SLICE_LIT("first"), NULL), EDGE_OK);
    int old EDGE_CLEANUP(edge_cleanup_fd) = __real_openat(dir->fd, "key", O_RDONLY);
    assert_true(old >= 0);
    assert_int_equal(fs_wipe_replace(dir->fd, "key", SLICE_LIT("second"), NULL), EDGE_OK);
    assert_text(old, "\0\0\0\0\0", 5);
    int now EDGE_CLEANUP(edge_cleanup_fd) = __real_openat(dir->fd, "key", O_RDONLY);
    assert_text(now, "second", 6);
    /* What has another name is not ours alone, and what could not be replaced is still needed. */
    assert_int_equal(linkat(dir->fd, "key", dir->fd, "other", 0), 0);
    assert_int_equal(fs_wipe_replace(dir->fd, "key", SLICE_LIT("third"), NULL), EDGE_OK);
    assert_text(now, "second", 6);
    int third EDGE_CLEANUP(edge_cleanup_fd) = __real_openat(dir->fd, "key", O_RDONLY);
    fail_rename = EIO;
    assert_int_equal(fs_wipe_replace(dir->fd, "key", SLICE_LIT("fourth"), NULL), EDGE_IO);
    assert_text(third, "third", 5);
}

static void test_allocation_torture(void **state) {
    const struct tmpdir *dir = *state;
    tmpdir_write(dir, "text", "text", 4, 0600);
    assert_true(alloc_fail_torture(torture, *state) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_overwritten_and_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
