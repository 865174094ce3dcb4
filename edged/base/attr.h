/* SPDX-License-Identifier: MIT */
/*
 * Compiler attributes and scope-bound release, used by every file.
 */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <stddef.h>

#define EDGE_NODISCARD          __attribute__((warn_unused_result))
#define EDGE_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define EDGE_UNUSED             __attribute__((unused))

/* Runs `fn(&variable)` when the variable leaves its scope. */
#define EDGE_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Yields the pointer and sets the variable to NULL: makes a transfer of ownership visible. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) take_ptr_ = (p);                                                             \
        (p) = NULL;                                                                                \
        take_ptr_;                                                                                 \
    })

/* The same for a file descriptor; the variable becomes -1. */
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int take_fd_ = (fd);                                                                       \
        (fd) = -1;                                                                                 \
        take_fd_;                                                                                  \
    })

#define EDGE_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* `char *s EDGE_CLEANUP(edge_cleanup_free)`; calls free(). */
void edge_cleanup_free(void *pp);

/* `int fd EDGE_CLEANUP(edge_cleanup_fd)`; closes fd >= 0 and keeps errno. */
void edge_cleanup_fd(int *fd);

#endif
