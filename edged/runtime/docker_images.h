/* SPDX-License-Identifier: MIT */
/*
 * Images of the Engine: the runtime_image_* calls. Inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_IMAGES_H
#define RUNTIME_DOCKER_IMAGES_H

#include "runtime/runtime.h"

enum edge_code docker_images_find(struct runtime *rt, const char *image, runtime_image_fn *done,
                                  void *data, struct op *ret_op,
                                  struct edge_error *err) EDGE_NODISCARD;
enum edge_code docker_images_unused(struct runtime *rt, const char *id, runtime_done_fn *done,
                                    void *data, struct op *ret_op,
                                    struct edge_error *err) EDGE_NODISCARD;
enum edge_code docker_images_check(struct runtime *rt, const char *image, runtime_done_fn *done,
                                   void *data, struct op *ret_op,
                                   struct edge_error *err) EDGE_NODISCARD;
enum edge_code docker_images_remove(struct runtime *rt, const char *image, runtime_done_fn *done,
                                    void *data, struct op *ret_op,
                                    struct edge_error *err) EDGE_NODISCARD;

#endif
