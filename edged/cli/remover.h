/* SPDX-License-Identifier: MIT */
/*
 * Removing a file of the operator's at the end of a command that has given up the operator's rights
 * by then (owner.h): a process that is split off at the start keeps them and waits.
 */
#ifndef CLI_REMOVER_H
#define CLI_REMOVER_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct remover {
    pid_t pid; /* 0: none */
    int order_fd;
};

/* Before any secret is read. The file must be there. Errors: those of finding it; INVALID when it
 * is no regular file: a link is not followed. */
enum edge_code remover_start(const char *file, struct remover *ret,
                             struct edge_error *err) EDGE_NODISCARD;

/* Removes the file, if it still is the one of remover_start and in the same folder, or leaves it;
 * what it held is overwritten before, unless it has other names. Idempotent. Errors: IO,
 * DENIED, CONFLICT (another file has its name now). */
enum edge_code remover_finish(struct remover *r, bool remove,
                              struct edge_error *err) EDGE_NODISCARD;

#endif
