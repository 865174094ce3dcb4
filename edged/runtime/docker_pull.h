/* SPDX-License-Identifier: MIT */
/*
 * Pulls of images: runtime_pull of the Engine. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_PULL_H
#define RUNTIME_DOCKER_PULL_H

#include "runtime/runtime.h"

#define DOCKER_PULLS_MAX     32 /* at once */
#define DOCKER_PULL_STALL_MS 600000

enum edge_code docker_pull_image(struct runtime *rt, const char *image, struct slice auth_json,
                                 runtime_progress_fn *on_progress, runtime_done_fn *done,
                                 void *data, struct op *ret_op,
                                 struct edge_error *err) EDGE_NODISCARD;

#endif
