/* SPDX-License-Identifier: MIT */
/*
 * The recovery code of a store that is bound to PCRs: 160 random bits that an operator writes down
 * as eight groups of four letters and digits.
 */
#ifndef CLI_RECOVERY_CODE_H
#define CLI_RECOVERY_CODE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#define RECOVERY_CODE_LEN  20 /* bytes */
#define RECOVERY_CODE_TEXT 39 /* characters: 32 and 7 dashes */

/* *ret empty before. Errors: NOMEM, CRYPTO. */
enum edge_code recovery_code_make(struct secret *ret, struct edge_error *err) EDGE_NODISCARD;

/* Appends the text; out should be sensitive. */
enum edge_code recovery_code_format(const struct secret *code, struct buf *out,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Either case; dashes and white space do not count. Errors: PARSE with a text that shows nothing of
 * it, NOMEM. */
enum edge_code recovery_code_parse(struct slice text, struct secret *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Makes a new, empty file of mode 0600, before there is a code. Errors: EXISTS, and those of the
 * file system. */
enum edge_code recovery_code_create(const char *file, int *ret_fd,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Writes the text and a line end, and syncs. */
enum edge_code recovery_code_save(const struct secret *code, int fd,
                                  struct edge_error *err) EDGE_NODISCARD;

#endif
