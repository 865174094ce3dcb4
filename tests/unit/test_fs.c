/* SPDX-License-Identifier: MIT */
#include "base/fs.h"

#include "support/alloc_fail.h"
#include "support/fake_clock.h"
#include "support/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OUT_MAX 100000

/* Which call fails next, with what; `times` counts down, `skip` lets earlier ones pass. */
static struct {
    const char *call;
    int errnum;
    int skip;
    int times;
} fault;

static bool faulty(const char *call) {
    if (fault.call == NULL || strcmp(call, fault.call) != 0 || fault.times == 0) {
        return false;
    }
    if (fault.skip > 0) {
        fault.skip--;
        return false;
    }
    fault.times--;
    errno = fault.errnum;
    return true;
}

static void set_fault(const char *call, int errnum, int skip, int times) {
    fault.call = call;
    fault.errnum = errnum;
    fault.skip = skip;
    fault.times = times;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
ssize_t __real_getrandom(void *to, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);
struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);

/* Writes at most 5 bytes at once. */
ssize_t __wrap_write(int fd, const void *data, size_t len) {
    return faulty("write") ? -1 : __real_write(fd, data, len > 5 ? 5 : len);
}

ssize_t __wrap_read(int fd, void *data, size_t len) {
    return faulty("read") ? -1 : __real_read(fd, data, len);
}

int __wrap_fsync(int fd) {
    return faulty("fsync") ? -1 : __real_fsync(fd);
}

int __wrap_fchmod(int fd, mode_t mode) {
    return faulty("fchmod") ? -1 : __real_fchmod(fd, mode);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return faulty("renameat") ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_openat(int fd, const char *path, int flags, ...) {
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return faulty("openat") ? -1 : __real_openat(fd, path, flags, mode);
}

/* Always the same number when told to "fail", so that names collide. */
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags) {
    if (faulty("getrandom")) {
        return -1;
    }
    if (faulty("random")) {
        memset(to, 0x11, len);
        return (ssize_t)len;
    }
    return __real_getrandom(to, len, flags);
}

struct dirent *__wrap_readdir(DIR *dir) {
    return faulty("readdir") ? NULL : __real_readdir(dir);
}

uid_t __wrap_geteuid(void) {
    return faulty("geteuid") ? 12345 : __real_geteuid();
}

static void check_content(const struct tmpdir *dir, const char *name, const char *want) {
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(fs_read(dir->fd, name, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), want);
    buf_clear(&out);
}

static unsigned mode_of(const struct tmpdir *dir, const char *name) {
    struct stat st;
    assert_int_equal(fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static int entry_cnt(const struct tmpdir *dir) {
    int cnt = 0;
    DIR *d = opendir(dir->path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        cnt += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 ? 1 : 0;
    }
    closedir(d);
    return cnt;
}

static void test_write_and_read(void **state) {
    const struct tmpdir *dir = *state;
    mode_t old = umask(0077);
    assert_int_equal(fs_write_atomic(dir->fd, "key", SLICE_LIT("first content"), NULL), EDGE_OK);
    check_content(dir, "key", "first content");
    assert_int_equal(mode_of(dir, "key"), 0600);
    assert_int_equal(fs_write_atomic(dir->fd, "key", slice_make(NULL, 0), NULL), EDGE_OK);
    check_content(dir, "key", "");
    assert_int_equal(fs_write_atomic_mode(dir->fd, "key", SLICE_LIT("pub"), 0644, NULL), EDGE_OK);
    umask(old);
    assert_int_equal(mode_of(dir, "key"), 0644);
    check_content(dir, "key", "pub");
    assert_int_equal(entry_cnt(dir), 1);
}

static void test_names(void **state) {
    const struct tmpdir *dir = *state;
    static const char *const bad[] = {"", ".", "..", "a/b", "/a", "../a"};
    char longest[256];
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(fs_write_atomic(dir->fd, bad[i], SLICE_LIT("x"), NULL), EDGE_INVALID);
        assert_int_equal(fs_read(dir->fd, bad[i], &out, NULL), EDGE_INVALID);
        assert_int_equal(fs_remove(dir->fd, bad[i], NULL), EDGE_INVALID);
        assert_int_equal(fs_set_aside(dir->fd, bad[i], NULL, 0, NULL), EDGE_INVALID);
    }
    memset(longest, 'n', sizeof(longest));
    longest[234] = '\0';
    assert_int_equal(fs_write_atomic(dir->fd, longest, SLICE_LIT("x"), NULL), EDGE_RANGE);
    longest[233] = '\0';
    assert_int_equal(fs_write_atomic(dir->fd, longest, SLICE_LIT("x"), NULL), EDGE_OK);
    check_content(dir, longest, "x");
}

/* Whatever fails on the way: the old content stays, no temporary file does. */
static void test_write_faults(void **state) {
    const struct tmpdir *dir = *state;
    static const struct {
        const char *call;
        int errnum;
        int skip;
        enum edge_code code;
    } table[] = {
        {"write", ENOSPC, 0, EDGE_IO},        {"write", EIO, 1, EDGE_IO},
        {"fsync", EIO, 0, EDGE_IO},           {"fchmod", EPERM, 0, EDGE_DENIED},
        {"renameat", EACCES, 0, EDGE_DENIED}, {"openat", EROFS, 0, EDGE_DENIED},
    };
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("old content"), NULL), EDGE_OK);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        struct edge_error err = {0};
        set_fault(table[i].call, table[i].errnum, table[i].skip, 1);
        assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("new content"), &err),
                         table[i].code);
        assert_int_equal(fault.times, 0);
        assert_int_equal(err.native, table[i].errnum);
        check_content(dir, "state", "old content");
        assert_int_equal(entry_cnt(dir), 1);
    }
    /* The last sync: new content, but not known to be safe. */
    set_fault("fsync", EIO, 1, 1);
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("new content"), NULL), EDGE_IO);
    check_content(dir, "state", "new content");
}

static void test_interrupted(void **state) {
    const struct tmpdir *dir = *state;
    static const char *const calls[] = {"write", "fsync", "openat"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(calls); i++) {
        set_fault(calls[i], EINTR, 0, 2);
        assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("content"), NULL), EDGE_OK);
        assert_int_equal(fault.times, 0);
    }
    set_fault("read", EINTR, 0, 2);
    check_content(dir, "state", "content");
    assert_int_equal(fault.times, 0);
}

static void test_temporary_names(void **state) {
    const struct tmpdir *dir = *state;
    tmpdir_write(dir, ".state.1111111111111111.tmp", "x", 1, 0600);
    set_fault("random", 0, 0, 2);
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("content"), NULL), EDGE_OK);
    check_content(dir, "state", "content");
    set_fault("getrandom", EIO, 0, 100);
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("more"), NULL), EDGE_IO);
    set_fault(NULL, 0, 0, 0);
    check_content(dir, "state", "content");
}

static void test_sweep_of_every_name(void **state) {
    const struct tmpdir *dir = *state;
    static const char *const kept[] = {"state", ".tmp", ".0123456789abcdef.tmp",
                                       "x.0123456789abcdef.tmp", ".state.0123456789abcdeG.tmp"};
    tmpdir_write(dir, ".state.0123456789abcdef.tmp", "x", 1, 0600);
    tmpdir_write(dir, ".identity-7.fedcba9876543210.tmp", "x", 1, 0600);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kept); i++) {
        tmpdir_write(dir, kept[i], "x", 1, 0600);
    }
    fs_sweep(dir->fd);
    assert_int_equal(entry_cnt(dir), EDGE_ARRAY_LEN(kept));
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kept); i++) {
        check_content(dir, kept[i], "x");
    }
}

static void test_left_overs_are_swept(void **state) {
    const struct tmpdir *dir = *state;
    static const char *const others[] = {
        ".state.0123456789abcdef.tmp.x", ".state2.0123456789abcdef.tmp",
        ".state.0123456789abcdeG.tmp",   ".state.0123456789abcde.tmp",
        "state.0123456789abcdef.tmp",    ".state.0123456789abcdef.tmq",
    };
    tmpdir_write(dir, ".state.0123456789abcdef.tmp", "x", 1, 0600);
    tmpdir_write(dir, ".state.fedcba9876543210.tmp", "x", 1, 0600);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(others); i++) {
        tmpdir_write(dir, others[i], "x", 1, 0600);
    }
    /* A failed write tidies nothing. */
    set_fault("write", EIO, 0, 1);
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("y"), NULL), EDGE_IO);
    assert_int_equal(entry_cnt(dir), 8);
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("y"), NULL), EDGE_OK);
    assert_int_equal(entry_cnt(dir), 7);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(others); i++) {
        check_content(dir, others[i], "x");
    }
    /* Nor is it a failure when tidying cannot be done. */
    set_fault("openat", EMFILE, 1, 1);
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("z"), NULL), EDGE_OK);
    assert_int_equal(fault.times, 0);
}

static void test_write_replaces_a_link(void **state) {
    const struct tmpdir *dir = *state;
    tmpdir_write(dir, "victim", "untouched", 9, 0600);
    assert_int_equal(symlinkat("victim", dir->fd, "state"), 0);
    assert_int_equal(fs_write_atomic(dir->fd, "state", SLICE_LIT("new"), NULL), EDGE_OK);
    check_content(dir, "victim", "untouched");
    check_content(dir, "state", "new");
    assert_int_equal(mkdirat(dir->fd, "folder", 0700), 0);
    assert_int_equal(fs_write_atomic(dir->fd, "folder", SLICE_LIT("x"), NULL), EDGE_INVALID);
    assert_int_equal(entry_cnt(dir), 3);
}

static void test_read_refuses(void **state) {
    const struct tmpdir *dir = *state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(buf_append_str(&out, "kept", NULL), EDGE_OK);
    assert_int_equal(fs_read(dir->fd, "none", &out, NULL), EDGE_NOT_FOUND);
    tmpdir_write(dir, "file", "x", 1, 0600);
    assert_int_equal(symlinkat("file", dir->fd, "link"), 0);
    assert_int_equal(fs_read(dir->fd, "link", &out, NULL), EDGE_DENIED);
    assert_int_equal(mkdirat(dir->fd, "folder", 0700), 0);
    assert_int_equal(fs_read(dir->fd, "folder", &out, NULL), EDGE_INVALID);
    assert_int_equal(mkfifoat(dir->fd, "fifo", 0600), 0);
    assert_int_equal(fs_read(dir->fd, "fifo", &out, NULL), EDGE_INVALID);
    set_fault("read", EIO, 0, 1);
    assert_int_equal(fs_read(dir->fd, "file", &out, NULL), EDGE_IO);
    assert_string_equal(buf_cstr(&out), "kept");
    assert_int_equal(fs_read(dir->fd, "file", &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "keptx");
    buf_clear(&out);
}

static void test_read_limit(void **state) {
    const struct tmpdir *dir = *state;
    char text[10000];
    memset(text, 't', sizeof(text));
    tmpdir_write(dir, "file", text, sizeof(text), 0600);
    struct buf out;
    buf_init(&out, sizeof(text));
    assert_int_equal(fs_read(dir->fd, "file", &out, NULL), EDGE_OK);
    assert_int_equal(out.len, sizeof(text));
    buf_clear(&out);
    struct edge_error err = {0};
    buf_init_sensitive(&out, sizeof(text) - 1);
    assert_int_equal(fs_read(dir->fd, "file", &out, &err), EDGE_RANGE);
    assert_string_equal(err.text, "'file' is larger than 9999 bytes");
    assert_int_equal(out.len, 0);
    buf_clear(&out);
    buf_init(&out, 0);
    tmpdir_write(dir, "empty", "", 0, 0600);
    assert_int_equal(fs_read(dir->fd, "empty", &out, NULL), EDGE_OK);
    assert_int_equal(fs_read(dir->fd, "file", &out, NULL), EDGE_RANGE);
}

/* An operator's file may be a link and lie anywhere. */
static void test_read_path(void **state) {
    const struct tmpdir *dir = *state;
    struct buf out;
    struct edge_error err = {0};
    buf_init(&out, 10);
    tmpdir_write(dir, "file", "content", 7, 0644);
    assert_int_equal(symlinkat("file", dir->fd, "link"), 0);
    assert_int_equal(fs_read_path(tmpdir_join(dir, "link"), &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "content");
    assert_int_equal(fs_read_path(tmpdir_join(dir, "file"), &out, NULL), EDGE_RANGE);
    assert_string_equal(buf_cstr(&out), "content");
    assert_int_equal(fs_read_path(tmpdir_join(dir, "none"), &out, &err), EDGE_NOT_FOUND);
    assert_non_null(strstr(err.text, "/none'"));
    assert_int_equal(fs_read_path(dir->path, &out, NULL), EDGE_INVALID);
    buf_clear(&out);
}

static void test_private(void **state) {
    const struct tmpdir *dir = *state;
    static const struct {
        unsigned mode;
        enum edge_code code;
    } table[] = {{0600, EDGE_OK},     {0400, EDGE_OK},     {0640, EDGE_DENIED},
                 {0604, EDGE_DENIED}, {0620, EDGE_DENIED}, {0602, EDGE_DENIED},
                 {0601, EDGE_DENIED}, {0644, EDGE_DENIED}};
    struct buf out;
    buf_init_sensitive(&out, OUT_MAX);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        struct edge_error err = {0};
        assert_int_equal(fs_remove(dir->fd, "key", NULL), EDGE_OK);
        tmpdir_write(dir, "key", "secret", 6, table[i].mode);
        buf_reset(&out);
        assert_int_equal(fs_read_private(dir->fd, "key", &out, &err), table[i].code);
        assert_int_equal(out.len, table[i].code == EDGE_OK ? 6 : 0);
        if (table[i].mode == 0644) {
            assert_string_equal(err.text, "'key' is open to others (mode 0644); set mode 0600");
        }
    }
    buf_clear(&out);
}

static void test_private_owner(void **state) {
    const struct tmpdir *dir = *state;
    struct buf out;
    buf_init_sensitive(&out, OUT_MAX);
    tmpdir_write(dir, "key", "secret", 6, 0600);
    bool is_root = getuid() == 0;
    if (is_root) {
        assert_int_equal(fchownat(dir->fd, "key", 54321, 54321, 0), 0);
    }
    /* As seen by somebody else: neither ours nor root's. */
    set_fault("geteuid", 0, 0, 1);
    assert_int_equal(fs_read_private(dir->fd, "key", &out, NULL), EDGE_DENIED);
    if (is_root) {
        assert_int_equal(fchownat(dir->fd, "key", 0, 0, 0), 0);
        set_fault("geteuid", 0, 0, 1);
        assert_int_equal(fs_read_private(dir->fd, "key", &out, NULL), EDGE_OK);
    }
    buf_clear(&out);
}

static void test_remove(void **state) {
    const struct tmpdir *dir = *state;
    tmpdir_write(dir, "c", "1", 1, 0600);
    assert_int_equal(fs_remove(dir->fd, "none", NULL), EDGE_OK);
    set_fault("fsync", EIO, 0, 1);
    assert_int_equal(fs_remove(dir->fd, "c", NULL), EDGE_IO);
    assert_int_equal(entry_cnt(dir), 0);
    assert_int_equal(mkdirat(dir->fd, "folder", 0700), 0);
    assert_int_equal(fs_remove(dir->fd, "folder", NULL), EDGE_INVALID);
}

static void test_set_aside(void **state) {
    const struct tmpdir *dir = *state;
    char name[64] = "";
    fake_clock_install(1767323045);
    assert_int_equal(fs_set_aside(dir->fd, "state", name, sizeof(name), NULL), EDGE_NOT_FOUND);
    assert_string_equal(name, "");
    tmpdir_write(dir, "state", "1", 1, 0600);
    assert_int_equal(fs_set_aside(dir->fd, "state", name, sizeof(name), NULL), EDGE_OK);
    assert_string_equal(name, "state.damaged-1767323045");
    check_content(dir, name, "1");
    tmpdir_write(dir, "state", "2", 1, 0600);
    assert_int_equal(fs_set_aside(dir->fd, "state", name, sizeof(name), NULL), EDGE_OK);
    assert_string_equal(name, "state.damaged-1767323045-1");
    check_content(dir, name, "2");
    check_content(dir, "state.damaged-1767323045", "1");
    for (int i = 2; i < 100; i++) {
        tmpdir_write(dir, "state", "n", 1, 0600);
        assert_int_equal(fs_set_aside(dir->fd, "state", NULL, 0, NULL), EDGE_OK);
    }
    tmpdir_write(dir, "state", "last", 4, 0600);
    assert_int_equal(fs_set_aside(dir->fd, "state", NULL, 0, NULL), EDGE_EXISTS);
    check_content(dir, "state", "last");
    assert_int_equal(fs_set_aside_as(dir->fd, "state", "lost", name, sizeof(name), NULL), EDGE_OK);
    assert_string_equal(name, "state.lost-1767323045");
    check_content(dir, name, "last");
    fake_clock_remove();
}

static void test_list(void **state) {
    const struct tmpdir *dir = *state;
    static const char *const files[] = {"mod-b", "mod-a",       "other",
                                        "mod-c", ".mod-hidden", ".mod-a.0123456789abcdef.tmp"};
    struct fs_names names = {.cnt = 99};
    assert_int_equal(fs_list(dir->fd, "", 10, &names, NULL), EDGE_OK);
    assert_int_equal(names.cnt, 0);
    fs_names_clear(&names);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(files); i++) {
        tmpdir_write(dir, files[i], "x", 1, 0600);
    }
    /* Twice: listing does not move the position of our descriptor. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fs_list(dir->fd, "mod-", 3, &names, NULL), EDGE_OK);
        assert_int_equal(names.cnt, 3);
        assert_string_equal(names.list[0], "mod-a");
        assert_string_equal(names.list[1], "mod-b");
        assert_string_equal(names.list[2], "mod-c");
        fs_names_clear(&names);
    }
    assert_int_equal(fs_list(dir->fd, "mod-", 2, &names, NULL), EDGE_RANGE);
    set_fault("readdir", EIO, 1, 1);
    assert_int_equal(fs_list(dir->fd, "mod-", 3, &names, NULL), EDGE_IO);
    assert_int_equal(fs_list(-1, "", 3, &names, NULL), EDGE_INVALID);
    assert_null(names.list);
}

static void test_dir_open(void **state) {
    const struct tmpdir *dir = *state;
    int fd = -1;
    struct edge_error err = {0};
    const char *path = tmpdir_join(dir, "a//b/c/");
    assert_int_equal(fs_dir_open(path, false, 0, &fd, &err), EDGE_NOT_FOUND);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(err.text, "a//b/c/': No such file or directory"));
    mode_t old = umask(0077);
    assert_int_equal(fs_dir_open(path, true, 0750, &fd, NULL), EDGE_OK);
    umask(old);
    assert_int_equal(mode_of(dir, "a"), 0750);
    assert_int_equal(mode_of(dir, "a/b/c"), 0750);
    assert_int_equal(fs_write_atomic(fd, "file", SLICE_LIT("x"), NULL), EDGE_OK);
    close(fd);
    assert_int_equal(fs_dir_open(path, true, 0700, &fd, NULL), EDGE_OK);
    assert_int_equal(mode_of(dir, "a/b/c"), 0750);
    close(fd);
    assert_int_equal(fs_dir_open(tmpdir_join(dir, "a/b/c/file"), true, 0700, &fd, NULL),
                     EDGE_INVALID);
    assert_int_equal(fs_dir_open(tmpdir_join(dir, "a/b/c/file/x"), true, 0700, &fd, NULL),
                     EDGE_INVALID);
    assert_int_equal(fs_dir_open("", true, 0700, &fd, NULL), EDGE_NOT_FOUND);
}

static void test_dir_open_relative(void **state) {
    const struct tmpdir *dir = *state;
    int fd = -1;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(here >= 0);
    assert_int_equal(fchdir(dir->fd), 0);
    assert_int_equal(fs_dir_open("x/y", true, 0700, &fd, NULL), EDGE_OK);
    assert_int_equal(fchdir(here), 0);
    close(fd);
    close(here);
    assert_int_equal(mode_of(dir, "x/y"), 0700);
}

static void test_dir_open_faults(void **state) {
    const struct tmpdir *dir = *state;
    int fd = -1;
    char long_name[300];
    memset(long_name, 'd', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    char path[PATH_MAX + 400];
    snprintf(path, sizeof(path), "%s/none/%s", dir->path, long_name);
    assert_int_equal(fs_dir_open(path, true, 0700, &fd, NULL), EDGE_RANGE);
    set_fault("fchmod", EPERM, 0, 1);
    assert_int_equal(fs_dir_open(tmpdir_join(dir, "p"), true, 0700, &fd, NULL), EDGE_DENIED);
    set_fault("fsync", EIO, 0, 1);
    assert_int_equal(fs_dir_open(tmpdir_join(dir, "q"), true, 0700, &fd, NULL), EDGE_IO);
    set_fault("fsync", EINTR, 0, 1);
    assert_int_equal(fs_dir_open(tmpdir_join(dir, "r"), true, 0700, &fd, NULL), EDGE_OK);
    close(fd);
}

static enum edge_code list_and_read(void *data) {
    const struct tmpdir *dir = data;
    struct edge_error err = {0};
    struct fs_names names = {0};
    struct buf out;
    buf_init(&out, OUT_MAX);
    enum edge_code code = fs_list(dir->fd, "", 10, &names, &err);
    if (code == EDGE_OK) {
        code = fs_read(dir->fd, "a", &out, &err);
    }
    assert_int_equal(code, err.code);
    assert_true(code == EDGE_OK || code == EDGE_NOMEM);
    fs_names_clear(&names);
    buf_clear(&out);
    return code;
}

static void test_out_of_memory(void **state) {
    struct tmpdir *dir = *state;
    tmpdir_write(dir, "a", "x", 1, 0600);
    tmpdir_write(dir, "b", "x", 1, 0600);
    tmpdir_write(dir, "c", "x", 1, 0600);
    /* Three names, the list three times, the buffer twice. */
    assert_int_equal(alloc_fail_torture(list_and_read, dir), 8);
}

static void test_is_unchanged(void **state) {
    const struct tmpdir *dir = *state;
    struct stat first, again, other;
    tmpdir_write(dir, "a", "1", 1, 0600);
    tmpdir_write(dir, "b", "1", 1, 0600);
    assert_int_equal(fstatat(dir->fd, "a", &first, 0), 0);
    assert_int_equal(fstatat(dir->fd, "a", &again, 0), 0);
    assert_int_equal(fstatat(dir->fd, "b", &other, 0), 0);
    assert_true(fs_is_unchanged(&first, &again));
    assert_false(fs_is_unchanged(&first, &other));
    again.st_size++;
    assert_false(fs_is_unchanged(&first, &again));
    again = first;
    again.st_mtim.tv_nsec++;
    assert_false(fs_is_unchanged(&first, &again));
    again = first;
    again.st_ctim.tv_sec++;
    assert_false(fs_is_unchanged(&first, &again));
}

#define IN_TMPDIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_TMPDIR(test_write_and_read),
        IN_TMPDIR(test_names),
        IN_TMPDIR(test_write_faults),
        IN_TMPDIR(test_interrupted),
        IN_TMPDIR(test_temporary_names),
        IN_TMPDIR(test_sweep_of_every_name),
        IN_TMPDIR(test_left_overs_are_swept),
        IN_TMPDIR(test_write_replaces_a_link),
        IN_TMPDIR(test_read_refuses),
        IN_TMPDIR(test_read_limit),
        IN_TMPDIR(test_read_path),
        IN_TMPDIR(test_private),
        IN_TMPDIR(test_private_owner),
        IN_TMPDIR(test_remove),
        IN_TMPDIR(test_set_aside),
        IN_TMPDIR(test_list),
        IN_TMPDIR(test_is_unchanged),
        IN_TMPDIR(test_dir_open),
        IN_TMPDIR(test_dir_open_relative),
        IN_TMPDIR(test_dir_open_faults),
        IN_TMPDIR(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
