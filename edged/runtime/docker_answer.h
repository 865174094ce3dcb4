/* SPDX-License-Identifier: MIT */
/*
 * What the Engine's answers mean. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_ANSWER_H
#define RUNTIME_DOCKER_ANSWER_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>

/* The error for an answer that is no 2xx, with the Engine's text. Codes as in docker_request; the
 * native number is the status. */
enum edge_code docker_answer_error(int status, struct slice body,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Says of a socket that cannot be reached what an operator can do: NET, or DENIED for want of
 * rights. cause is what the transport said. */
enum edge_code docker_answer_unreachable(const char *path, const struct edge_error *cause,
                                         struct edge_error *err) EDGE_NODISCARD;

/* The Engine does not like the API version that it was spoken to in. */
bool docker_answer_is_version_complaint(int status, struct slice body);

#endif
