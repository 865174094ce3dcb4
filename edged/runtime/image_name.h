/* SPDX-License-Identifier: MIT */
/*
 * Names of images in full, as engines expand them: "docker.io/library/a:latest" for "a". Two names
 * mean the same when their full forms are equal. Pure.
 */
#ifndef RUNTIME_IMAGE_NAME_H
#define RUNTIME_IMAGE_NAME_H

#include "base/slice.h"
#include "runtime/runtime.h"

#include <stdbool.h>

/* With a digest the tag does not count, and is left out. False when the full form would be too
 * long or there is nothing that could be a name ("<none>:<none>"); then ret is untouched. */
bool image_name_full(struct slice name, char ret[RUNTIME_IMAGE_MAX + 1]);

/* Of a name in full: registry and repository, without tag and digest. */
struct slice image_name_repository(const char *full);

#endif
