/* SPDX-License-Identifier: MIT */
/*
 * flock(2), not fcntl(2): the latter is lost when any descriptor of the file is closed. The number
 * in the file is for people only.
 */
#include "base/lock.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define NUMBER_MAX 16

static int open_file(int dirfd, const char *name) {
    int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && (errno == EROFS || errno == EACCES || errno == ENOSPC || errno == EDQUOT)) {
        int saved = errno;
        fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        errno = saved;
    }
    return fd;
}

static enum edge_code held(int fd, const char *dir, struct edge_error *err) {
    char text[NUMBER_MAX] = "";
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
    struct slice number = slice_make(text, len > 0 ? (size_t)len : 0);
    uint64_t pid;
    number = slice_trim(number);
    if (!slice_parse_u64(number, INT32_MAX, &pid)) {
        return edge_set(err, EDGE_CONFLICT, "another process works on '%.128s'", dir);
    }
    return edge_set(err, EDGE_CONFLICT, "process %d works on '%.128s'", (int)pid, dir);
}

/* Best effort: a full disk takes no number. */
static void leave_number(int fd) {
    char text[NUMBER_MAX];
    int len = snprintf(text, sizeof(text), "%-10d", (int)getpid());
    ssize_t written = pwrite(fd, text, (size_t)len, 0);
    (void)written;
}

enum edge_code lock_take(const char *dir, const char *name, int *ret_fd, struct edge_error *err) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = fs_dir_open(dir, true, 0700, &dirfd, err);
    if (code != EDGE_OK) {
        return code;
    }
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open_file(dirfd, name);
    if (fd < 0) {
        return edge_set_errno(err, errno, "cannot open the lock '%.128s/%.64s'", dir, name);
    }
    int rc;
    do {
        rc = flock(fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno == EWOULDBLOCK) {
        return held(fd, dir, err);
    }
    if (rc != 0) {
        return edge_set_errno(err, errno, "cannot lock '%.128s/%.64s'", dir, name);
    }
    leave_number(fd);
    *ret_fd = TAKE_FD(fd);
    return EDGE_OK;
}
