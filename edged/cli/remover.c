/* SPDX-License-Identifier: MIT */
/*
 * The order comes through a socket; its end without an order means that nothing is to be removed,
 * also when the command was killed.
 */
#include "cli/remover.h"

#include "base/attr.h"
#include "base/fs_wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHANGED 255 /* exit code: above all error numbers */
#define ORDER   'r'

/* A file in its folder, which stays the same one whatever becomes of the path. */
struct place {
    int dirfd;
    const char *name; /* the last part of the path */
    struct stat was;
};

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int find(const char *file, struct place *ret) {
    const char *slash = strrchr(file, '/');
    char *copy EDGE_CLEANUP(edge_cleanup_free) = strdup(file);
    if (copy == NULL) {
        return ENOMEM;
    }
    ret->name = slash != NULL ? slash + 1 : file;
    ret->dirfd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ret->dirfd >= 0 && fstatat(ret->dirfd, ret->name, &ret->was, AT_SYMLINK_NOFOLLOW) == 0
               ? 0
               : errno;
}

/* A secret must not stay in the blocks of a file that has no name any more. */
static void overwrite(const struct place *p) {
    struct stat is;
    int fd EDGE_CLEANUP(edge_cleanup_fd) =
        openat(p->dirfd, p->name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &is) == 0 && is_same(&is, &p->was)) {
        fs_wipe_content(fd);
    }
}

/* In the process that was split off. Exit code: an error number. */
static int wait_and_remove(int fd, const struct place *p) {
    struct stat is;
    char order = '\0';
    ssize_t len;
    do {
        len = read(fd, &order, 1);
    } while (len < 0 && errno == EINTR);
    if (len != 1 || order != ORDER) {
        return 0;
    }
    if (fstatat(p->dirfd, p->name, &is, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    if (!is_same(&is, &p->was)) {
        return CHANGED;
    }
    overwrite(p);
    /* The name is gone after a power cut, too. */
    return unlinkat(p->dirfd, p->name, 0) == 0 && fsync(p->dirfd) == 0 ? 0 : errno;
}

enum edge_code remover_start(const char *file, struct remover *ret, struct edge_error *err) {
    int ends[2];
    struct place p = {.dirfd = -1};
    *ret = (struct remover){.order_fd = -1};
    int found = find(file, &p);
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = p.dirfd;
    (void)dirfd; /* closed on return */
    if (found != 0) {
        return edge_set_errno(err, found, "cannot find '%.128s'", file);
    }
    if (!S_ISREG(p.was.st_mode)) {
        return edge_set(err, EDGE_INVALID,
                        "'%.128s' is no regular file: name the file itself, if it is to be deleted",
                        file);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return edge_set_errno(err, errno, "cannot prepare to delete '%.128s'", file);
    }
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[1]);
        _exit(wait_and_remove(ends[0], &p));
    }
    int why = errno;
    (void)close(ends[0]);
    if (pid < 0) {
        (void)close(ends[1]);
        return edge_set_errno(err, why, "cannot prepare to delete '%.128s'", file);
    }
    *ret = (struct remover){.pid = pid, .order_fd = ends[1]};
    return EDGE_OK;
}

enum edge_code remover_finish(struct remover *r, bool remove, struct edge_error *err) {
    const char order = ORDER;
    int status = 0;
    if (r->pid == 0) {
        return EDGE_OK;
    }
    bool sent = !remove || send(r->order_fd, &order, 1, MSG_NOSIGNAL) == 1;
    edge_cleanup_fd(&r->order_fd);
    pid_t done;
    do {
        done = waitpid(r->pid, &status, 0);
    } while (done < 0 && errno == EINTR);
    r->pid = 0;
    if (!sent || done < 0 || !WIFEXITED(status)) {
        return edge_set(err, EDGE_IO, "the process that was to delete it has gone");
    }
    if (WEXITSTATUS(status) == CHANGED) {
        return edge_set(err, EDGE_CONFLICT, "another file has its name now");
    }
    return WEXITSTATUS(status) == 0 ? EDGE_OK
                                    : edge_set_errno(err, WEXITSTATUS(status), "cannot delete it");
}
