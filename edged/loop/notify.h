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

#define NOTIFY_NAME_MAX 255
#define NOTIFY_FDS_MAX  2048 /* one for each container there can be, and more */

/* Sends newline-separated assignments such as "READY=1". Does nothing without NOTIFY_SOCKET. When
 * the manager's queue is full, waits up to 20 ms for it, then drops the message. */
void notify_send(const char *assignments);

/* Whether there is a manager that we can speak to. */
bool notify_is_managed(void);

/* Hands a descriptor to the manager's store under a name, or takes it out of the store. A name must
 * be 1 to NOTIFY_NAME_MAX printable ASCII characters without ':'; others are ignored. */
void notify_store_fd(int fd, const char *name);
void notify_remove_fd(const char *name);

/* Starts pinging at half of WATCHDOG_USEC when set for this process; the ping comes from the loop,
 * so a stuck loop stops it. */
enum edge_code notify_watchdog_start(struct loop *l, struct edge_error *err) EDGE_NODISCARD;
void notify_watchdog_stop(void);

struct notify_fd {
    int fd;
    char name[NOTIFY_NAME_MAX + 1]; /* as in LISTEN_FDNAMES, "" when there is none */
};

struct notify_fds {
    struct notify_fd *items; /* NULL when there is none */
    size_t cnt;
};

/* Inherited descriptors of this process (LISTEN_PID must be ours, LISTEN_FDNAMES must have as many
 * names as LISTEN_FDS), close-on-exec and non-blocking set, each checked to be a listening stream
 * socket of the Unix family. Clears the variables. None: cnt 0. Errors: CONFIG with the reason,
 * NOMEM. */
enum edge_code notify_listen_fds(struct notify_fds *ret, struct edge_error *err) EDGE_NODISCARD;

/* Frees the list; the descriptors are left alone. */
void notify_fds_clear(struct notify_fds *fds);

#endif
