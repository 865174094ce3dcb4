/* SPDX-License-Identifier: MIT */
/*
 * The Engine's event stream: one long GET /events that is re-opened with backoff. Idle means idle:
 * nothing is polled. Inside runtime/ only; loop thread only.
 */
#ifndef RUNTIME_DOCKER_EVENTS_H
#define RUNTIME_DOCKER_EVENTS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "runtime/docker_engine.h"
#include "runtime/docker_quote.h"
#include "runtime/runtime.h"

#include <stdbool.h>

/* Bytes of one event; the labels of the container are in it. */
#define DOCKER_EVENT_MAX ((size_t)256 * 1024)

/* Cuts a byte stream into JSON objects that follow each other with or without white space between.
 * Does not check more than it needs to find the end of each. */
struct docker_splitter {
    struct buf object;
    unsigned depth;
    struct docker_quote quote;
};

void docker_splitter_init(struct docker_splitter *s);
void docker_splitter_clear(struct docker_splitter *s); /* may be used again */

/* Takes bytes; calls fn for each complete object, which returns an error to stop. Errors: PARSE for
 * bytes between objects, RANGE for an object above DOCKER_EVENT_MAX, NOMEM, and what fn returned.
 * After an error only clear. */
enum edge_code docker_splitter_feed(struct docker_splitter *s, struct slice bytes,
                                    enum edge_code (*fn)(void *data, struct slice object,
                                                         struct edge_error *err),
                                    void *data, struct edge_error *err) EDGE_NODISCARD;

struct docker_events;

/* Opens the stream from the loop, not from here. */
enum edge_code docker_events_new(struct loop *l, struct docker_engine *e,
                                 runtime_event_fn *on_event, void *data, struct docker_events **ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Says nothing and opens nothing from now on; the open stream ends with the engine's calls. */
void docker_events_stop(struct docker_events *ev);

/* After docker_engine_close has told that it is done. NULL allowed. */
void docker_events_free(struct docker_events *ev);

#endif
