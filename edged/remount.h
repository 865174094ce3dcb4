/* SPDX-License-Identifier: MIT */
/*
 * Restarts the running modules that have mounted a socket which is not there any more, since it had
 * to be made anew; no other, and each once. Loop thread only.
 */
#ifndef EDGED_REMOUNT_H
#define EDGED_REMOUNT_H

#include "base/error.h"
#include "loop/loop.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

#include <stdbool.h>
#include <stdint.h>

#define REMOUNT_AT_ONCE  8 /* modules that are looked at or restarted at the same time */
#define REMOUNT_AGAIN_MS 5000

struct remount;

/* look_again: asks for another remount_run, as some modules could not be looked at. */
enum edge_code remount_new(struct loop *l, struct runtime *rt, struct module_ops *ops,
                           void (*look_again)(void *data), void *data, struct remount **ret,
                           struct edge_error *err) EDGE_NODISCARD;

/* A socket was made at this path at that time. Errors: NOMEM. */
enum edge_code remount_add(struct remount *r, const char *path, int64_t wall_s,
                           struct edge_error *err) EDGE_NODISCARD;

/* Looks at the running ones of these containers. Does nothing when no socket was made, or all was
 * done. */
void remount_run(struct remount *r, const struct runtime_container *list, size_t cnt);

/* look_again comes in REMOUNT_AGAIN_MS: the containers could not be listed. */
void remount_ask_again(struct remount *r);

/* Begins nothing any more. */
void remount_stop(struct remount *r);

/* After the runtime has been closed. NULL allowed. */
void remount_free(struct remount *r);

#endif
