/* SPDX-License-Identifier: MIT */
/*
 * The network of the modules: runtime_network_ensure of the Engine. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_NETWORK_H
#define RUNTIME_DOCKER_NETWORK_H

#include "runtime/runtime.h"

enum edge_code docker_network_ensure(struct runtime *rt, const struct runtime_network *network,
                                     runtime_done_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err) EDGE_NODISCARD;

#endif
