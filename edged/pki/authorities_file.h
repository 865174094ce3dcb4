/* SPDX-License-Identifier: MIT */
/*
 * The authorities on disk: one checked file, so that a renewal of several certificates is one step,
 * and a copy of it for the day when the file is damaged. Worker thread, but for the pure functions.
 */
#ifndef PKI_AUTHORITIES_FILE_H
#define PKI_AUTHORITIES_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "pki/authorities.h"

#include <stdbool.h>

#define AUTHORITIES_FILE      "authorities"
#define AUTHORITIES_FILE_COPY "authorities-copy"
#define AUTHORITIES_FILE_MAX  (1024 * 1024) /* bytes */

/* Pure. Errors: NOMEM, CRYPTO, RANGE. */
enum edge_code authorities_encode(const struct authorities *a, struct buf *out,
                                  struct edge_error *err) EDGE_NODISCARD;

/* Pure. *ret is initialised, and untouched on failure. Errors: PARSE, RANGE, UNSUPPORTED, NOMEM,
 * CRYPTO. */
enum edge_code authorities_decode(struct slice text, struct authorities *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* Reads the file or, when it is damaged or gone, the copy. ret_note receives what happened to
 * damaged files ("" when nothing did). Errors: NOT_FOUND when there is none that can be read (what
 * was damaged is set aside); DENIED, IO, NOMEM, which touch nothing. */
enum edge_code authorities_load(const char *dir, struct authorities *ret,
                                char ret_note[EDGE_ERROR_TEXT_MAX],
                                struct edge_error *err) EDGE_NODISCARD;

/* Writes both, the file first. When only the copy could not be written, that is no failure. */
enum edge_code authorities_save(const char *dir, const struct authorities *a,
                                struct edge_error *err) EDGE_NODISCARD;

#endif
