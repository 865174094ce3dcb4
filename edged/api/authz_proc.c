/* SPDX-License-Identifier: MIT */
/*
 * Order matters here: read first, verify afterwards. What was read before a successful verification
 * was read of the peer, because its number cannot have been given to anybody else in between.
 */
#include "api/authz_proc.h"

#include "base/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_MAX 4096

static enum edge_code peer_gone(struct edge_error *err) {
    return edge_set(err, EDGE_CONFLICT, "the process that connected has exited");
}

/* Whole file into dst; the length, or -1 when it cannot be read or does not fit. */
static ssize_t read_file(int dir_fd, const char *name, char *dst, size_t dst_size) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t len = 0;

    if (fd < 0) {
        return -1;
    }
    while (len < dst_size) {
        ssize_t n = read(fd, dst + len, dst_size - len);
        if (n == 0) {
            return (ssize_t)len;
        }
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    return -1;
}

/* The descriptor stands for the process, not for its number: once it is gone, reads through it
 * fail. */
static int open_process(int proc_fd, pid_t pid) {
    char name[16];
    (void)snprintf(name, sizeof(name), "%d", (int)pid);
    return openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static enum edge_code verify_pidfd(int pidfd, struct edge_error *err) {
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;
    do {
        n = poll(&p, 1, 0);
    } while (n < 0 && errno == EINTR);
    /* Readable means exited; anything else that is reported is no proof of life either. */
    return n == 0 ? EDGE_OK : peer_gone(err);
}

static bool read_start(int process_fd, uint64_t *ret) {
    char text[STAT_MAX];
    ssize_t len = process_fd < 0 ? -1 : read_file(process_fd, "stat", text, sizeof(text));
    return len >= 0 && proc_stat_start_time(slice_make(text, (size_t)len), ret);
}

bool authz_proc_read_start(int proc_fd, pid_t pid, uint64_t *ret) {
    int process_fd EDGE_CLEANUP(edge_cleanup_fd) = open_process(proc_fd, pid);
    return read_start(process_fd, ret);
}

static enum edge_code verify_start(int process_fd, const struct http_peer *peer,
                                   struct edge_error *err) {
    uint64_t start_time = 0;

    if (peer->start_time == 0) {
        return edge_set(err, EDGE_DENIED,
                        "nothing is known to tell whether the process is still the one that "
                        "connected");
    }
    if (!read_start(process_fd, &start_time)) {
        return peer_gone(err);
    }
    return start_time == peer->start_time ? EDGE_OK : peer_gone(err);
}

static enum edge_code verify(int process_fd, const struct http_peer *peer, struct edge_error *err) {
    if (peer->pidfd >= 0) {
        return verify_pidfd(peer->pidfd, err);
    }
    return verify_start(process_fd, peer, err);
}

enum edge_code authz_proc_verify(int proc_fd, const struct http_peer *peer,
                                 struct edge_error *err) {
    if (peer->pidfd >= 0) {
        return verify_pidfd(peer->pidfd, err);
    }
    int process_fd EDGE_CLEANUP(edge_cleanup_fd) = open_process(proc_fd, peer->pid);
    return verify_start(process_fd, peer, err);
}

enum edge_code authz_proc_look(int proc_fd, const struct http_peer *peer,
                               struct authz_evidence *ret, struct edge_error *err) {
    static char text[CGROUP_TEXT_MAX]; /* too big for the stack; the loop thread is the only user */
    int process_fd EDGE_CLEANUP(edge_cleanup_fd) = open_process(proc_fd, peer->pid);
    struct authz_evidence found = {.verdict = CGROUP_UNCLEAR};

    ssize_t len = process_fd < 0 ? -1 : read_file(process_fd, "cgroup", text, sizeof(text));
    enum edge_code code = verify(process_fd, peer, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (len >= 0) {
        found.verdict = cgroup_find_container(slice_make(text, (size_t)len), found.id);
    }
    *ret = found;
    return EDGE_OK;
}

enum edge_code authz_proc_read(int proc_fd, const struct http_peer *peer, const char *name,
                               char *dst, size_t dst_size, size_t *ret_len,
                               struct edge_error *err) {
    int process_fd EDGE_CLEANUP(edge_cleanup_fd) = open_process(proc_fd, peer->pid);
    ssize_t len = process_fd < 0 ? -1 : read_file(process_fd, name, dst, dst_size);
    enum edge_code code = verify(process_fd, peer, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (len < 0) {
        return edge_set(err, EDGE_NOT_FOUND, "its /proc/%d/%s cannot be read", (int)peer->pid,
                        name);
    }
    *ret_len = (size_t)len;
    return EDGE_OK;
}
