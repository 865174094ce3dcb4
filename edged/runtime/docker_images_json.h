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

struct cJSON;

/* Answer of GET /images/NAME/json. Names point into *ret_root, which the caller frees with
 * json_free. */
enum edge_code docker_images_json_one(struct slice text, struct cJSON **ret_root,
                                      struct runtime_image *ret,
                                      struct edge_error *err) EDGE_NODISCARD;

#endif
