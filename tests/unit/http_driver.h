/* SPDX-License-Identifier: MIT */
/*
 * Drives a connection in memory as the server does, with one rule for routes: POST /echo is
 * answered with its body, everything else without looking at it. For the tests and fuzzers of
 * http_conn.
 */
#ifndef UNIT_HTTP_DRIVER_H
#define UNIT_HTTP_DRIVER_H

#include "http/http_conn.h"

#define DRIVER_DATE     "Sun, 06 Nov 1994 08:49:37 GMT"
#define DRIVER_BODY_MAX (1024 * 1024)

struct http_driver {
    struct http_conn conn;
    struct buf out;  /* all that was sent */
    size_t send_max; /* bytes taken of the output at a time; 0: all */
    size_t requests; /* heads and refusals */
    size_t answers;
    bool closed;  /* the connection said CLOSE */
    bool lingers; /* and that it should linger */
    bool defer;   /* answers come only with http_driver_answer */
    bool owes;
    bool failed; /* the driver itself was out of memory */
};

void http_driver_init(struct http_driver *d);
void http_driver_clear(struct http_driver *d);

/* Feeds and runs until the connection waits. */
void http_driver_feed(struct http_driver *d, const void *bytes, size_t len);
void http_driver_eof(struct http_driver *d);
void http_driver_run(struct http_driver *d);

/* Gives the owed answer. */
void http_driver_answer(struct http_driver *d);

#endif
