/* SPDX-License-Identifier: MIT */
/*
 * One request about a container of ours: it is looked up by name, its label is read, and the
 * request goes to its id. An id is never given to another container and its labels never change, so
 * nothing can come in between. Inside runtime/ only; loop thread only.
 */
#ifndef RUNTIME_DOCKER_OWNED_H
#define RUNTIME_DOCKER_OWNED_H

#include "base/error.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "runtime/docker_engine.h"

#include <stdbool.h>
#include <stdint.h>

#define DOCKER_OWNED_TAIL_MAX 192

struct docker_owned_request {
    const char *method;
    const char *tail;    /* behind "/containers/ID" */
    uint32_t timeout_ms; /* of the request itself; 0: none */
    bool waits_for_stop; /* add the time that the container has to stop */
    int stop_timeout_s;  /* when it is known better than by the container; else negative */
    bool yields;         /* as in docker_request */
    bool gone_is_done;   /* that it vanished after it was looked up is OK */
    /* May be NULL: whose id it is, when it is about to be sent. */
    void (*on_found)(void *data, const char *id);
    void (*on_open)(void *data, int status); /* of a 2xx answer only */
    bool (*on_data)(void *data, struct slice bytes);
    /* As in docker_request, but "is so already" is OK. NOT_FOUND also for containers that are not
     * ours. */
    void (*on_done)(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err);
    void *data;
};

/* Strings are copied. id_or_name is one that runtime_is_name has seen. Errors: as
 * docker_engine_send. */
enum edge_code docker_owned_send(struct loop *l, struct docker_engine *e, const char *id_or_name,
                                 const struct docker_owned_request *req, struct op *ret_op,
                                 struct edge_error *err) EDGE_NODISCARD;

/* The Engine takes the beginning of an id for a name as well, and a module may be called "db":
 * whether what it found is what was asked for, by its whole id or its name. */
bool docker_owned_is_asked(const char *id_or_name, const char *id, const char *name);

/* The error for a container that is not there or not ours, in the Engine's words for the former, so
 * that nobody learns which ones there are. */
enum edge_code docker_owned_none(const char *id_or_name, struct edge_error *err) EDGE_NODISCARD;

/* Goes on after an on_data that returned false; stale handles are fine. */
void docker_owned_resume(struct loop *l, struct docker_engine *e, struct op op);

#endif
