/* SPDX-License-Identifier: MIT */
/*
 * One request of the HTTP client: its copies of what the caller gave, curl's easy handle, and what
 * has come of the answer. Private to loop/http_client*.c.
 */
#ifndef LOOP_HTTP_CLIENT_REQUEST_H
#define LOOP_HTTP_CLIENT_REQUEST_H

#include "base/buf.h"
#include "base/list.h"
#include "loop/http_check.h"
#include "loop/http_client.h"
#include "loop/http_client_proxy.h"
#include "loop/http_fields.h"

#include <curl/curl.h>

#include <stdbool.h>

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer; /* curl's clock */
    struct loop_timer *kick;
    struct list requests;
    uint32_t request_cnt;
    uint32_t socket_cnt; /* uv_poll handles not yet closed */
    char *extra_ca_file;
    char *ca_dir;
    char *user_agent;
    struct http_client_proxy proxy;
    bool closing;
    bool cleaned; /* multi handle is gone */
    void (*closed)(void *data);
    void *closed_data;
};

struct http_client_call {
    struct list node;
    struct http_client *client;
    CURL *easy;
    struct op op;
    bool started; /* the multi handle has it */
    bool canceled;
    bool resume; /* asked for, not yet done */
    bool paused; /* on_data said stop */
    bool held;   /* curl holds bytes back because of that */
    bool opened; /* the final answer's headers are complete */
    bool stream; /* its body goes to on_data */
    bool secure; /* https */
    char host[HTTP_CHECK_HOST_MAX];
    struct buf text; /* header lines, each with NUL; `lines` points into it */
    struct curl_slist *lines;
    struct buf body;
    struct buf answer;
    size_t header_len;
    struct http_fields fields;
    uint32_t stall_ms;
    struct loop_timer *stall_timer;
    uint64_t active_ms; /* when the last byte came or went */
    curl_off_t sent_len;
    enum edge_code fail; /* why one of our callbacks gave the transfer up; text in err */
    struct edge_error err;
    char detail[CURL_ERROR_SIZE];
    bool (*on_data)(void *data, struct slice bytes);
    void (*on_open)(void *data, int status);
    void (*on_done)(void *data, const struct http_client_answer *answer);
    void *data;
};

/* Copies a checked request and prepares the easy handle; on_stall is what the stall timer, if any,
 * will call. Errors: NOMEM. */
enum edge_code http_client_request_new(struct http_client *c, const struct http_client_request *req,
                                       void (*on_stall)(void *data), struct http_client_call **ret,
                                       struct edge_error *err) EDGE_NODISCARD;

/* The easy handle must not be in the multi handle any more. */
void http_client_request_free(struct http_client_call *r);

/* Fills err from curl's number and what curl knows beyond it; returns the code. detail: the
 * handle's error buffer. Names the host, never the address of a proxy. */
enum edge_code http_client_error_set(struct edge_error *err, CURL *easy, CURLcode curl,
                                     const char *host, const char *detail);

#endif
