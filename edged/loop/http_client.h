/* SPDX-License-Identifier: MIT */
/*
 * HTTP client on the loop: libcurl's multi interface. Only http_client*.c know curl. TLS 1.2 or
 * newer with full verification, HTTPS and Unix sockets only, but for requests that ask for plain
 * HTTP; a proxy is used for HTTPS and for nothing else. No redirects, no cookies, no content
 * encodings, HTTP/1.1. Header values, sensitive bodies and private keys are kept in wiped memory,
 * as are the copies that curl makes of them; those that the TLS library encrypts from are not.
 */
#ifndef LOOP_HTTP_CLIENT_H
#define LOOP_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "loop/op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_CLIENT_CONNECT_TIMEOUT_MS 10000
#define HTTP_CLIENT_HEADERS_MAX        65536 /* bytes of all answer headers */
#define HTTP_CLIENT_BODY_MAX           ((size_t)1024 * 1024)
#define HTTP_CLIENT_IN_FLIGHT_MAX      448   /* 384 of them may be the container engine's */
#define HTTP_CLIENT_IDENTITY_MAX       65536 /* bytes of a certificate chain or of a key */

struct http_client;
struct http_client_answer;

struct http_client_options {
    const char *extra_ca_file; /* PEM, trusted besides the system's store; or NULL */
    const char *ca_dir; /* the system's store, in OpenSSL's hashed form; NULL: /etc/ssl/certs */
    const char *user_agent;
    /* Proxy for https: [http:// or https:// or socks...://][user:password@]host[:port], user and
     * password percent-encoded; "": none. NULL: what https_proxy, else HTTPS_PROXY in the
     * environment says at http_client_new. */
    const char *https_proxy;
    /* Hosts, domains and networks to be reached without it, separated by commas; "*": all; "":
     * none. NULL: no_proxy, else NO_PROXY. */
    const char *no_proxy;
};

/* Who we are to the server: a client certificate. A connection that was set up with one
 * certificate is never used for requests with another, or with none. */
struct http_client_identity {
    struct slice cert_pem; /* chain, leaf first */
    struct slice key_pem;  /* its private key, not encrypted */
};

struct http_client_header {
    const char *name;
    const char *value; /* may be secret; copied into memory that is wiped */
};

/* Everything is copied by http_client_send. */
struct http_client_request {
    const char *method; /* "GET" ... */
    const char *url;    /* https://host[:port]/path?query, or http://localhost/... with unix_path */
    /* Socket path, or NULL. With one, only GET may be sent a second time when the peer ends a kept
     * connection without an answer. */
    const char *unix_path;
    /* Client certificate, or NULL; for https. */
    const struct http_client_identity *identity;
    /* url may also be http:// to a network address. Asked directly, never through a proxy; the
     * answer is not tls_verified. */
    bool plain_http;
    const struct http_client_header *headers;
    size_t header_cnt;
    struct slice body;   /* sent with Content-Length; .ptr NULL: no body */
    bool sensitive;      /* wipe body and answer */
    uint32_t timeout_ms; /* whole call; 0: none */
    uint32_t stall_ms;   /* longest time without a byte once connected; 0: none */
    size_t answer_max;   /* bytes of body kept; 0: HTTP_CLIENT_BODY_MAX */
    /* Streaming: when set, body bytes of a 2xx answer go here as they come instead of being kept.
     * The bytes count as taken either way; false asks for no more until http_client_resume. At most
     * 16 KiB per call; what the peer sends meanwhile waits in its own buffers. */
    bool (*on_data)(void *data, struct slice bytes);
    /* May be NULL. Runs once when the final answer's headers are complete, before the first body
     * byte: tells that a long stream is up before anything has been said on it. */
    void (*on_open)(void *data, int status);
    /* Exactly once, on the loop, later. */
    void (*on_done)(void *data, const struct http_client_answer *answer);
    void *data;
};

/* Valid during on_done only. */
struct http_client_answer {
    enum edge_code code; /* OK: a complete HTTP answer of any status arrived */
    const struct edge_error
        *err; /* when code is not OK: NET, TIMEOUT, CANCELED, RANGE, PROTO, NOMEM */
    int status;
    struct slice body;
    struct slice retry_after; /* header values, empty when absent */
    struct slice content_type;
    struct slice date;
    bool tls_verified; /* came over a verified TLS connection (Date may be trusted a little) */
};

/* Errors: INVALID for a malformed proxy address, from the options or from the environment (no text
 * quotes it: it may hold a password); NOT_FOUND, DENIED for extra_ca_file; NOMEM. */
enum edge_code http_client_new(struct loop *l, const struct http_client_options *opt,
                               struct http_client **ret, struct edge_error *err) EDGE_NODISCARD;

/* Starts a request. Errors: INVALID (scheme, or an identity that cannot be sent), BUSY (too many
 * in flight), NOMEM. */
enum edge_code http_client_send(struct http_client *c, const struct http_client_request *req,
                                struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Continues a paused stream; stale handles are fine. */
void http_client_resume(struct http_client *c, struct op op);

/* Cancels all requests (their on_done runs with CANCELED), then closed() runs. */
void http_client_close(struct http_client *c, void (*closed)(void *data), void *data);

/* After closed(). */
void http_client_free(struct http_client *c);

/* Scheme, host and port of a proxy's address for logs, "***@" in place of credentials. Pure; any
 * text is fine. False, with an empty text, when it does not fit. */
bool http_client_proxy_text(const char *url, char *out, size_t size);

/* The same for the proxy that this client uses; an empty text when there is none. */
bool http_client_proxy_in_use(const struct http_client *c, char *out, size_t size);

#endif
