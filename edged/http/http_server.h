/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 server on Unix sockets: listeners, peer credentials, limits, timers, and the exchange
 * that a handler sees. Loop thread only.
 *
 * Life of a request: bytes -> strict head gate -> api-version and route -> the service's authorize
 * hook -> body -> handler -> one answer. Strangers are turned away before their body is read.
 */
#ifndef HTTP_HTTP_SERVER_H
#define HTTP_HTTP_SERVER_H

#include "base/error.h"
#include "base/slice.h"
#include "http/http_limits.h"
#include "http/http_router.h"
#include "loop/loop.h"
#include "loop/op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The process at the other end, read from the kernel at accept, before the first byte. Stored by
 * value. */
struct http_peer {
    pid_t pid; /* 0: not known (other pid namespace) */
    uid_t uid;
    gid_t gid;
    int pidfd;           /* SO_PEERPIDFD or -1 where the kernel has none; owned by the connection */
    uint64_t start_time; /* field 22 of /proc/PID/stat; 0 when unreadable, or when pidfd is there */
};

/* What listens together: one API. Borrowed for the life of the server. */
struct http_service {
    const char *name; /* "mgmt", "work": for logs */
    const struct http_route *routes;
    size_t route_cnt;
    /* Decides about a request whose route is not anonymous: calls http_exchange_allow or
     * http_exchange_deny, now or later, exactly once. module: the path's first parameter,
     * "edgeAgent", or nothing for an operator's route. May be NULL when all routes are anonymous.
     */
    void (*authorize)(void *data, struct http_exchange *x, enum http_policy policy,
                      struct slice module);
    /* Whose a connection is, for max_conns_per_group: equal numbers belong together. A module can
     * have any number of processes, so the limit per process alone does not bound it. 0: cannot be
     * told, no limit. Asked at accept, and only while many connections are open; must not block.
     * NULL: no groups. */
    uint64_t (*group)(void *data, const struct http_peer *peer);
    void *data;    /* of both */
    void *context; /* what the handlers work on: http_exchange_context */
};

struct http_server;

enum edge_code http_server_new(struct loop *l, const struct http_service *service,
                               struct http_server **ret, struct edge_error *err) EDGE_NODISCARD;

/* Of one listener. Limits that are zero take the defaults of http_limits.h. Beyond max_conns a
 * newcomer takes the place of the client that has kept the server waiting the longest. */
struct http_listen_options {
    unsigned max_conns;
    unsigned max_conns_per_peer;
    unsigned max_conns_per_group; /* see http_service.group */
    unsigned max_refused;         /* connections above the limits that are told so */
    const char *module;           /* whose socket this is; NULL: shared by all. Copied */
    mode_t mode;                  /* of a socket file that is created: 0660, 0666 */
};

/* Binds path: missing parents are made (0755), a stale socket file or an *empty* directory at the
 * path is removed, a live socket (somebody answers) is CONFLICT. Mode is set before listen. */
enum edge_code http_server_listen_path(struct http_server *s, const char *path,
                                       const struct http_listen_options *opt,
                                       struct edge_error *err) EDGE_NODISCARD;

/* Takes over an inherited listening socket; its file is never unlinked by us. The descriptor is
 * ours, also on failure. Errors: INVALID when it is not a listening stream socket of the Unix
 * family. */
enum edge_code http_server_listen_fd(struct http_server *s, int fd,
                                     const struct http_listen_options *opt,
                                     struct edge_error *err) EDGE_NODISCARD;

/* Stops accepting, lets requests in flight finish for at most timeout_ms (stream answers
 * HTTP_DRAIN_STREAM_MS), then closes everything; socket files that we bound are unlinked. done()
 * runs once, later than this call; then http_server_free. */
void http_server_drain(struct http_server *s, uint32_t timeout_ms, void (*done)(void *data),
                       void *data);

/* After done(), or of a server that never listened. NULL allowed. */
void http_server_free(struct http_server *s);

/* Closes the listeners of a module (options.module) and unlinks the file of one that was opened on
 * a path; their connections live on. Does nothing when there is none. */
void http_server_unlisten(struct http_server *s, const char *module);

/* Other times than those of http_limits.h, for tests; 0 keeps the present one. Before the first
 * listener. */
struct http_timeouts {
    uint32_t head_ms, body_ms, idle_ms, linger_ms;
};
void http_server_set_timeouts(struct http_server *s, const struct http_timeouts *t);

struct http_server_stats {
    uint64_t accepted, refused, requests, answered_4xx, answered_5xx;
    unsigned open;
};
void http_server_get_stats(const struct http_server *s, struct http_server_stats *ret);

/*
 * --- The exchange, as authorizers and handlers see it ---
 *
 * A handler answers before it returns (http_reply.h), or it takes a handle and answers later, or it
 * begins a stream. One that does neither has dropped the request: the server answers 500 and logs
 * an error. The same holds for the authorize hook and its verdict. A pointer to an exchange is good
 * until the hook returns; after that only through a handle, and for streams until their end or
 * on_gone.
 */

struct http_server *http_exchange_server(struct http_exchange *x);
void *http_exchange_context(const struct http_exchange *x); /* the service's context */
const struct http_peer *http_exchange_peer(const struct http_exchange *x);
const char *http_exchange_listener_module(const struct http_exchange *x); /* see options.module */
const struct http_route *http_exchange_route(const struct http_exchange *x);
struct slice http_exchange_param(const struct http_exchange *x, size_t index);
struct slice http_exchange_target(const struct http_exchange *x);
struct slice http_exchange_version(const struct http_exchange *x);
struct slice http_exchange_body(const struct http_exchange *x); /* whole; valid until the answer */
uint64_t http_exchange_id(const struct http_exchange *x);       /* request id, for logs */

/* Handle that survives the exchange: work that completes later looks the exchange up by it and gets
 * NULL when the client has gone or the deadline has answered. Not for op_cancel: it is of the
 * server's own table. */
struct op http_exchange_handle(const struct http_exchange *x);
struct http_exchange *http_exchange_from(struct http_server *s, struct op handle);

/* Operation to cancel (op_cancel) when the client goes away or the deadline passes; replaces an
 * earlier one. */
void http_exchange_set_op(struct http_exchange *x, struct op op);

/* Makes the handler's work go on when the client goes away or the deadline passes: its operation is
 * not cancelled. The answer is then dropped, as http_exchange_from gives NULL. */
void http_exchange_detach(struct http_exchange *x);

/* One value that lives as long as the connection, such as the caller's proven identity. */
void http_exchange_set_conn_data(struct http_exchange *x, void *data,
                                 void (*free_data)(void *data));
void *http_exchange_conn_data(const struct http_exchange *x);

/* The authorizer's verdict. who: the caller's name for the access log (copied; may be empty). A 503
 * (nobody could be asked) carries Retry-After. */
void http_exchange_allow(struct http_exchange *x, struct slice who);
void http_exchange_deny(struct http_exchange *x, int status, const char *message);

#endif
