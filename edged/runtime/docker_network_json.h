/* SPDX-License-Identifier: MIT */
/*
 * The Engine's JSON about networks. Pure functions; inside runtime/ only. Fail as those of
 * docker_json.h do.
 */
#ifndef RUNTIME_DOCKER_NETWORK_JSON_H
#define RUNTIME_DOCKER_NETWORK_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "runtime/runtime.h"

#include <stdbool.h>

/* Answer of GET /networks: whether there is one of exactly this name. */
enum edge_code docker_network_json_find(struct slice text, const char *name, bool *ret_found,
                                        struct edge_error *err) EDGE_NODISCARD;

/* Appends the body of POST /networks/create. */
enum edge_code docker_network_json_create(const struct runtime_network *network, struct buf *out,
                                          struct edge_error *err) EDGE_NODISCARD;

#endif
