/* SPDX-License-Identifier: MIT */
/*
 * Calls of the HTTP client to tests/support/fault_server.py, with a record of what came back. The
 * checks in here are those that hold for each call: one completion, never inside the call that
 * causes it.
 */
#ifndef SUPPORT_HTTP_CALLS_H
#define SUPPORT_HTTP_CALLS_H

#include "base/error.h"
#include "loop/http_client.h"
#include "loop/loop.h"
#include "support/fault_server.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_CALL_URL_MAX  256
#define HTTP_CALL_BODY_MAX 4096

enum http_call_step {
    HTTP_CALL_NONE,
    HTTP_CALL_SENT,
    HTTP_CALL_OPEN,
    HTTP_CALL_DATA,
    HTTP_CALL_TIMER,
};

struct http_calls {
    struct loop *loop;
    struct http_client *client;
    struct loop_timer *timer;
    bool closed;
};

struct http_call {
    struct http_calls *f;
    struct op op;
    enum http_call_step cancel_at;
    bool in_send;
    bool pause; /* after each piece; the timer ends it */
    unsigned pause_ms;
    unsigned paused_cnt;
    unsigned open_ms; /* from on_open to the timer; 0: it is not started there */
    unsigned opened_cnt;
    int open_status;
    unsigned done_cnt;
    size_t streamed;
    size_t piece_max;
    enum edge_code code;
    int status;
    bool tls_verified;
    char body[HTTP_CALL_BODY_MAX];
    size_t body_len;
    char error[EDGE_ERROR_TEXT_MAX];
    char retry_after[64];
    char content_type[64];
    char date[64];
    struct http_call *next; /* sent from on_done or http_call_on_data of this one */
    struct http_client_request request;
    char url[HTTP_CALL_URL_MAX];
};

extern struct fault_server http_calls_server;

/* Fixtures of a group and of each test; *state is the struct http_calls. */
int http_calls_start_server(void **state);
int http_calls_stop_server(void **state);
int http_calls_set_up(void **state);
int http_calls_tear_down(void **state);
void http_calls_on_closed(void *data);

/* Replaces the fixture's client by one with this proxy and these exceptions, as the options have
 * them. */
void http_calls_reopen(struct http_calls *f, const char *https_proxy, const char *no_proxy);

/* kind: port of the server, or "sock"; "plain" is asked by plain HTTP. A GET that the test may
 * change before it is sent. */
void http_call_init(struct http_call *c, struct http_calls *f, const char *kind, const char *path);
void http_call_send(struct http_call *c);

/* Sends, and runs the loop until nothing is left to do. */
void http_call_run(struct http_call *c);
void http_call_get(struct http_call *c, struct http_calls *f, const char *kind, const char *path);

/* For request.on_data. */
bool http_call_on_data(void *data, struct slice bytes);

/* Makes the fixture's timer the one that cancels or resumes this call. */
void http_call_with_timer(struct http_call *c);

/* A GET that must fail with this code and these words. */
void http_call_expect_fault(struct http_calls *f, const char *kind, const char *path,
                            enum edge_code code, const char *part);
void http_call_assert_contains(const char *text, const char *part);
void http_call_assert_lacks(const char *text, const char *part);

#endif
