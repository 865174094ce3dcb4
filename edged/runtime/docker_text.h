/* SPDX-License-Identifier: MIT */
/*
 * Text of the Engine for logs and answers. Pure; inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_TEXT_H
#define RUNTIME_DOCKER_TEXT_H

#include "base/slice.h"

#include <stddef.h>

/* Copies text, cut at a character's boundary to fit: control characters become blanks, bytes that
 * are not UTF-8 '?', trailing blanks go. dst_size is at least 1. */
void docker_text_clean(struct slice text, char *dst, size_t dst_size);

#endif
