/* SPDX-License-Identifier: MIT */
/*
 * A container runtime that a test fills and runs: answers are made when the test says so, from what
 * is in it then. Containers that are made by a call do not run, and are owned when their labels say
 * so; a module is told with their labels, environment and image.
 */
#ifndef SUPPORT_FAKE_RUNTIME_H
#define SUPPORT_FAKE_RUNTIME_H

#include "loop/loop.h"
#include "runtime/runtime.h"

#define FAKE_RUNTIME_CONTAINERS_MAX 16

struct fake_runtime;

enum fake_runtime_call {
    FAKE_RUNTIME_LIST,
    FAKE_RUNTIME_MODULES,
    FAKE_RUNTIME_INSPECT,
    FAKE_RUNTIME_INSPECT_MODULE,
    FAKE_RUNTIME_TOP,
    FAKE_RUNTIME_INFO,
    FAKE_RUNTIME_CREATE,
    FAKE_RUNTIME_START,
    FAKE_RUNTIME_STOP,
    FAKE_RUNTIME_RESTART,
    FAKE_RUNTIME_REMOVE,
    FAKE_RUNTIME_PULL,
    FAKE_RUNTIME_LOGS,
    FAKE_RUNTIME_STATS,
    FAKE_RUNTIME_NETWORK,
    FAKE_RUNTIME_IMAGE_CHECK,
    FAKE_RUNTIME_IMAGE_REMOVE,
    FAKE_RUNTIME_RENAME,
    FAKE_RUNTIME_CALL_CNT_
};

struct fake_runtime *fake_runtime_new(struct loop *l);
struct runtime *fake_runtime_get(struct fake_runtime *f);
void fake_runtime_free(struct fake_runtime *f); /* fails the test when calls are open */

/* Adds a running container; the returned one may be changed. */
struct runtime_container *fake_runtime_add(struct fake_runtime *f, const char *id, const char *name,
                                           bool owned);
void fake_runtime_remove(struct fake_runtime *f, const char *id);
bool fake_runtime_is_running(const struct fake_runtime *f, const char *name);
/* Of a container that a call has made; empty when it has no such label, or is not there. */
struct slice fake_runtime_label(const struct fake_runtime *f, const char *name, const char *label);
/* What a module's inspection tells of it besides: Labels, Env, Image, Mounts, StartedAt. */
void fake_runtime_describe(struct fake_runtime *f, const char *id, const char *json);
/* False when there is none of that name. */
bool fake_runtime_id_of(const struct fake_runtime *f, const char *name,
                        char ret_id[RUNTIME_ID_LEN + 1]);
/* What a module with that id or name is told to be, until it is started. */
void fake_runtime_set_state(struct fake_runtime *f, const char *id, enum runtime_status status,
                            const char *state, int64_t exit_code);
void fake_runtime_set_pids(struct fake_runtime *f, const char *id, const pid_t *pids, size_t cnt);

/* From now on calls are answered with this code; OK ends it. */
void fake_runtime_fail(struct fake_runtime *f, enum edge_code code);
void fake_runtime_fail_top(struct fake_runtime *f, enum edge_code code);
/* The same for one kind of calls. */
void fake_runtime_fail_call(struct fake_runtime *f, enum fake_runtime_call kind,
                            enum edge_code code);
/* From now on calls cannot be started. */
void fake_runtime_refuse(struct fake_runtime *f, enum edge_code code);

/* Images are there unless they have been said to be missing; a pull that succeeds brings them. */
void fake_runtime_miss_image(struct fake_runtime *f, const char *image);

/* What was answered so far, one after the other: "pull a:1; remove m; create m; start m". Failed
 * ones have "!" behind. List, inspect, top, info, stats and looks at images are not in it. */
const char *fake_runtime_journal(const struct fake_runtime *f);
void fake_runtime_journal_clear(struct fake_runtime *f);

/* Of the last call that had one. */
const char *fake_runtime_last_body(const struct fake_runtime *f); /* create */
const char *fake_runtime_last_auth(const struct fake_runtime *f); /* pull */
int fake_runtime_last_timeout_s(const struct fake_runtime *f);    /* start, stop, restart, remove */
const struct runtime_logs_options *fake_runtime_last_logs(const struct fake_runtime *f);

/* A call for logs opens a stream when it is answered and then stays open. These speak to the oldest
 * open one. feed() gives back what its on_data said. */
bool fake_runtime_logs_feed(struct fake_runtime *f, struct slice bytes);
void fake_runtime_logs_end(struct fake_runtime *f, enum edge_code code);
unsigned fake_runtime_logs_resumed(const struct fake_runtime *f);

/* Answers the oldest open call; false when there is none. */
bool fake_runtime_step(struct fake_runtime *f);
/* Answers any open call, the n-th oldest; false when there are fewer. With another code than OK the
 * answer is lost on its way: what was asked for, or called off meanwhile, is done all the same, and
 * told is the code, or CANCELED. */
bool fake_runtime_step_nth(struct fake_runtime *f, unsigned n, enum edge_code lost);
/* Until there is none. */
void fake_runtime_run(struct fake_runtime *f);

unsigned fake_runtime_open(const struct fake_runtime *f);
unsigned fake_runtime_inspects(const struct fake_runtime *f); /* started so far */
unsigned fake_runtime_tops(const struct fake_runtime *f);

#endif
