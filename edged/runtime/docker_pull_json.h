/* SPDX-License-Identifier: MIT */
/*
 * Names of images and the messages of a pull. Pure; inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_PULL_JSON_H
#define RUNTIME_DOCKER_PULL_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>

#define DOCKER_PROGRESS_MAX 160 /* bytes of one line */

/* Appends the image, with ":latest" when it has neither tag nor digest: an engine that is asked for
 * a bare name fetches every tag there is. */
enum edge_code docker_pull_complete(struct slice image, struct buf *out,
                                    struct edge_error *err) EDGE_NODISCARD;

struct docker_pull_message {
    bool failed;
    char text[DOCKER_PROGRESS_MAX]; /* why it failed, or a step taken; "" when only bytes count */
};

/* One object of the stream. Fails as the functions of docker_json.h do. */
enum edge_code docker_pull_message(struct slice text, struct docker_pull_message *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* What the registry meant by the text of its refusal: NOT_FOUND, DENIED, else `other`. */
enum edge_code docker_pull_meaning(const char *text, enum edge_code other);

#endif
