/* SPDX-License-Identifier: MIT */
/*
 * Tells when the wall clock was stepped: set by hand, by a time service, or after a suspend. The
 * kernel says so (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET); nothing is polled.
 */
#ifndef LOOP_WALL_WATCH_H
#define LOOP_WALL_WATCH_H

#include "base/error.h"
#include "loop/loop.h"

struct wall_watch;

/* fn runs on the loop thread after each step. UNSUPPORTED or IO when the kernel has no such timer,
 * NOMEM. */
enum edge_code wall_watch_new(struct loop *l, void (*fn)(void *data), void *data,
                              struct wall_watch **ret, struct edge_error *err) EDGE_NODISCARD;

/* fn is never called afterwards. NULL allowed. */
void wall_watch_free(struct wall_watch *w);

#endif
