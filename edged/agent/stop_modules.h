/* SPDX-License-Identifier: MIT */
/*
 * Stops the modules when the machine goes down: edgeAgent first, which by itself stops the others
 * in its order and tells the hub, through APIs that still answer; then whatever still runs, all at
 * once. Nothing is begun afterwards (module_ops_hold). Loop thread only.
 */
#ifndef AGENT_STOP_MODULES_H
#define AGENT_STOP_MODULES_H

#include "base/error.h"
#include "loop/loop.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

#define STOP_MODULES_AGENT_S 60 /* from the polite signal to SIGKILL, of edgeAgent */
#define STOP_MODULES_REST_S  10 /* and of the rest */
#define STOP_MODULES_SLACK_S 5  /* for the engine, after each of these */
/* As long as that may take in all. */
#define STOP_MODULES_MAX_S (STOP_MODULES_AGENT_S + STOP_MODULES_REST_S + 2 * STOP_MODULES_SLACK_S)

struct stop_modules;

/* runtime and module_ops are borrowed. */
enum edge_code stop_modules_new(struct loop *l, struct runtime *rt, struct module_ops *ops,
                                struct stop_modules **ret, struct edge_error *err) EDGE_NODISCARD;

/* done runs once, later: when all have stopped, could not be stopped, or it took too long. Once. */
void stop_modules_start(struct stop_modules *s, void (*done)(void *data), void *data);

/* Ends the wait: done runs soon. What the engine was told it goes on with. */
void stop_modules_skip(struct stop_modules *s);

/* When module_ops and runtime have ended; NULL allowed. */
void stop_modules_free(struct stop_modules *s);

#endif
