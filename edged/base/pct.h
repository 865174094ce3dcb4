/* SPDX-License-Identifier: MIT */
/*
 * Percent-encoding (RFC 3986 section 2.1) for path segments, SAS audiences and form values.
 */
#ifndef BASE_PCT_H
#define BASE_PCT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

/* Which bytes stay as they are. */
enum pct_set {
    PCT_UNRESERVED, /* A-Z a-z 0-9 - . _ ~ : form values, signatures */
    PCT_SEGMENT,    /* path segment characters of RFC 3986 without '=' : '$', '@', ':' stay */
};

/* Appends the encoded text, upper-case hex. */
enum edge_code pct_encode(struct slice text, enum pct_set keep, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

/* Decodes %XX once; a malformed escape is PARSE. With plus_is_space also '+' (form values). */
enum edge_code pct_decode(struct slice text, bool plus_is_space, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
