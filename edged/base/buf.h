/* SPDX-License-Identifier: MIT */
/*
 * Growable byte buffer whose maximum is given at init. A failed append leaves the buffer as it was.
 * A sensitive buffer wipes its bytes on growth, on consume and on clear.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/error.h"
#include "base/slice.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* NULL until first append */
    size_t len;    /* bytes */
    size_t cap;    /* bytes */
    size_t max;    /* bytes; append beyond it fails with RANGE */
    bool sensitive;
};

/* Prepares an empty buffer. No allocation. */
void buf_init(struct buf *b, size_t max_len);

/* The same for secret content (tokens, bodies with keys). */
void buf_init_sensitive(struct buf *b, size_t max_len);

/* Releases (and wipes, if sensitive) the bytes; the buffer may be used again. NULL is allowed. */
void buf_clear(struct buf *b);

/* Forgets the content but keeps the memory. Wipes if sensitive. */
void buf_reset(struct buf *b);

/* Drops what follows the first `len` bytes; wipes it if sensitive. */
void buf_truncate(struct buf *b, size_t len);

/* Appends bytes, which must not lie in the same buffer. Errors: RANGE above max, NOMEM. */
enum edge_code buf_append(struct buf *b, const void *data, size_t len,
                          struct edge_error *err) EDGE_NODISCARD;
enum edge_code buf_append_str(struct buf *b, const char *text,
                              struct edge_error *err) EDGE_NODISCARD;
enum edge_code buf_append_slice(struct buf *b, struct slice s,
                                struct edge_error *err) EDGE_NODISCARD;
enum edge_code buf_append_byte(struct buf *b, uint8_t byte, struct edge_error *err) EDGE_NODISCARD;

/* Appends formatted text (without its terminator). Not for secrets: the C library may keep copies.
 */
enum edge_code buf_printf(struct buf *b, struct edge_error *err, const char *fmt, ...)
    EDGE_PRINTF(3, 4) EDGE_NODISCARD;

/* Makes room for `len` more bytes and returns where to write them; *ret_ptr is valid until the next
 * call on this buffer. After writing n <= len bytes there, call buf_added(b, n). */
enum edge_code buf_reserve(struct buf *b, size_t len, uint8_t **ret_ptr,
                           struct edge_error *err) EDGE_NODISCARD;
void buf_added(struct buf *b, size_t len);

/* Drops the first `len` bytes. */
void buf_consume(struct buf *b, size_t len);

/* View of the content; valid until the next call on this buffer. */
struct slice buf_slice(const struct buf *b);

/* Content as a NUL-terminated string, or NULL when memory is short. The NUL counts neither in len
 * nor against max. Valid until the next call on this buffer. */
const char *buf_cstr(struct buf *b);

#endif
