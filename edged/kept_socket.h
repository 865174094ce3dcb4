/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that outlive this process. A socket file that is mounted into a container is an
 * inode: made anew at the same path, it is another one, and the container talks to nobody. So the
 * service manager keeps the descriptor while no daemon runs, and whoever connects meanwhile waits.
 */
#ifndef EDGED_KEPT_SOCKET_H
#define EDGED_KEPT_SOCKET_H

#include "base/error.h"
#include "http/http_socket.h"
#include "loop/notify.h"

#include <stdbool.h>
#include <sys/types.h>

struct kept_socket {
    struct http_socket_file file;
    int fd;    /* listens; whoever gets it closes it */
    bool made; /* now, instead of kept: who has mounted what was there before does not reach it */
};

/* Takes the socket at path out of what the manager handed over, and gives the file its mode again,
 * or makes one as of http_socket_bind and gives it to the manager, if there is one. */
enum edge_code kept_socket_open(struct notify_fds *fds, const char *path, mode_t mode,
                                struct kept_socket *ret, struct edge_error *err) EDGE_NODISCARD;

/* The path that a kept socket is bound to; NULL: it is none of ours, or has been taken. */
const char *kept_socket_path(const struct notify_fd *kept);

/* Whether the manager kept this inherited socket from the last run, so that it is not another one
 * than then; has it kept from now on. The descriptor stays the caller's. */
bool kept_socket_is_known(struct notify_fds *fds, const char *path, int fd) EDGE_NODISCARD;

/* Removes the file, and the descriptor from the manager's store. */
void kept_socket_remove(const char *path, const struct http_socket_file *file);

/* Closes the kept sockets that nobody took, and has the manager forget them. */
void kept_socket_drop_rest(struct notify_fds *fds);

#endif
