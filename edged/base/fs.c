/* SPDX-License-Identifier: MIT */
/*
 * Crash-safe files. A temporary file is called ".<name>.<16 hex digits>.tmp": in the same
 * directory, so that a rename replaces the old file in one step, and recognisable after a crash.
 */
#include "base/fs.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_DIGITS   16
#define TEMP_SUFFIX   ".tmp"
#define TEMP_EXTRA    (sizeof("..") - 1 + TEMP_DIGITS + sizeof(TEMP_SUFFIX) - 1)
#define TEMP_TRIES    8
#define ASIDE_TRIES   100
#define READ_CHUNK    4096 /* bytes */
#define MODE_OTHERS   077
#define DIR_FLAGS     (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define FILE_NAME_MAX ((size_t)NAME_MAX - TEMP_EXTRA)

static enum edge_code check_name(const char *name, struct edge_error *err) {
    size_t len = strlen(name);
    if (len == 0 || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        return edge_set(err, EDGE_INVALID, "not a file name");
    }
    if (len > FILE_NAME_MAX) {
        return edge_set(err, EDGE_RANGE, "file name longer than %zu bytes", FILE_NAME_MAX);
    }
    return EDGE_OK;
}

static int sync_fd(int fd) {
    int rc;
    do {
        rc = fsync(fd);
    } while (rc < 0 && errno == EINTR);
    return rc;
}

static enum edge_code sync_dir(int dirfd, const char *name, struct edge_error *err) {
    if (sync_fd(dirfd) < 0) {
        return edge_set_errno(err, errno, "cannot sync the directory of '%s'", name);
    }
    return EDGE_OK;
}

/* Makes and opens one component; an existing directory keeps its mode. */
static int enter(int at, const char *part, mode_t mode) {
    bool created = mkdirat(at, part, mode) == 0;
    if (!created && errno != EEXIST) {
        return -1;
    }
    int fd = openat(at, part, DIR_FLAGS);
    /* The umask may have taken bits away. */
    if (fd >= 0 && created && (fchmod(fd, mode) < 0 || sync_fd(at) < 0)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int make_path(const char *path, mode_t mode) {
    int at = open(path[0] == '/' ? "/" : ".", DIR_FLAGS);
    struct slice rest = slice_str(path);
    while (at >= 0 && rest.len > 0) {
        struct slice part;
        char name[NAME_MAX + 1];
        if (!slice_cut(rest, '/', &part, &rest)) {
            part = rest;
            rest = slice_make(NULL, 0);
        }
        if (part.len == 0) {
            continue;
        }
        int next = -1;
        if (slice_to_array(part, name, sizeof(name))) {
            next = enter(at, name, mode);
        } else {
            errno = ENAMETOOLONG;
        }
        edge_cleanup_fd(&at);
        at = next;
    }
    return at;
}

enum edge_code fs_dir_open(const char *path, bool create, mode_t mode, int *ret_fd,
                           struct edge_error *err) {
    int fd = open(path, DIR_FLAGS);
    if (fd < 0 && errno == ENOENT && create && path[0] != '\0') {
        fd = make_path(path, mode);
    }
    if (fd < 0) {
        return edge_set_errno(err, errno, "cannot open directory '%.128s'", path);
    }
    *ret_fd = fd;
    return EDGE_OK;
}

static int temp_create(int dirfd, const char *name, char temp[NAME_MAX + 1]) {
    for (int i = 0; i < TEMP_TRIES; i++) {
        uint64_t random;
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
            continue;
        }
        (void)snprintf(temp, NAME_MAX + 1, ".%s.%0*llx" TEMP_SUFFIX, name, TEMP_DIGITS,
                       (unsigned long long)random);
        int fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || (errno != EEXIST && errno != EINTR)) {
            return fd;
        }
    }
    return -1;
}

/* A temporary file of any name. */
static bool is_temp(const char *entry) {
    struct slice s = slice_str(entry);
    if (s.len <= TEMP_EXTRA || s.ptr[0] != '.' || !slice_ends_with(s, TEMP_SUFFIX)) {
        return false;
    }
    const char *digits = s.ptr + s.len - (sizeof(TEMP_SUFFIX) - 1) - TEMP_DIGITS;
    return digits[-1] == '.' && strspn(digits, "0123456789abcdef") == TEMP_DIGITS;
}

static bool is_temp_of(const char *entry, const char *name) {
    size_t name_len = strlen(name);
    struct slice s = slice_str(entry);
    return s.len == name_len + TEMP_EXTRA && s.ptr[0] == '.' &&
           memcmp(s.ptr + 1, name, name_len) == 0 && s.ptr[name_len + 1] == '.' &&
           strspn(s.ptr + name_len + 2, "0123456789abcdef") == TEMP_DIGITS &&
           slice_ends_with(s, TEMP_SUFFIX);
}

/* A directory stream of its own position. */
static DIR *list_open(int dirfd) {
    int fd = openat(dirfd, ".", DIR_FLAGS);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        edge_cleanup_fd(&fd);
    }
    return dir;
}

/* What an earlier crash left of this name, or with NULL of any. Failure to tidy is no failure of
 * the write. */
static void temp_sweep(int dirfd, const char *name) {
    DIR *dir = list_open(dirfd);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (name != NULL ? is_temp_of(e->d_name, name) : is_temp(e->d_name)) {
            unlinkat(dirfd, e->d_name, 0);
        }
    }
    closedir(dir);
}

void fs_sweep(int dirfd) {
    temp_sweep(dirfd, NULL);
}

static int write_all(int fd, struct slice content) {
    while (content.len > 0) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        content = slice_make(content.ptr + n, content.len - (size_t)n);
    }
    return 0;
}

enum edge_code fs_write_atomic(int dirfd, const char *name, struct slice content,
                               struct edge_error *err) {
    return fs_write_atomic_mode(dirfd, name, content, 0600, err);
}

enum edge_code fs_write_atomic_mode(int dirfd, const char *name, struct slice content, mode_t mode,
                                    struct edge_error *err) {
    enum edge_code code = check_name(name, err);
    if (code != EDGE_OK) {
        return code;
    }
    char temp[NAME_MAX + 1];
    int fd EDGE_CLEANUP(edge_cleanup_fd) = temp_create(dirfd, name, temp);
    if (fd < 0) {
        return edge_set_errno(err, errno, "cannot create a temporary file for '%s'", name);
    }
    if (write_all(fd, content) < 0 || fchmod(fd, mode) < 0 || sync_fd(fd) < 0) {
        code = edge_set_errno(err, errno, "cannot write '%s'", name);
    } else if (renameat(dirfd, temp, dirfd, name) < 0) {
        code = edge_set_errno(err, errno, "cannot replace '%s'", name);
    }
    if (code != EDGE_OK) {
        unlinkat(dirfd, temp, 0);
        return code;
    }
    temp_sweep(dirfd, name);
    return sync_dir(dirfd, name, err);
}

static enum edge_code read_all(int fd, const char *name, struct buf *out, struct edge_error *err) {
    for (;;) {
        /* One byte more than allowed shows that there is more. */
        uint8_t probe = 0;
        size_t room = out->max - out->len;
        size_t want = room < READ_CHUNK ? room : READ_CHUNK;
        uint8_t *to = &probe;
        if (want > 0) {
            enum edge_code code = buf_reserve(out, want, &to, err);
            if (code != EDGE_OK) {
                return code;
            }
        }
        ssize_t n = read(fd, to, want > 0 ? want : 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return edge_set_errno(err, errno, "cannot read '%s'", name);
        }
        if (n == 0) {
            return EDGE_OK;
        }
        if (want == 0) {
            return edge_set(err, EDGE_RANGE, "'%s' is larger than %zu bytes", name, out->max);
        }
        buf_added(out, (size_t)n);
    }
}

static enum edge_code check_private(const struct stat *st, const char *name,
                                    struct edge_error *err) {
    if (st->st_mode & MODE_OTHERS) {
        return edge_set(err, EDGE_DENIED, "'%s' is open to others (mode %04o); set mode 0600", name,
                        (unsigned)st->st_mode & 07777);
    }
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        return edge_set(err, EDGE_DENIED, "'%s' belongs to another user (uid %u)", name,
                        (unsigned)st->st_uid);
    }
    return EDGE_OK;
}

/* The rest of a read, of a file that was opened with O_NONBLOCK: a FIFO of that name must not stop
 * us. */
static enum edge_code read_opened(int fd, const char *name, bool is_private, struct buf *out,
                                  struct edge_error *err) {
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return edge_set_errno(err, errno, "cannot open '%s'", name);
    }
    if (!S_ISREG(st.st_mode)) {
        return edge_set(err, EDGE_INVALID, "'%s' is not a regular file", name);
    }
    enum edge_code code = is_private ? check_private(&st, name, err) : EDGE_OK;
    size_t start = out->len;
    if (code == EDGE_OK) {
        code = read_all(fd, name, out, err);
    }
    if (code != EDGE_OK) {
        buf_truncate(out, start);
    }
    return code;
}

static enum edge_code read_file(int dirfd, const char *name, bool is_private, struct buf *out,
                                struct edge_error *err) {
    enum edge_code code = check_name(name, err);
    if (code != EDGE_OK) {
        return code;
    }
    int fd EDGE_CLEANUP(edge_cleanup_fd) =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return read_opened(fd, name, is_private, out, err);
}

enum edge_code fs_read_path(const char *path, struct buf *out, struct edge_error *err) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return read_opened(fd, path, false, out, err);
}

enum edge_code fs_read(int dirfd, const char *name, struct buf *out, struct edge_error *err) {
    return read_file(dirfd, name, false, out, err);
}

enum edge_code fs_read_private(int dirfd, const char *name, struct buf *out,
                               struct edge_error *err) {
    return read_file(dirfd, name, true, out, err);
}

enum edge_code fs_remove(int dirfd, const char *name, struct edge_error *err) {
    enum edge_code code = check_name(name, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (unlinkat(dirfd, name, 0) < 0) {
        if (errno == ENOENT) {
            return EDGE_OK;
        }
        return edge_set_errno(err, errno, "cannot remove '%s'", name);
    }
    return sync_dir(dirfd, name, err);
}

enum edge_code fs_set_aside(int dirfd, const char *name, char *ret_name, size_t ret_size,
                            struct edge_error *err) {
    return fs_set_aside_as(dirfd, name, "damaged", ret_name, ret_size, err);
}

enum edge_code fs_set_aside_as(int dirfd, const char *name, const char *word, char *ret_name,
                               size_t ret_size, struct edge_error *err) {
    enum edge_code code = check_name(name, err);
    if (code != EDGE_OK) {
        return code;
    }
    char aside[2 * NAME_MAX];
    int rc = -1;
    errno = EEXIST;
    for (int i = 0; rc < 0 && errno == EEXIST && i < ASIDE_TRIES; i++) {
        int len =
            snprintf(aside, sizeof(aside), "%s.%s-%lld", name, word, (long long)clock_wall_s());
        if (i > 0) {
            (void)snprintf(aside + len, sizeof(aside) - (size_t)len, "-%d", i);
        }
        rc = renameat2(dirfd, name, dirfd, aside, RENAME_NOREPLACE);
    }
    if (rc < 0) {
        return edge_set_errno(err, errno, "cannot set '%s' aside", name);
    }
    if (ret_name != NULL && ret_size > 0) {
        (void)snprintf(ret_name, ret_size, "%s", aside);
    }
    return sync_dir(dirfd, name, err);
}

static int compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum edge_code list_add(struct fs_names *names, const char *name, struct edge_error *err) {
    /* Room grows at powers of two. */
    if ((names->cnt & (names->cnt - 1)) == 0) {
        char **more =
            reallocarray(names->list, names->cnt > 0 ? names->cnt * 2 : 1, sizeof(char *));
        if (more == NULL) {
            return edge_set(err, EDGE_NOMEM, "out of memory for file names");
        }
        names->list = more;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for file names");
    }
    names->list[names->cnt++] = copy;
    return EDGE_OK;
}

enum edge_code fs_list(int dirfd, const char *prefix, size_t max, struct fs_names *ret,
                       struct edge_error *err) {
    DIR *dir = list_open(dirfd);
    if (dir == NULL) {
        return edge_set_errno(err, errno, "cannot list a directory");
    }
    enum edge_code code = EDGE_OK;
    struct fs_names names = {0};
    struct dirent *e;
    while (code == EDGE_OK && (errno = 0, e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.' || !slice_starts_with(slice_str(e->d_name), prefix)) {
            continue;
        }
        if (names.cnt == max) {
            code = edge_set(err, EDGE_RANGE, "more than %zu files", max);
        } else {
            code = list_add(&names, e->d_name, err);
        }
    }
    if (code == EDGE_OK && errno != 0) {
        code = edge_set_errno(err, errno, "cannot list a directory");
    }
    closedir(dir);
    if (code != EDGE_OK) {
        fs_names_clear(&names);
        return code;
    }
    if (names.cnt > 0) {
        qsort(names.list, names.cnt, sizeof(char *), compare);
    }
    *ret = names;
    return EDGE_OK;
}

void fs_names_clear(struct fs_names *n) {
    for (size_t i = 0; i < n->cnt; i++) {
        free(n->list[i]);
    }
    free(n->list);
    *n = (struct fs_names){0};
}

static bool time_eq(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool fs_is_unchanged(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           time_eq(a->st_mtim, b->st_mtim) && time_eq(a->st_ctim, b->st_ctim);
}
