/* SPDX-License-Identifier: MIT */
/*
 * Scripted stand-in for http_client.h on the fake loop: records every request word for word and
 * gives the answers that the test has queued, in order. A request without a queued answer stays in
 * flight.
 */
#ifndef SUPPORT_FAKE_HTTP_CLIENT_H
#define SUPPORT_FAKE_HTTP_CLIENT_H

#include "loop/http_client.h"

#define FAKE_HTTP_CALLS_MAX 1024

/* A recorded request. */
struct fake_http_call {
    char *method;
    char *url;
    char *headers; /* "Name: value\n" each, in the order given */
    char *body;    /* NUL added; NULL when the request had none */
    size_t body_len;
    char *cert_pem; /* of the client certificate, NULL: none */
    char *key_pem;
    char *unix_path; /* NULL: none */
    bool plain_http;
    bool sensitive;
    uint32_t timeout_ms;
};

struct fake_http_answer {
    enum edge_code code; /* not OK: transport failure */
    int status;
    const char *body; /* static text or owned by the test until it is delivered */
    size_t body_len;  /* 0: strlen(body) */
    const char *retry_after;
    const char *date;
    const char *content_type; /* NULL: application/json */
    bool no_tls;
};

/* Queues one answer (copied, the strings are not). */
void fake_http_queue(struct http_client *c, const struct fake_http_answer *answer);
void fake_http_queue_status(struct http_client *c, int status, const char *body);

/* Asked for an answer whenever a request has none queued; false: it stays in flight. For services
 * that have a state of their own. NULL ends it. */
typedef bool fake_http_serve_fn(void *data, const struct fake_http_call *call,
                                struct fake_http_answer *ret);
void fake_http_serve(struct http_client *c, fake_http_serve_fn *fn, void *data);

size_t fake_http_queue_len(const struct http_client *c);

/* Makes the next http_client_send fail. */
void fake_http_refuse(struct http_client *c, enum edge_code code);

size_t fake_http_call_cnt(const struct http_client *c);
const struct fake_http_call *fake_http_call_get(const struct http_client *c, size_t index);
const struct fake_http_call *fake_http_call_last(const struct http_client *c);
void fake_http_forget(struct http_client *c); /* recorded requests and queued answers */

size_t fake_http_in_flight(const struct http_client *c);

#endif
