/*
 * HTTP/1.1 server on Unix sockets: listeners, peer credentials, limits, timers, and the exchange that a
 * handler sees. Loop thread only.
 *
 * Life of a request: bytes -> strict head gate -> api-version and route -> the service's authorize hook ->
 * body -> handler -> one answer. Strangers are turned away before their body is read.
 */
#ifndef HTTP_HTTP_SERVER_H
#define HTTP_HTTP_SERVER_H

#include "base/error.h"
#include "base/slice.h"
#include "http/http_router.h"
#include "loop/loop.h"
#include "loop/op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_HEAD_MAX         (16 * 1024)
#define HTTP_FIELDS_MAX       64
#define HTTP_BODY_DEFAULT_MAX (1024 * 1024)
#define HTTP_HEAD_TIMEOUT_MS  10000
#define HTTP_BODY_TIMEOUT_MS  30000
#define HTTP_IDLE_TIMEOUT_MS  60000
#define HTTP_STREAM_HIGH      (256 * 1024) /* bytes queued that pause a stream answer */
#define HTTP_LISTENER_CONNS   64
#define HTTP_PEER_CONNS       8            /* per peer process */

/* The process at the other end, read from the kernel at accept, before the first byte. Stored by value. */
struct http_peer {
    pid_t pid; /* 0: not known (other pid namespace) */
    uid_t uid;
    gid_t gid;
    int pidfd;           /* SO_PEERPIDFD or -1 where the kernel has none; owned by the connection */
    uint64_t start_time; /* field 22 of /proc/PID/stat, 0 when unreadable */
};

/* What listens together: one API. Borrowed for the life of the server. */
struct http_service {
    const char *name; /* "mgmt", "work": for logs */
    const struct http_route *routes;
    size_t route_cnt;
    /* Decides about a request whose route is not anonymous: calls http_exchange_allow or
     * http_exchange_deny, now or later, exactly once. module: the path's first parameter, or
     * "edgeAgent". May be NULL when all routes are anonymous. */
    void (*authorize)(void *data, struct http_exchange *x, enum http_policy policy,
                      struct slice module);
    void *data;
    void *context; /* what the handlers work on: http_exchange_context */
};

struct http_server;

enum edge_code http_server_new(struct loop *l, const struct http_service *service,
                               struct http_server **ret, struct edge_error *err) EDGE_NODISCARD;

/* Per-listener limits; zero fields take the defaults above. */
struct http_listen_options {
    unsigned max_conns;
    unsigned max_conns_per_peer;
    const char *module; /* name of the module that this socket belongs to, or NULL for a shared one; kept */
    mode_t mode;        /* of a socket file that is created: 0660, 0666 */
};

/* Binds path: missing parents are made (0755), a stale socket file or an *empty* directory at the path is
 * removed, a live socket (somebody answers) is CONFLICT. Mode is set before listen. */
enum edge_code http_server_listen_path(struct http_server *s, const char *path,
                                       const struct http_listen_options *opt,
                                       struct edge_error *err) EDGE_NODISCARD;

/* Takes over an inherited listening socket; its file is never unlinked by us. */
enum edge_code http_server_listen_fd(struct http_server *s, int fd,
                                     const struct http_listen_options *opt,
                                     struct edge_error *err) EDGE_NODISCARD;

/* Stops accepting, lets requests in flight finish for at most timeout_ms, then closes everything; socket
 * files that we bound are unlinked. done() runs once; then http_server_free. */
void http_server_drain(struct http_server *s, uint32_t timeout_ms, void (*done)(void *data), void *data);
void http_server_free(struct http_server *s);

struct http_server_stats {
    uint64_t accepted, refused, requests, answered_4xx, answered_5xx;
    unsigned open;
};
void http_server_get_stats(const struct http_server *s, struct http_server_stats *ret);

/* --- The exchange, as authorizers and handlers see it --- */

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

/* Handle that survives the exchange: work that completes later looks the exchange up by it and gets NULL
 * when the client has gone or the deadline has answered. */
struct op http_exchange_handle(const struct http_exchange *x);
struct http_exchange *http_exchange_from(struct http_server *s, struct op handle);

/* Operation to cancel (op_cancel) when the client goes away or the deadline passes. */
void http_exchange_set_op(struct http_exchange *x, struct op op);

/* Makes the handler's work go on when the client goes away (the answer is then dropped). */
void http_exchange_detach(struct http_exchange *x);

/* One value that lives as long as the connection, such as the caller's proven identity. */
void http_exchange_set_conn_data(struct http_exchange *x, void *data, void (*free_data)(void *data));
void *http_exchange_conn_data(const struct http_exchange *x);

/* The authorizer's verdict. who: the caller's name for the access log (copied; may be empty). */
void http_exchange_allow(struct http_exchange *x, struct slice who);
void http_exchange_deny(struct http_exchange *x, int status, const char *message);

#endif
