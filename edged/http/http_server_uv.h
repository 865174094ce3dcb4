/* SPDX-License-Identifier: MIT */
/*
 * The libuv side of the server, private to http_server*.c: listeners and connections as handles.
 */
#ifndef HTTP_HTTP_SERVER_UV_H
#define HTTP_HTTP_SERVER_UV_H

#include "base/list.h"
#include "http/http_exchange.h"
#include "http/http_socket.h"

#include <uv.h>

#define HTTP_SPARE_MAX 8 /* closed connections whose memory is kept */

struct http_listener {
    struct list node;
    struct list conns;
    struct http_server *server;
    uv_pipe_t pipe;
    char *path; /* of the file that we made; NULL for an inherited socket */
    struct http_socket_file file;
    char *module;
    unsigned max_conns;
    unsigned max_conns_per_peer;
    unsigned max_conns_per_group;
    unsigned max_refused;
    unsigned open;    /* connections that count against the limits */
    unsigned refused; /* those that do not */
    bool closed;      /* no handle any more; freed with its last connection */
    bool closing;
    bool waiting; /* a client could not be accepted for want of memory */
    bool resting; /* a client waits until others have had their turn */
    unsigned burst;
    uint64_t burst_ms; /* when the burst began */
};

struct http_link {
    struct http_exchange x; /* first: an exchange is the link that carries it */
    struct list node;
    struct http_listener *listener;
    uv_pipe_t pipe;
    uv_poll_t hup; /* after the client has shut its writing side */
    int hup_fd;
    uv_write_t write;
    size_t write_len;
    unsigned handles; /* not yet closed */
    bool writing;
    bool reading;
    bool refused; /* one too many */
    bool grouped; /* group has been asked for */
    uint64_t group;
};

struct http_server {
    struct http_core core;
    uv_loop_t *uv;
    struct list listeners;
    struct list spares;
    unsigned spare_cnt;
    unsigned links; /* not yet freed */

    uv_timer_t timer;
    bool timer_open;   /* rest, too */
    uint64_t armed_ms; /* 0: the timer is not running */

    uv_idle_t rest; /* runs while a listener is resting */

    uv_pipe_t sink; /* accepts what there is no memory for */
    bool sink_open;

    uint64_t drain_ms; /* when what is left is closed; 0: not draining */
    uint64_t drain_streams_ms;
    void (*drained)(void *data);
    void *drained_data;

    uint8_t input[HTTP_READ_MAX];
};

/* A client is waiting at l. */
void http_link_accept(struct http_listener *l);

/* Everything but the sockets is released when its handles are closed. */
void http_link_close(struct http_link *k);

/* Makes the timer fire at the latest at deadline_ms. */
void http_server_arm_at(struct http_server *s, uint64_t deadline_ms);

/* After a link or listener has gone: frees what waited for that, ends a drain. */
void http_server_settle(struct http_server *s, struct http_listener *l);

#endif
