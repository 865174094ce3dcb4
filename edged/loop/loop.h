/* SPDX-License-Identifier: MIT */
/*
 * The event loop of the process: one thread, on libuv. Everything here is called on that thread
 * unless it says otherwise.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/error.h"
#include "loop/op.h"

#include <stdbool.h>
#include <stdint.h>

#define LOOP_LAG_WARN_MS 50 /* a turn that took this long kept every client waiting */

struct loop;
struct loop_timer;
struct uv_loop_s;

/* Ignores SIGPIPE for the whole process from then on. */
enum edge_code loop_new(struct loop **ret, struct edge_error *err) EDGE_NODISCARD;

/* Runs until loop_stop, or until nothing is left that could call back (signals alone do not count).
 */
void loop_run(struct loop *l);

/* Makes loop_run return after the current callbacks. */
void loop_stop(struct loop *l);

/* Runs what is still posted, closes what the loop itself owns and frees. Debug builds assert that
 * nothing else is left open. NULL allowed. */
void loop_free(struct loop *l);

/* For loop/ and http/http_server.c only. */
struct uv_loop_s *loop_uv(struct loop *l);
struct op_table *loop_ops(struct loop *l);

/* Runs fn once in a later callback; used to keep the rule that completions never run inside the
 * call that started them. Errors: NOMEM. */
enum edge_code loop_post(struct loop *l, void (*fn)(void *data), void *data,
                         struct edge_error *err) EDGE_NODISCARD;

/* Calls fn for each arrival of the signal; replaces the default action. */
enum edge_code loop_on_signal(struct loop *l, int signum, void (*fn)(void *data, int signum),
                              void *data, struct edge_error *err) EDGE_NODISCARD;

/* One-shot timer on the monotonic clock. */
enum edge_code loop_timer_new(struct loop *l, void (*fn)(void *data), void *data,
                              struct loop_timer **ret, struct edge_error *err) EDGE_NODISCARD;
void loop_timer_start(struct loop_timer *t, uint64_t delay_ms); /* restarts when running */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_active(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* never fires afterwards; NULL allowed */

/* Calls fn at the end of each turn that took LOOP_LAG_WARN_MS or more. Measuring wakes nobody up.
 * fn NULL ends it. */
void loop_on_lag(struct loop *l, void (*fn)(void *data, uint64_t lag_ms), void *data);

#endif
