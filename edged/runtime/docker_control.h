/* SPDX-License-Identifier: MIT */
/*
 * What makes, starts, stops and removes containers: runtime_create, _start, _stop, _restart,
 * _remove and _rename of the Engine. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_CONTROL_H
#define RUNTIME_DOCKER_CONTROL_H

#include "runtime/runtime.h"

enum edge_code docker_control_create(struct runtime *rt, const struct runtime_spec *spec,
                                     runtime_done_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err) EDGE_NODISCARD;
enum edge_code docker_control_act(struct runtime *rt, enum runtime_act act, const char *id_or_name,
                                  int timeout_s, runtime_done_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
enum edge_code docker_control_rename(struct runtime *rt, const char *id_or_name, const char *to,
                                     runtime_done_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err) EDGE_NODISCARD;

#endif
