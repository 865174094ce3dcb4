/* SPDX-License-Identifier: MIT */
/*
 * Logs of containers as streams: runtime_logs of the Engine. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_LOGS_H
#define RUNTIME_DOCKER_LOGS_H

#include "runtime/runtime.h"

/* Readers at once: whoever may read logs must not use up the Engine's calls, which authorization
 * needs as well. */
#define DOCKER_LOGS_MAX 64

enum edge_code docker_logs_open(struct runtime *rt, const char *id_or_name,
                                const struct runtime_logs_options *opts,
                                const struct runtime_stream *s, void *data, struct op *ret_op,
                                struct edge_error *err) EDGE_NODISCARD;
void docker_logs_resume(struct runtime *rt, struct op op);

#endif
