/* SPDX-License-Identifier: MIT */
/*
 * What inspections of containers told, kept for as long as nothing happens to them: the event
 * stream says when something does, so nothing is kept while it is down. Inside runtime/ only; loop
 * thread only.
 */
#ifndef RUNTIME_DOCKER_DETAILS_H
#define RUNTIME_DOCKER_DETAILS_H

#include "base/error.h"
#include "runtime/runtime.h"

#include <stdbool.h>

struct docker_details;

enum edge_code docker_details_new(struct docker_details **ret,
                                  struct edge_error *err) EDGE_NODISCARD;
void docker_details_free(struct docker_details *d); /* NULL allowed */

/* An event; id is NULL for CONNECTED, from when on details are kept, and for LOST. */
void docker_details_event(struct docker_details *d, enum runtime_event event, const char *id);

/* Keeps the details of m, unless the list was of another state than the inspection: it is in the
 * middle of something. Does without when memory is short. */
void docker_details_keep(struct docker_details *d, const struct runtime_module *m,
                         const char *listed_state);

/* Adds them to an entry of a list, whose state is still the one that was listed. False when there
 * are none for it. */
bool docker_details_fill(const struct docker_details *d, struct runtime_module *m);

#endif
