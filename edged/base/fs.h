/* SPDX-License-Identifier: MIT */
/*
 * Crash-safe private files. A write is: exclusive temporary file (0600) in the same directory,
 * write, fsync, rename, fsync of the directory. After a power cut a reader sees the old or the new
 * content, whole. One writer of a name at a time: a successful write removes the temporary files
 * that an earlier crash left of that name. Names are single path components of at most 233 bytes.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Opens a directory for the functions below. Creates missing parts with exactly `mode` if create.
 * Errors: NOT_FOUND, DENIED, INVALID (not a directory), IO. Close with close(). */
enum edge_code fs_dir_open(const char *path, bool create, mode_t mode, int *ret_fd,
                           struct edge_error *err) EDGE_NODISCARD;

/* Replaces dirfd/name with the given bytes. */
enum edge_code fs_write_atomic(int dirfd, const char *name, struct slice content,
                               struct edge_error *err) EDGE_NODISCARD;

/* The same for public content (0644), such as a socket's neighbour or a ready file. */
enum edge_code fs_write_atomic_mode(int dirfd, const char *name, struct slice content, mode_t mode,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Appends a whole regular file to out, without following a link at its name (DENIED). Errors:
 * NOT_FOUND, INVALID when it is no regular file, RANGE beyond out->max; then out is as before. */
enum edge_code fs_read(int dirfd, const char *name, struct buf *out,
                       struct edge_error *err) EDGE_NODISCARD;

/* The same for a file that an operator named by its path; links are followed. */
enum edge_code fs_read_path(const char *path, struct buf *out,
                            struct edge_error *err) EDGE_NODISCARD;

/* As fs_read, but refuses (DENIED) a file that is readable or writable by group or others, or owned
 * by somebody else than us or root. */
enum edge_code fs_read_private(int dirfd, const char *name, struct buf *out,
                               struct edge_error *err) EDGE_NODISCARD;

/* Removes the temporary files that a crash left. A write in progress by somebody else is spoiled:
 * for the start, in directories that are ours alone. */
void fs_sweep(int dirfd);

/* Removes a file and syncs the directory; a file that is absent is fine. */
enum edge_code fs_remove(int dirfd, const char *name, struct edge_error *err) EDGE_NODISCARD;

/* Moves a damaged file aside as "<name>.damaged-<unix time>", so that it is never overwritten.
 * ret_name (may be NULL) receives the new name. */
enum edge_code fs_set_aside(int dirfd, const char *name, char *ret_name, size_t ret_size,
                            struct edge_error *err) EDGE_NODISCARD;

/* The same for a file that is whole but of no use any more: "<name>.<word>-<unix time>". */
enum edge_code fs_set_aside_as(int dirfd, const char *name, const char *word, char *ret_name,
                               size_t ret_size, struct edge_error *err) EDGE_NODISCARD;

struct fs_names {
    char **list;
    size_t cnt;
};

/* Names in a directory that start with prefix, at most max; sorted. Left-over temporary files are
 * not listed. */
enum edge_code fs_list(int dirfd, const char *prefix, size_t max, struct fs_names *ret,
                       struct edge_error *err) EDGE_NODISCARD;
void fs_names_clear(struct fs_names *n);

/* Whether two looks at a name saw the same file with the same content, without reading it. */
bool fs_is_unchanged(const struct stat *a, const struct stat *b);

#endif
