/* SPDX-License-Identifier: MIT */
/*
 * Small records on disk that know when they are damaged: the SHA-256 of the content in hex, a
 * newline, the content, a newline. Worker thread (blocking), except for the pure functions.
 */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Pure: appends the text of the file for this content. Errors: NOMEM, CRYPTO. */
enum edge_code checked_seal(struct slice content, struct buf *out,
                            struct edge_error *err) EDGE_NODISCARD;

/* Pure: the content of the text of a file, which it borrows from. The last newline may be missing.
 * Errors: PARSE, NOMEM, CRYPTO. */
enum edge_code checked_unseal(struct slice text, struct slice *ret_content,
                              struct edge_error *err) EDGE_NODISCARD;

/* Makes *ret from the text of a file; leaves it alone on failure. PARSE, RANGE and UNSUPPORTED are
 * damage. */
typedef enum edge_code checked_decode_fn(struct slice text, void *ret, struct edge_error *err);

/* Reads and decodes the file dirfd/name of at most max bytes. On failure *ret is as it was. Errors:
 * NOT_FOUND when there is none; PARSE when it was damaged and has been set aside, with its new name
 * in the text; DENIED, IO, NOMEM, which touch nothing. */
enum edge_code checked_read(int dirfd, const char *name, size_t max, checked_decode_fn *decode,
                            void *ret, struct edge_error *err) EDGE_NODISCARD;

/* The same in the directory of that path, which is made when it is missing. */
enum edge_code checked_load(const char *dir, const char *name, size_t max,
                            checked_decode_fn *decode, void *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Replaces the file by this text, as a whole and durably. Makes the directory when it is missing.
 */
enum edge_code checked_save(const char *dir, const char *name, struct slice text,
                            struct edge_error *err) EDGE_NODISCARD;

/* Whether an error speaks of the bytes, not of the machine. */
static inline bool checked_is_damage(enum edge_code code) {
    return code == EDGE_PARSE || code == EDGE_RANGE || code == EDGE_UNSUPPORTED;
}

#endif
