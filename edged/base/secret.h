/* SPDX-License-Identifier: MIT */
/*
 * The only carrier of keys, auth values, signatures and decrypted data. Memory comes from OpenSSL's
 * secure heap (locked, guarded) and is wiped on release. There is no printf form.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Locked memory for all secrets of the process, bytes (a power of two). */
#define SECRET_HEAP_SIZE (256 * 1024)

struct secret {
    uint8_t *data; /* NULL when empty */
    size_t len;    /* bytes */
};

#define SECRET_CLEANUP EDGE_CLEANUP(secret_clear)

/* Sets up the secure heap; call once before the first secret. *ret_locked (may be NULL) tells
 * whether the memory could be locked against swapping. Errors: NOMEM. */
enum edge_code secret_heap_init(bool *ret_locked, struct edge_error *err) EDGE_NODISCARD;

/* Bytes of the secure heap in use, for leak tests. */
size_t secret_heap_used(void);

/* Zero-filled secret of `len` bytes. *s must be empty. Errors: NOMEM (also when the heap is full).
 */
enum edge_code secret_alloc(struct secret *s, size_t len, struct edge_error *err) EDGE_NODISCARD;

/* Copies bytes in. *s must be empty. */
enum edge_code secret_copy(struct secret *s, const void *data, size_t len,
                           struct edge_error *err) EDGE_NODISCARD;

/* Transfers ownership; `from` becomes empty. */
struct secret secret_take(struct secret *from);

/* Wipes and releases; idempotent, NULL allowed. */
void secret_clear(struct secret *s);

/* Constant-time comparison of content; different lengths are unequal at once. */
bool secret_equal(const struct secret *a, const struct secret *b);
bool secret_equal_bytes(const struct secret *a, const void *data, size_t len);

/* View for a library call; the caller must not keep it. */
struct slice secret_slice(const struct secret *s);

/* Wipes an array or struct on the stack before return. */
void secret_wipe(void *ptr, size_t len);

#endif
