/* SPDX-License-Identifier: MIT */
/*
 * Docker Engine API over its Unix socket. Negotiates the API version from GET /version at first use
 * and after each reconnect: the newest that both sides know, at least 1.24.
 */
#ifndef RUNTIME_DOCKER_H
#define RUNTIME_DOCKER_H

#include "loop/http_client.h"
#include "loop/loop.h"
#include "runtime/runtime.h"

#define DOCKER_API_MIN "1.24"
#define DOCKER_API_MAX "1.52"

/* Opens for a socket path; does not contact the engine yet. on_event (may be NULL) gets container
 * events; the stream is kept open and re-opened with backoff. socket_path is copied. */
enum edge_code docker_new(struct loop *l, struct http_client *http, const char *socket_path,
                          runtime_event_fn *on_event, void *event_data, struct runtime **ret,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
