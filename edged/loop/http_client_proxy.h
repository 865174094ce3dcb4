/* SPDX-License-Identifier: MIT */
/*
 * Which proxy the HTTP client uses, settled once. Private to loop/http_client*.c.
 */
#ifndef LOOP_HTTP_CLIENT_PROXY_H
#define LOOP_HTTP_CLIENT_PROXY_H

#include "base/buf.h"
#include "base/error.h"
#include "loop/http_client.h"

#define HTTP_CLIENT_PROXY_MAX    2048 /* bytes of its address */
#define HTTP_CLIENT_NO_PROXY_MAX 8192 /* bytes of the list of exceptions */

struct http_client_proxy {
    struct buf url;        /* wiped memory, NUL-terminated; "": none */
    struct buf exceptions; /* NUL-terminated */
};

/* Takes both from the options, or where these are NULL from the environment, and checks the
 * address with curl's own parser. Errors: INVALID, RANGE, NOMEM. After an error, too,
 * http_client_proxy_clear is due. */
enum edge_code http_client_proxy_init(struct http_client_proxy *p,
                                      const struct http_client_options *opt,
                                      struct edge_error *err) EDGE_NODISCARD;

void http_client_proxy_clear(struct http_client_proxy *p);

/* What curl is given; never NULL. */
const char *http_client_proxy_url(const struct http_client_proxy *p);
const char *http_client_proxy_exceptions(const struct http_client_proxy *p);

#endif
