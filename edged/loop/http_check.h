/* SPDX-License-Identifier: MIT */
/*
 * Checks of what callers ask the HTTP client to send. Pure functions; private to loop/.
 */
#ifndef LOOP_HTTP_CHECK_H
#define LOOP_HTTP_CHECK_H

#include "base/error.h"
#include "loop/http_client.h"

#include <stddef.h>

#define HTTP_CHECK_METHOD_MAX 16
#define HTTP_CHECK_URL_MAX    8192 /* bytes */
#define HTTP_CHECK_HOST_MAX   256  /* with NUL */

/* Refuses what must not reach the wire: methods and header names that are no tokens (RFC 9110
 * section 5.6.2), control bytes, blanks or credentials in the address, a scheme other than https
 * (or http over a Unix socket, or where plain_http allows it), a socket path that is too long, an
 * identity that is incomplete, too long or would not be sent. Errors: INVALID; no text quotes a
 * header's value. */
enum edge_code http_check_request(const struct http_client_request *req,
                                  struct edge_error *err) EDGE_NODISCARD;

/* Whom the request goes to, for error texts: the socket's path, or the host of a checked address.
 * Cut when too long. */
void http_check_host(const struct http_client_request *req, char ret_host[HTTP_CHECK_HOST_MAX]);

#endif
