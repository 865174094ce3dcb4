/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a Unix socket, as the kernel knows it.
 */
#ifndef HTTP_HTTP_PEER_H
#define HTTP_HTTP_PEER_H

#include "base/error.h"
#include "http/http_server.h"

/* Fills *ret from a connected socket. A missing SO_PEERPIDFD is no error. Errors: IO, INVALID. */
enum edge_code http_peer_read(int fd, struct http_peer *ret, struct edge_error *err) EDGE_NODISCARD;

/* Closes the pidfd. */
void http_peer_clear(struct http_peer *p);

#endif
