/* SPDX-License-Identifier: MIT */
/*
 * Preload library that ends a program at its n-th step that the outside could notice: a change of
 * the disk, or bytes leaving through a connection. What a power cut there would leave, a test then
 * finds. Or the disk is full from that step on, and the program lives with it.
 *
 * KILL_POINT=n       SIGKILL at step n, before it happens; a file write happens by half
 * KILL_POINT_FULL=n  from step n on whatever needs room on a disk fails with ENOSPC
 * KILL_POINT_LOG=f   appends one line for each step: number, call, detail
 *
 * Standard output and error are not counted: they are the log of the program under test.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The function that would have been called without this library. */
#define NEXT(name) ((__typeof__(&(name)))next_symbol(#name))

static atomic_ulong steps;
static unsigned long fatal_step;
static unsigned long full_step;
static int log_fd = -1;

static void *next_symbol(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        abort();
    }
    return found;
}

__attribute__((constructor)) static void read_environment(void) {
    const char *number = getenv("KILL_POINT");
    const char *path = getenv("KILL_POINT_LOG");
    if (number != NULL) {
        fatal_step = strtoul(number, NULL, 10);
    }
    const char *full = getenv("KILL_POINT_FULL");
    if (full != NULL) {
        full_step = strtoul(full, NULL, 10);
    }
    if (path != NULL) {
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
    }
}

/* Counts; true when the program must not survive this step. */
static bool is_fatal(const char *call, const char *detail) {
    unsigned long step = atomic_fetch_add(&steps, 1) + 1;
    if (log_fd >= 0) {
        char line[512];
        int len = snprintf(line, sizeof(line), "%lu %s %s\n", step, call, detail);
        if (len > 0) {
            size_t size = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
            (void)syscall(SYS_write, log_fd, line, size);
        }
    }
    return step == fatal_step;
}

static void die(void) {
    (void)kill(getpid(), SIGKILL);
    for (;;) {
        (void)pause();
    }
}

static void step(const char *call, const char *detail) {
    int saved = errno;
    if (is_fatal(call, detail)) {
        die();
    }
    errno = saved;
}

/* After a step was counted: no room for it, errno says so. */
static bool is_full(void) {
    if (full_step == 0 || atomic_load(&steps) < full_step) {
        return false;
    }
    errno = ENOSPC;
    return true;
}

/* --- Descriptors --- */

enum target {
    TARGET_OTHER,
    TARGET_FILE,
    TARGET_SOCKET
};

static enum target target_of(int fd) {
    struct stat st;
    if (fd == STDOUT_FILENO || fd == STDERR_FILENO || fstat(fd, &st) != 0) {
        return TARGET_OTHER;
    }
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
        return TARGET_FILE;
    }
    return S_ISSOCK(st.st_mode) ? TARGET_SOCKET : TARGET_OTHER;
}

/* Before `len` bytes go to a descriptor; of a file write that is not to be survived, half happens.
 */
static void before_output(const char *call, int fd, const void *data, size_t len) {
    int saved = errno;
    enum target target = target_of(fd);
    if (target != TARGET_OTHER && is_fatal(call, target == TARGET_FILE ? "file" : "socket")) {
        if (target == TARGET_FILE && data != NULL) {
            (void)syscall(SYS_write, fd, data, len / 2);
        }
        die();
    }
    errno = saved;
}

static bool is_full_for(int fd) {
    return target_of(fd) == TARGET_FILE && is_full();
}

EXPORT ssize_t write(int fd, const void *data, size_t len) {
    before_output("write", fd, data, len);
    return is_full_for(fd) ? -1 : NEXT(write)(fd, data, len);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int cnt) {
    before_output("writev", fd, NULL, 0);
    return is_full_for(fd) ? -1 : NEXT(writev)(fd, parts, cnt);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    before_output("pwrite", fd, NULL, 0);
    return is_full_for(fd) ? -1 : NEXT(pwrite)(fd, data, len, at);
}

EXPORT ssize_t send(int fd, const void *data, size_t len, int flags) {
    before_output("send", fd, data, len);
    return NEXT(send)(fd, data, len, flags);
}

EXPORT ssize_t sendto(int fd, const void *data, size_t len, int flags, __CONST_SOCKADDR_ARG to,
                      socklen_t to_len) {
    before_output("sendto", fd, data, len);
    return NEXT(sendto)(fd, data, len, flags, to, to_len);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    before_output("sendmsg", fd, NULL, 0);
    return NEXT(sendmsg)(fd, message, flags);
}

EXPORT int fsync(int fd) {
    before_output("fsync", fd, NULL, 0);
    return NEXT(fsync)(fd);
}

EXPORT int fdatasync(int fd) {
    before_output("fdatasync", fd, NULL, 0);
    return NEXT(fdatasync)(fd);
}

EXPORT int ftruncate(int fd, off_t len) {
    before_output("ftruncate", fd, NULL, 0);
    return NEXT(ftruncate)(fd, len);
}

/* --- Names --- */

static bool makes_file(int flags) {
    return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

/* The mode is there only when the flags say so (open(2)). */
#define READ_MODE(flags)                                                                           \
    mode_t mode = 0;                                                                               \
    if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) {                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = va_arg(args, mode_t);                                                               \
        va_end(args);                                                                              \
    }

EXPORT int open(const char *path, int flags, ...) {
    READ_MODE(flags)
    if (makes_file(flags)) {
        step("open", path);
        if (is_full()) {
            return -1;
        }
    }
    return NEXT(open)(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) {
    READ_MODE(flags)
    if (makes_file(flags)) {
        step("open", path);
        if (is_full()) {
            return -1;
        }
    }
    return NEXT(open64)(path, flags, mode);
}

EXPORT int openat(int dir, const char *path, int flags, ...) {
    READ_MODE(flags)
    if (makes_file(flags)) {
        step("openat", path);
        if (is_full()) {
            return -1;
        }
    }
    return NEXT(openat)(dir, path, flags, mode);
}

EXPORT int openat64(int dir, const char *path, int flags, ...) {
    READ_MODE(flags)
    if (makes_file(flags)) {
        step("openat", path);
        if (is_full()) {
            return -1;
        }
    }
    return NEXT(openat64)(dir, path, flags, mode);
}

EXPORT int rename(const char *from, const char *to) {
    step("rename", to);
    return is_full() ? -1 : NEXT(rename)(from, to);
}

EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    step("renameat", to);
    return is_full() ? -1 : NEXT(renameat)(from_dir, from, to_dir, to);
}

EXPORT int renameat2(int from_dir, const char *from, int to_dir, const char *to,
                     unsigned int flags) {
    step("renameat2", to);
    return is_full() ? -1 : NEXT(renameat2)(from_dir, from, to_dir, to, flags);
}

EXPORT int link(const char *from, const char *to) {
    step("link", to);
    return is_full() ? -1 : NEXT(link)(from, to);
}

EXPORT int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    step("linkat", to);
    return is_full() ? -1 : NEXT(linkat)(from_dir, from, to_dir, to, flags);
}

EXPORT int unlink(const char *path) {
    step("unlink", path);
    return NEXT(unlink)(path);
}

EXPORT int unlinkat(int dir, const char *path, int flags) {
    step("unlinkat", path);
    return NEXT(unlinkat)(dir, path, flags);
}

EXPORT int mkdir(const char *path, mode_t mode) {
    step("mkdir", path);
    return is_full() ? -1 : NEXT(mkdir)(path, mode);
}

EXPORT int mkdirat(int dir, const char *path, mode_t mode) {
    step("mkdirat", path);
    return is_full() ? -1 : NEXT(mkdirat)(dir, path, mode);
}
