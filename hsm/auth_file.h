/* SPDX-License-Identifier: MIT */
/*
 * Passwords kept in files.
 */
#ifndef HSM_AUTH_FILE_H
#define HSM_AUTH_FILE_H

#include "base/error.h"
#include "base/secret.h"

#include <stddef.h>

/* Reads a password: a file of mode 0600 or narrower, of ours or root's; one trailing line break and
 * trailing NULs are not part of it. Errors: NOT_FOUND, DENIED (also: readable by others), RANGE
 * above max_len, INVALID when empty, IO, NOMEM. */
enum edge_code auth_file_read(const char *path, size_t max_len, struct secret *ret,
                              struct edge_error *err) EDGE_NODISCARD;

#endif
