/* SPDX-License-Identifier: MIT */
/*
 * A real server on a real socket with its clients in the same thread: each wait of a client turns
 * the server's loop. Time is made here, so a test takes as long and goes the same way on a busy
 * machine: link with uv_now and uv_timer_start wrapped. Failures end the cmocka test.
 */
#ifndef UNIT_HTTP_WORLD_H
#define UNIT_HTTP_WORLD_H

#include "http/http_reply.h"
#include "http/http_server.h"
#include "loop/loop.h"
#include "support/tmpdir.h"

#include "conformance/http_answers.h"

#define WORLD_V    "?api-version=2018-06-28"
#define WORLD_MS   5000 /* longest wait for anything */
#define WORLD_TEXT (3 * 1024 * 1024)

struct world {
    struct tmpdir *dir;
    char path[256];
    struct loop *loop;
    struct http_server *server;
    bool drained;

    /* GET /hook, POST /hook (body up to 1 MiB), GET /brief (deadline 50 ms) */
    void (*handler)(struct http_exchange *x);
    /* POST /own/{name} (sensitive, CALLER), GET /agent (EDGE_AGENT) */
    void (*authorizer)(struct http_exchange *x, enum http_policy policy, struct slice module);
    uint64_t group; /* of peers that are asked about now */
    unsigned calls;

    char text[WORLD_TEXT]; /* what the last world_read got */
    size_t text_len;
    bool eof;
    bool reset;
    struct http_answers answers;
};

extern struct world world;

/* Loop, server and a listener with the given options and times; NULL for defaults. */
void world_open(const struct http_listen_options *opt, const struct http_timeouts *times);
void world_drain(void);
void world_close(void); /* drains, frees, checks that nothing is left */

void world_turn_once(void);

/* Turns the loop until nothing is ready; no time passes. */
void world_turn(void);
void world_turn_ms(unsigned ms);
void world_turn_until(bool (*done)(void));

int world_connect(void);
void world_send(int fd, const char *text);
void world_send_bytes(int fd, const void *bytes, size_t len);

/* Reads until `cnt` whole answers or the end are there; text, eof and answers say what came. */
void world_read(int fd, size_t cnt);
void world_read_to_end(int fd);
bool world_contains(const char *text);

/* One request on a connection of its own; returns the status. */
int world_ask(const char *request);

struct http_server_stats world_stats(void);
void world_reply_text(struct http_exchange *x, const char *text);

#endif
