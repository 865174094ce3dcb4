/* SPDX-License-Identifier: MIT */
#include "base/fs_wipe.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define OVERWRITE_MAX ((off_t)1024 * 1024) /* bytes of one file */

static int open_old(int dirfd, const char *name) {
    return openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* What cannot be overwritten is removed all the same. A file that has more names than it should is
 * somebody else's as well. */
static void overwrite(int fd, nlink_t names) {
    static const char zeros[4096];
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != names) {
        return;
    }
    off_t left = st.st_size < OVERWRITE_MAX ? st.st_size : OVERWRITE_MAX;
    while (left > 0) {
        ssize_t n = write(fd, zeros, left < (off_t)sizeof(zeros) ? (size_t)left : sizeof(zeros));
        if (n <= 0 && errno != EINTR) {
            return;
        }
        left -= n > 0 ? n : 0;
    }
    (void)fsync(fd);
}

void fs_wipe_content(int fd) {
    overwrite(fd, 1);
}

static enum edge_code finish(int dirfd, const char *renamed, struct edge_error *err) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open_old(dirfd, renamed);
    fs_wipe_content(fd);
    return fs_remove(dirfd, renamed, err);
}

enum edge_code fs_wipe(int dirfd, const char *name, struct edge_error *err) {
    char renamed[NAME_MAX + 1];
    struct stat st;
    int len = snprintf(renamed, sizeof(renamed), "%s" FS_WIPE_SUFFIX, name);
    if (len < 0 || (size_t)len >= sizeof(renamed) || slice_find(slice_str(name), '/') >= 0) {
        return edge_set(err, EDGE_INVALID, "'%.64s' is not a file name", name);
    }
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno == ENOENT ? EDGE_OK : edge_set_errno(err, errno, "cannot look at '%s'", name);
    }
    if (!S_ISREG(st.st_mode)) {
        return edge_set(err, EDGE_INVALID, "'%s' is not a regular file", name);
    }
    if (renameat(dirfd, name, dirfd, renamed) < 0 || fsync(dirfd) < 0) {
        return edge_set_errno(err, errno, "cannot rename '%s'", name);
    }
    return finish(dirfd, renamed, err);
}

enum edge_code fs_wipe_replace(int dirfd, const char *name, struct slice content,
                               struct edge_error *err) {
    int old EDGE_CLEANUP(edge_cleanup_fd) = open_old(dirfd, name);
    enum edge_code code = fs_write_atomic(dirfd, name, content, err);
    if (code == EDGE_OK) {
        overwrite(old, 0); /* the name is the new one's now */
    }
    return code;
}

enum edge_code fs_wipe_rest(int dirfd, size_t *ret_cnt, struct edge_error *err) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    struct stat st;
    *ret_cnt = 0;
    enum edge_code code = fs_list(dirfd, "", FS_WIPE_FILES_MAX, &names, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; code == EDGE_OK && i < names.cnt; i++) {
        if (slice_ends_with(slice_str(names.list[i]), FS_WIPE_SUFFIX) &&
            fstatat(dirfd, names.list[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            code = finish(dirfd, names.list[i], err);
            *ret_cnt += code == EDGE_OK ? 1 : 0;
        }
    }
    return code;
}
