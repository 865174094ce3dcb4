/* SPDX-License-Identifier: MIT */
/*
 * The list of modules in full: one list call of the Engine, then an inspection of each container to
 * which something has happened since its last one, few at a time. Inside runtime/ only; loop thread
 * only.
 */
#ifndef RUNTIME_DOCKER_MODULES_H
#define RUNTIME_DOCKER_MODULES_H

#include "base/error.h"
#include "loop/loop.h"
#include "runtime/docker_engine.h"
#include "runtime/runtime.h"

/* A module that asks again and again must not use up the Engine's calls, which authorization needs
 * as well. */
#define DOCKER_MODULES_INSPECTS 8  /* at once for one list */
#define DOCKER_MODULES_LISTS    4  /* at once; more wait for their turn */
#define DOCKER_MODULES_WAITING  64 /* lists that wait */

struct docker_modules;

enum edge_code docker_modules_new(struct loop *l, struct docker_engine *e,
                                  struct docker_modules **ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* As runtime_list_modules; list_path is the path of the Engine's list of owned containers. Each
 * asker gets a list that was begun after he asked. */
enum edge_code docker_modules_list(struct docker_modules *m, const char *list_path,
                                   runtime_modules_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Every event, id NULL for CONNECTED and LOST. Without events each list inspects everything. */
void docker_modules_event(struct docker_modules *m, enum runtime_event event, const char *id);

/* After docker_engine_close has told that it is done. NULL allowed. */
void docker_modules_free(struct docker_modules *m);

#endif
