/* SPDX-License-Identifier: MIT */
/*
 * Whether a process is an operator of this machine: root, this daemon's own user, or a member of
 * this daemon's group, and in no container. That it could open the socket proves nothing: the start
 * script of edgeAgent gives the socket file away to a user of its own, whose number may mean
 * somebody else on the host. Reads procfs only. Loop thread.
 */
#ifndef API_AUTHZ_HOST_H
#define API_AUTHZ_HOST_H

#include "base/error.h"
#include "http/http_server.h"

#include <stdbool.h>
#include <sys/types.h>

#define AUTHZ_HOST "operator" /* what such a caller is called in the log */

/* The daemon. */
struct authz_self {
    uid_t uid;
    gid_t gid;
};

/* OK when it is; anything else refuses, and the text is the reason. A cgroup of the host's is not
 * enough: a container that was given the cgroup file system could move there, so the process must
 * share the daemon's process numbers as well. One whose cgroup does not settle whether a container
 * holds it counts as the host's only if it also shares the daemon's own cgroup, which no container
 * other than the daemon's does. */
enum edge_code authz_host_check(int proc_fd, const struct http_peer *peer,
                                const struct authz_self *self,
                                struct edge_error *err) EDGE_NODISCARD;

/* Pure: whether it is root or the daemon's user: what can undo the protection of the store is not
 * for the whole group. */
bool authz_host_is_owner(const struct http_peer *peer, const struct authz_self *self);

/* Pure: whether the Groups: line of a /proc/PID/status text names gid. */
bool authz_host_has_group(struct slice status, gid_t gid);

/* Pure: whether the NSpid: line tells that the process is in the reader's own pid namespace. */
bool authz_host_shares_pids(struct slice status);

#endif
