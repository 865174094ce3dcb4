/* SPDX-License-Identifier: MIT */
/*
 * The file that remembers for whom the containers were made. For the worker thread: reading and
 * writing may block.
 */
#ifndef AGENT_MOVED_FILE_H
#define AGENT_MOVED_FILE_H

#include "agent/moved.h"
#include "base/buf.h"
#include "base/slice.h"

#define MOVED_FILE_MAX 1024 /* bytes */

struct moved_identity {
    char hub[MOVED_TEXT_LEN];
    char device_id[MOVED_TEXT_LEN];
};

/* False when a text is empty, too long or of more than one line; then *ret is untouched. */
bool moved_identity_make(struct slice hub, struct slice device_id, struct moved_identity *ret);

/* Host names have no case, device ids do. */
bool moved_identity_eq(const struct moved_identity *a, const struct moved_identity *b);

enum edge_code moved_file_encode(const struct moved_identity *id, struct buf *out,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Errors: PARSE (damaged), UNSUPPORTED (another version). */
enum edge_code moved_file_decode(struct slice text, struct moved_identity *ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* NOT_FOUND when there is none. A damaged file is set aside: PARSE, with its new name in the text.
 */
enum edge_code moved_file_read(const char *dir, struct moved_identity *ret,
                               struct edge_error *err) EDGE_NODISCARD;
enum edge_code moved_file_write(const char *dir, const struct moved_identity *id,
                                struct edge_error *err) EDGE_NODISCARD;

#endif
