/* SPDX-License-Identifier: MIT */
/*
 * One process at a time works on a folder: an advisory lock on a file in it, which the kernel lets
 * go when its holder ends, however it ends. The file stays.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "base/error.h"

/* Of the state folder: held by the daemon, or by a command that works without it. */
#define LOCK_FILE "lock"

/* Makes the folder (0700) and the file DIR/name (0600) if need be and takes the lock; it is held
 * until *ret_fd is closed. Does not wait. Errors: CONFLICT when another process has it (the text
 * names its number where it is known), DENIED, IO when there is no file to lock and none can be
 * made (a full disk). A file that is there is enough on a read-only disk. */
enum edge_code lock_take(const char *dir, const char *name, int *ret_fd,
                         struct edge_error *err) EDGE_NODISCARD;

#endif
