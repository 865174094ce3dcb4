/* SPDX-License-Identifier: MIT */
/*
 * Pointer-and-length view of text or bytes that belong to somebody else.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *ptr; /* not NUL-terminated; may be NULL when len is 0 */
    size_t len;      /* bytes */
};

/* For printf: ("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s)    (int)((s).len > 128 ? 128 : (s).len), ((s).ptr ? (s).ptr : "")
#define SLICE_LIT(text) ((struct slice){(text), sizeof(text) - 1})

struct slice slice_make(const void *ptr, size_t len);
struct slice slice_str(const char *text); /* NULL gives an empty slice */

/* A to Z as small letters, everything else as it is. */
char slice_lower(char c);

bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *text);
bool slice_eq_nocase(struct slice a, const char *text); /* ASCII only */
bool slice_starts_with(struct slice s, const char *prefix);
bool slice_ends_with(struct slice s, const char *suffix);

/* Without leading and trailing spaces and tabs. */
struct slice slice_trim(struct slice s);

/* Cuts at the first `sep`: *ret_head before it, *rest after it. False (outputs untouched) when
 * there is no `sep`. ret_head and rest may point to the same object as s came from. */
bool slice_cut(struct slice s, char sep, struct slice *ret_head, struct slice *ret_rest);

/* First position of a byte, or -1. */
ptrdiff_t slice_find(struct slice s, char byte);

/* Decimal digits only, no sign, no blanks, whole slice; false on overflow, emptiness or anything
 * else. */
bool slice_parse_u64(struct slice s, uint64_t max, uint64_t *ret_value);

/* Optional '-' and decimal digits. */
bool slice_parse_i64(struct slice s, int64_t *ret_value);

#define SLICE_IP_MAX 16 /* bytes of an IPv6 address */

/* An IPv4 (dotted, four decimal numbers) or IPv6 address without zone or brackets: its bytes in
 * network order, 4 or 16. */
bool slice_parse_ip(struct slice s, uint8_t ret[SLICE_IP_MAX], size_t *ret_len);

/* Bytes of the well-formed UTF-8 character (RFC 3629) that s starts with; 0 if there is none. */
size_t slice_utf8_char(struct slice s);

/* True when the bytes are well-formed UTF-8 (RFC 3629) without NUL. */
bool slice_is_utf8_text(struct slice s);

/* The same, and no other control character (ASCII) either. */
bool slice_is_plain_text(struct slice s);

/* NUL-terminated heap copy, or NULL when memory is short or the slice contains a NUL. Free with
 * free(). */
char *slice_dup(struct slice s) EDGE_NODISCARD;

/* Copies with NUL into a fixed array; false when it does not fit or contains a NUL. */
bool slice_to_array(struct slice s, char *dst, size_t dst_size) EDGE_NODISCARD;

#endif
