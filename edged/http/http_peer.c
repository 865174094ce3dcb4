/* SPDX-License-Identifier: MIT */
/*
 * Peer credentials. They are those of the moment of connect(); the pidfd pins that very process, so
 * that its number cannot come to mean another one. Where the kernel has no SO_PEERPIDFD
 * (before 6.5), the start time is what tells a recycled number.
 */
#include "http/http_peer.h"

#include "base/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static uint64_t read_start_time(pid_t pid) {
    char path[32];
    char text[1024];
    uint64_t start_time;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t len = read(fd, text, sizeof(text));
    if (len <= 0 || !proc_stat_start_time(slice_make(text, (size_t)len), &start_time)) {
        return 0;
    }
    return start_time;
}

enum edge_code http_peer_read(int fd, struct http_peer *ret, struct edge_error *err) {
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        return edge_set_errno(err, errno, "could not read the peer's credentials");
    }
    struct http_peer peer = {.pid = cred.pid, .uid = cred.uid, .gid = cred.gid, .pidfd = -1};
    int pidfd = -1;
    len = sizeof(pidfd);
    if (cred.pid > 0 && getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0) {
        peer.pidfd = pidfd;
    } else if (cred.pid > 0) {
        peer.start_time = read_start_time(cred.pid);
    }
    *ret = peer;
    return EDGE_OK;
}

void http_peer_clear(struct http_peer *p) {
    if (p->pidfd >= 0) {
        (void)close(p->pidfd);
    }
    *p = (struct http_peer){.pidfd = -1};
}
