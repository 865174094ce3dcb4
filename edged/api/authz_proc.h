/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a peer, and whether it still speaks of the same process. Reads procfs only,
 * which does not block. Loop thread.
 */
#ifndef API_AUTHZ_PROC_H
#define API_AUTHZ_PROC_H

#include "api/cgroup.h"
#include "base/error.h"
#include "http/http_server.h"
#include "runtime/runtime.h"

struct authz_evidence {
    enum cgroup_verdict verdict;
    char id[RUNTIME_ID_LEN + 1]; /* for CGROUP_CONTAINER */
};

/* Reads PID/cgroup below proc_fd and then makes sure that the process it was read of is the peer:
 * its pidfd has not fired or, without pidfd, the start time of that very /proc entry is the one
 * taken at accept. A cgroup file that is hidden or too long is CGROUP_UNCLEAR. Errors: CONFLICT
 * when the peer has exited (its number may be somebody else's now), DENIED when there is nothing to
 * verify with. */
enum edge_code authz_proc_look(int proc_fd, const struct http_peer *peer,
                               struct authz_evidence *ret, struct edge_error *err) EDGE_NODISCARD;

/* Reads PID/name below proc_fd into dst, then verifies the same way; *ret_len is what was read. One
 * more error: NOT_FOUND when the file cannot be read or does not fit. */
enum edge_code authz_proc_read(int proc_fd, const struct http_peer *peer, const char *name,
                               char *dst, size_t dst_size, size_t *ret_len,
                               struct edge_error *err) EDGE_NODISCARD;

/* Only the verification, after something else was learnt about the peer's number. Same errors. */
enum edge_code authz_proc_verify(int proc_fd, const struct http_peer *peer,
                                 struct edge_error *err) EDGE_NODISCARD;

/* The start time of the process that has this number now; false when it cannot be read. */
bool authz_proc_read_start(int proc_fd, pid_t pid, uint64_t *ret);

#endif
