/* SPDX-License-Identifier: MIT */
/*
 * The service manager: readiness, status, watchdog (sd_notify(3) protocol) and inherited sockets
 * (sd_listen_fds(3) protocol).
 */
#ifndef LOOP_NOTIFY_H
#define LOOP_NOTIFY_H

#include "base/error.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>

#define NOTIFY_FDS_MAX 1024

/* Sends newline-separated assignments such as "READY=1". Does nothing without NOTIFY_SOCKET. When
 * the manager's queue is full, waits up to 20 ms for it, then drops the message. */
void notify_send(const char *assignments);

/* Hands a descriptor to the manager's store under a name, or takes it out of the store. A name must
 * be 1 to 255 printable ASCII characters without ':'; others are ignored. */
void notify_store_fd(int fd, const char *name);
void notify_remove_fd(const char *name);

/* Starts pinging at half of WATCHDOG_USEC when set for this process; the ping comes from the loop,
 * so a stuck loop stops it. */
enum edge_code notify_watchdog_start(struct loop *l, struct edge_error *err) EDGE_NODISCARD;
void notify_watchdog_stop(void);

struct notify_fd {
    int fd;
    char name[256]; /* as in LISTEN_FDNAMES, "" when there is none */
};

/* Inherited descriptors of this process (LISTEN_PID must be ours, LISTEN_FDNAMES must have as many
 * names as LISTEN_FDS), close-on-exec and non-blocking set, each checked to be a listening stream
 * socket of the Unix family. Clears the variables. None: *ret_cnt 0. Errors: CONFIG with the
 * reason. */
enum edge_code notify_listen_fds(struct notify_fd *ret, size_t max_cnt, size_t *ret_cnt,
                                 struct edge_error *err) EDGE_NODISCARD;

#endif
