/* SPDX-License-Identifier: MIT */
/*
 * Static route tables and their matching: a pure function from method and target to a route, its
 * path parameters and its query.
 */
#ifndef HTTP_HTTP_ROUTER_H
#define HTTP_HTTP_ROUTER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PARAMS_MAX    4
#define HTTP_PARAM_LEN_MAX 512 /* decoded bytes of one path parameter */
#define HTTP_QUERY_LEN_MAX 2048

struct http_exchange;

typedef void http_handler_fn(struct http_exchange *x);

/* Who may call a route. */
enum http_policy {
    HTTP_POLICY_ANONYMOUS,  /* anybody who can open the socket */
    HTTP_POLICY_CALLER,     /* the module named by the first path parameter, and nobody else */
    HTTP_POLICY_EDGE_AGENT, /* the edgeAgent container */
    HTTP_POLICY_CONTROL,    /* anybody who can open the socket, unless the authorizer is told to be
                               stricter: then edgeAgent and operators */
    HTTP_POLICY_HOST,       /* an operator's process on the host: root, our user or our group */
    HTTP_POLICY_OWNER,      /* the same, but root or our user only */
};

enum {
    HTTP_ROUTE_SENSITIVE = 1 << 0, /* bodies carry secrets: buffers are wiped */
};

/* One row of a service's table. A pattern is literal text with {name} segments; one trailing '/' in
 * the request is accepted. */
struct http_route {
    const char *method;      /* "GET" */
    const char *path;        /* "/modules/{name}/genid/{genid}/sign" */
    const char *min_version; /* first api-version that has it: "2018-06-28" */
    enum http_policy policy;
    unsigned flags;
    size_t body_max;      /* bytes; 0: no body is read */
    uint32_t deadline_ms; /* handler's time; 503 afterwards; 0: none */
    http_handler_fn *handler;
};

struct http_match {
    const struct http_route *route;
    size_t param_cnt;
    /* Percent-decoded once; a segment that does not decode to UTF-8 stays as it was sent. */
    char params[HTTP_PARAMS_MAX][HTTP_PARAM_LEN_MAX + 1];
    size_t param_lens[HTTP_PARAMS_MAX];
    char version[16]; /* the request's api-version */
};

/* All api-versions that any release of this device class accepted, oldest first. */
extern const char *const http_api_versions[];
extern const size_t http_api_version_cnt;

/* Order of checks as in the original: api-version (first pair of that name counts), then route.
 * Errors: INVALID for a missing or unknown api-version (text is the answer's message), NOT_FOUND
 * for no route, RANGE for an over-long parameter. */
enum edge_code http_router_match(const struct http_route *routes, size_t cnt, struct slice method,
                                 struct slice target, struct http_match *ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* First value of a query parameter, form-decoded into out; false when absent or malformed. */
bool http_query_get(struct slice target, const char *name, struct buf *out);

#endif
