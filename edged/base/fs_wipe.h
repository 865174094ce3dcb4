/* SPDX-License-Identifier: MIT */
/*
 * Removes files with secrets so that a power cut leaves either the whole file under its name, or
 * nothing under it: the file is renamed to "{name}.removing", overwritten, then unlinked. What
 * flash memory or a copy-on-write file system keeps of earlier blocks is beyond that. Worker thread
 * (blocking).
 */
#ifndef BASE_FS_WIPE_H
#define BASE_FS_WIPE_H

#include "base/error.h"
#include "base/slice.h"

#include <stddef.h>

#define FS_WIPE_SUFFIX    ".removing"
#define FS_WIPE_FILES_MAX 1024 /* looked at in one directory */

/* Removes the regular file dirfd/name; one that is absent is fine. A file with other names is not
 * overwritten. Errors: INVALID (no regular file, or a bad name), DENIED, IO. */
enum edge_code fs_wipe(int dirfd, const char *name, struct edge_error *err) EDGE_NODISCARD;

/* As fs_write_atomic; then overwrites what had the name before, unless it has other names. */
enum edge_code fs_wipe_replace(int dirfd, const char *name, struct slice content,
                               struct edge_error *err) EDGE_NODISCARD;

/* Overwrites the opened regular file if it has one name, and as far as that is possible. */
void fs_wipe_content(int fd);

/* Ends what a cut left of earlier calls in the directory; *ret_cnt: files. Errors: RANGE (too many
 * files), DENIED, IO, NOMEM. */
enum edge_code fs_wipe_rest(int dirfd, size_t *ret_cnt, struct edge_error *err) EDGE_NODISCARD;

#endif
