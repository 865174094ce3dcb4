/* SPDX-License-Identifier: MIT */
/*
 * The Engine's JSON about modules in full. Pure functions on hostile bytes; inside runtime/ only.
 * Fail as those of docker_json.h do.
 */
#ifndef RUNTIME_DOCKER_MODULES_JSON_H
#define RUNTIME_DOCKER_MODULES_JSON_H

#include "base/error.h"
#include "base/slice.h"
#include "runtime/runtime.h"

#include <stddef.h>

struct cJSON;

/* Answer of GET /containers/json: the owned containers, without what only an inspection tells; the
 * state is the list's word. The labels point into *ret_root: the caller frees *ret_list with
 * free(), then *ret_root with json_free. RANGE above RUNTIME_CONTAINERS_MAX. */
enum edge_code docker_modules_json_list(struct slice text, struct cJSON **ret_root,
                                        struct runtime_module **ret_list, size_t *ret_cnt,
                                        struct edge_error *err) EDGE_NODISCARD;

/* Answer of GET /containers/ID/json: adds the rest to an entry of the list, which is untouched on
 * failure. PROTO when the answer is about another container. */
enum edge_code docker_modules_json_detail(struct slice text, struct runtime_module *m,
                                          struct edge_error *err) EDGE_NODISCARD;

/* The same answer alone: all of one module. Labels and environment point into *ret_root, which the
 * caller frees with json_free. NOT_FOUND when the container is not ours. */
enum edge_code docker_modules_json_one(struct slice text, struct cJSON **ret_root,
                                       struct runtime_module *ret,
                                       struct edge_error *err) EDGE_NODISCARD;

#endif
