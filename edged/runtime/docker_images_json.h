/* SPDX-License-Identifier: MIT */
/*
 * The Engine's JSON about images. Pure functions on hostile bytes; inside runtime/ only. Fail as
 * those of docker_json.h do.
 */
#ifndef RUNTIME_DOCKER_IMAGES_JSON_H
#define RUNTIME_DOCKER_IMAGES_JSON_H

#include "base/error.h"
#include "base/slice.h"
#include "runtime/runtime.h"

#include <stddef.h>

struct cJSON;

/* Answer of GET /images/json. Names point into *ret_root: the caller frees *ret_list with free(),
 * then *ret_root with json_free. RANGE above RUNTIME_IMAGES_MAX. */
enum edge_code docker_images_json_list(struct slice text, struct cJSON **ret_root,
                                       struct runtime_image **ret_list, size_t *ret_cnt,
                                       struct edge_error *err) EDGE_NODISCARD;

#endif
