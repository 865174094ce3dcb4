/* SPDX-License-Identifier: MIT */
/*
 * A container runtime that a test fills and runs: answers are made when the test says so, from what
 * is in it then.
 */
#ifndef SUPPORT_FAKE_RUNTIME_H
#define SUPPORT_FAKE_RUNTIME_H

#include "loop/loop.h"
#include "runtime/runtime.h"

#define FAKE_RUNTIME_CONTAINERS_MAX 16

struct fake_runtime;

struct fake_runtime *fake_runtime_new(struct loop *l);
struct runtime *fake_runtime_get(struct fake_runtime *f);
void fake_runtime_free(struct fake_runtime *f); /* fails the test when calls are open */

/* Adds a running container; the returned one may be changed. */
struct runtime_container *fake_runtime_add(struct fake_runtime *f, const char *id, const char *name,
                                           bool owned);
void fake_runtime_remove(struct fake_runtime *f, const char *id);
void fake_runtime_set_pids(struct fake_runtime *f, const char *id, const pid_t *pids, size_t cnt);

/* From now on calls are answered with this code; OK ends it. */
void fake_runtime_fail(struct fake_runtime *f, enum edge_code code);
void fake_runtime_fail_top(struct fake_runtime *f, enum edge_code code);
/* From now on calls cannot be started. */
void fake_runtime_refuse(struct fake_runtime *f, enum edge_code code);

/* Answers the oldest open call; false when there is none. */
bool fake_runtime_step(struct fake_runtime *f);
/* Until there is none. */
void fake_runtime_run(struct fake_runtime *f);

unsigned fake_runtime_open(const struct fake_runtime *f);
unsigned fake_runtime_inspects(const struct fake_runtime *f); /* started so far */
unsigned fake_runtime_tops(const struct fake_runtime *f);

#endif
