/* SPDX-License-Identifier: MIT */
/*
 * The file that keeps the last-known time. For the worker thread: everything here may block.
 */
#ifndef LOOP_WALL_FILE_H
#define LOOP_WALL_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define WALL_FILE_MAX 256 /* bytes */

/* Pure: content of the file. Errors: NOMEM, CRYPTO. */
enum edge_code wall_file_encode(int64_t time_s, struct buf *out,
                                struct edge_error *err) EDGE_NODISCARD;

/* Errors: PARSE (damaged), UNSUPPORTED (another version). */
enum edge_code wall_file_decode(struct slice text, int64_t *ret_time_s,
                                struct edge_error *err) EDGE_NODISCARD;

/* NOT_FOUND when there is none. A damaged file is set aside: PARSE, with its new name in the text.
 */
enum edge_code wall_file_read(const char *dir, int64_t *ret_time_s,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code wall_file_write(const char *dir, int64_t time_s,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
