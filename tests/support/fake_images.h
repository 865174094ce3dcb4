/* SPDX-License-Identifier: MIT */
/*
 * An engine that has images and nothing else: what one finds, whether a container is made of it,
 * and its removal, as Docker does it. Calls are answered one by one when the test says so.
 */
#ifndef SUPPORT_FAKE_IMAGES_H
#define SUPPORT_FAKE_IMAGES_H

#include "loop/loop.h"
#include "runtime/runtime.h"

struct fake_images;

struct fake_images *fake_images_new(struct loop *l);
struct runtime *fake_images_get(struct fake_images *f);
void fake_images_free(struct fake_images *f); /* fails the test when calls are open */

/* Gives the image with this id (made when it is new) a name, which another one may lose: a tag
 * "a:1" or a digest "a@sha256:1". NULL: an image without names. */
void fake_images_name(struct fake_images *f, const char *id, const char *name);
/* The number of containers that are made of it. */
void fake_images_use(struct fake_images *f, const char *id, unsigned cnt);
void fake_images_clear(struct fake_images *f); /* removes all of them */
bool fake_images_has(const struct fake_images *f, const char *id);

/* From now on calls are answered with this code, or cannot be started; OK ends it. */
void fake_images_fail(struct fake_images *f, enum edge_code code);
void fake_images_refuse(struct fake_images *f, enum edge_code code);

/* "find a:1; unused 1; remove a:1"; failed ones have "!" behind. */
const char *fake_images_journal(const struct fake_images *f);
void fake_images_journal_clear(struct fake_images *f);

/* Answers the oldest open call; false when there is none. */
bool fake_images_step(struct fake_images *f);
unsigned fake_images_open(const struct fake_images *f);

#endif
