/* SPDX-License-Identifier: MIT */
/*
 * Which API version to speak. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_VERSION_H
#define RUNTIME_DOCKER_VERSION_H

#include "base/error.h"
#include "loop/http_client.h"
#include "runtime/docker_json.h"

/* The newest version that both sides know, by number: ours is DOCKER_API_MIN to DOCKER_API_MAX,
 * theirs min (may be empty) to api. Errors: UNSUPPORTED with both ranges, PROTO when malformed. */
enum edge_code docker_version_choose(const struct docker_version *theirs,
                                     char ret_version[DOCKER_VERSION_LEN],
                                     struct edge_error *err) EDGE_NODISCARD;

/* The same from the answer to GET /version, with what the Engine says of itself. Errors: also those
 * of docker_answer.h, and what the transport says. */
enum edge_code docker_version_read(const char *socket_path, const struct http_client_answer *answer,
                                   struct docker_version *ret_theirs,
                                   char ret_version[DOCKER_VERSION_LEN],
                                   struct edge_error *err) EDGE_NODISCARD;

#endif
