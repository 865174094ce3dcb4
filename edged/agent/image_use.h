/* SPDX-License-Identifier: MIT */
/*
 * The images that were pulled for modules, and for how long no container has used each of them. A
 * record is a name that our pull gave to an image: what had that name before, or got others from
 * elsewhere, is not in here. Kept in the file IMAGE_USE_FILE of the state directory, which is for
 * the worker thread; the rest is pure.
 */
#ifndef AGENT_IMAGE_USE_H
#define AGENT_IMAGE_USE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "runtime/runtime.h"

#include <stddef.h>
#include <stdint.h>

#define IMAGE_USE_FILE     "images"
#define IMAGE_USE_MAX      512
#define IMAGE_USE_ID_MAX   127 /* "sha256:" and 64 hex digits, with room */
#define IMAGE_USE_TEXT_MAX ((size_t)IMAGE_USE_MAX * (RUNTIME_IMAGE_MAX + IMAGE_USE_ID_MAX + 16))

struct image_record {
    char id[IMAGE_USE_ID_MAX + 1];
    char *name;      /* in full, as of image_name_full */
    uint32_t idle_s; /* seen without a container, in all; 0: used since the last look */
};

struct image_use {
    struct image_record **records; /* they stay where they are until they are removed */
    size_t cnt;
    int64_t looked_wall_s; /* last look at all of them; 0: none, or the clock was not right */
};

void image_use_clear(struct image_use *u); /* also a zeroed one */

/* The record, or NULL. */
struct image_record *image_use_find(const struct image_use *u, const char *name, const char *id);

/* Adds a record that is not there yet. Errors: RANGE when there are too many, INVALID for what no
 * image can have, NOMEM. */
enum edge_code image_use_add(struct image_use *u, const char *name, const char *id, uint32_t idle_s,
                             struct edge_error *err) EDGE_NODISCARD;
void image_use_remove(struct image_use *u, size_t at); /* the last one takes its place */

/* Adds those of `from` that are not there yet, as far as there is room. */
void image_use_merge(struct image_use *u, const struct image_use *from);

/* The text of the file, whole. */
enum edge_code image_use_encode(const struct image_use *u, struct buf *out,
                                struct edge_error *err) EDGE_NODISCARD;

/* On success *ret (zeroed before) holds what is in the text. Errors: PARSE (damaged), UNSUPPORTED
 * (another version), NOMEM. */
enum edge_code image_use_decode(struct slice text, struct image_use *ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* NOT_FOUND when there is none. A damaged file is set aside: PARSE, with its new name in the text.
 */
enum edge_code image_use_read(const char *dir, struct image_use *ret,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code image_use_write(const char *dir, struct slice text,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
