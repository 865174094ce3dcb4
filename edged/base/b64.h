/* SPDX-License-Identifier: MIT */
/*
 * Base64, hex and base32 without secret-dependent branches or table look-ups (for the first two),
 * so that keys may pass through.
 */
#ifndef BASE_B64_H
#define BASE_B64_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

/* Bytes of standard base64 with padding for `len` bytes, without terminator. */
#define B64_LEN(len) ((((len) + 2) / 3) * 4)

/* Appends standard base64 with padding (RFC 4648 section 4). */
enum edge_code b64_encode(const void *data, size_t len, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

/* Appends URL-safe base64 with padding (RFC 4648 section 5). */
enum edge_code b64_encode_url(const void *data, size_t len, struct buf *out,
                              struct edge_error *err) EDGE_NODISCARD;

/* Decodes standard base64; padding may be missing, non-zero trailing bits are ignored; blanks,
 * foreign characters, '=' in the middle or a lone last character: PARSE. Appends to out. */
enum edge_code b64_decode(struct slice text, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

/* The same into a secret, which must be empty. At most max_len bytes: RANGE. */
enum edge_code b64_decode_secret(struct slice text, size_t max_len, struct secret *ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Lower-case hex. */
enum edge_code hex_encode(const void *data, size_t len, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

/* Either case, even number of digits. */
enum edge_code hex_decode(struct slice text, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

/* Lower-case base32 without padding (RFC 4648 section 6). */
enum edge_code base32_encode(const void *data, size_t len, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

#endif
