/* SPDX-License-Identifier: MIT */
/*
 * Inside of the server, private to this folder: one connection with the request it carries, and
 * what it needs of the server. http_exchange.c decides, http_server.c moves the bytes.
 */
#ifndef HTTP_HTTP_EXCHANGE_H
#define HTTP_HTTP_EXCHANGE_H

#include "base/clock.h"
#include "http/http_conn.h"
#include "http/http_server.h"

#define HTTP_WHO_MAX 128

/* Where a request stands. */
enum http_phase {
    HTTP_PHASE_NONE, /* no request, or it has its answer */
    HTTP_PHASE_AUTHORIZE,
    HTTP_PHASE_BODY,
    HTTP_PHASE_HANDLE,
    HTTP_PHASE_STREAM,
};

/* What a connection waits for; decides the time it has. */
enum http_wait {
    HTTP_WAIT_NOTHING,
    HTTP_WAIT_HEAD,
    HTTP_WAIT_BODY,
    HTTP_WAIT_HANDLER,
    HTTP_WAIT_IDLE,
    HTTP_WAIT_SENT,
    HTTP_WAIT_LINGER,
};

/* Slot of the server's table: the target of handles. */
struct http_slot {
    struct http_exchange *x; /* NULL: free */
    uint32_t generation;     /* changes when a request ends */
    uint32_t next_free;
    bool taken; /* somebody holds a handle and will answer later */
};

/* The part of the server that exchanges work with. */
struct http_core {
    const struct http_service *service;
    struct loop *loop;
    struct http_timeouts times;
    struct http_server_stats stats;
    struct http_slot *slots;
    uint32_t slot_cnt;
    uint32_t slot_free; /* slot_cnt: none */
    uint64_t next_id;
    bool draining;
    int64_t date_s;
    char date[CLOCK_HTTP_LEN];
};

struct http_exchange {
    struct http_core *core;
    struct http_server *server;
    struct http_peer peer;
    const char *listener_module;
    uint32_t slot;
    bool has_slot;

    enum http_phase phase;
    bool running; /* http_exchange_run is on the stack */
    bool dead;    /* the connection is closing: nothing more is sent or served */
    bool lingering;
    bool detached;
    uint64_t id;
    uint64_t started_ms;
    struct op op;

    bool paused; /* the stream's source waits for on_writable */
    int stream_status;
    uint64_t stream_bytes;
    void (*on_writable)(void *data);
    void (*on_gone)(void *data);
    void *stream_data;

    void *conn_data;
    void (*free_conn_data)(void *data);

    enum http_wait wait;
    uint64_t wait_id;          /* request at the time the wait began */
    uint64_t waiting_since_ms; /* on the loop's clock */
    uint64_t deadline_ms;      /* on the loop's clock; 0: none */
    size_t unsent;             /* bytes the kernel had not taken when it was last looked at */

    char who[HTTP_WHO_MAX + 1];
    struct http_match match;
    struct http_conn conn;
};

/* --- http_exchange.c, called by http_server.c --- */

void http_exchange_init(struct http_exchange *x, struct http_core *core,
                        struct http_server *server);

/* Gives it a slot; NOMEM. */
enum edge_code http_exchange_enter(struct http_exchange *x, struct edge_error *err) EDGE_NODISCARD;

/* Serves what can be served now, sends what can be sent. After bytes, end of input or sent output.
 */
void http_exchange_run(struct http_exchange *x);

/* Tells a client that it is one too many; then it may only linger. */
void http_exchange_turn_away(struct http_exchange *x);

/* The deadline has passed. */
void http_exchange_expire(struct http_exchange *x);

/* The connection is closing: handles miss from now on. */
void http_exchange_kill(struct http_exchange *x);

/* The connection is closed: cancels the work, tells the stream, releases everything. */
void http_exchange_clear(struct http_exchange *x);

/* --- http_exchange.c, called by http_reply.c --- */

/* False, with a logged error, when there is no request without an answer. */
bool http_exchange_may_answer(struct http_exchange *x);
void http_exchange_answer(struct http_exchange *x, const struct http_answer *a);
const char *http_exchange_date(struct http_exchange *x);
void http_exchange_stream_started(struct http_exchange *x, int status);
bool http_exchange_stream_written(struct http_exchange *x, size_t len, bool writable);
void http_exchange_stream_ended(struct http_exchange *x);
void http_exchange_stream_forgotten(struct http_exchange *x);

/* --- http_server.c, called by http_exchange.c --- */

/* Sends what the connection has to send; true when all of it is gone. May close the connection. */
bool http_server_send(struct http_exchange *x);
void http_server_close(struct http_exchange *x); /* now */
void http_server_linger(
    struct http_exchange *x); /* shuts the writing side, drops input, closes later */
void http_server_arm(struct http_exchange *x); /* deadline_ms has been set */
void http_server_watch_input(struct http_exchange *x);
uint64_t http_server_now_ms(const struct http_server *s);
size_t http_server_unsent(const struct http_exchange *x); /* bytes the kernel has not taken yet */

#endif
