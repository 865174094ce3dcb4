/* SPDX-License-Identifier: MIT */
/*
 * Listening Unix sockets in the file system: what may be at the path before, and what is left
 * after.
 */
#ifndef HTTP_HTTP_SOCKET_H
#define HTTP_HTTP_SOCKET_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Which file was made, so that nobody else's is removed later. */
struct http_socket_file {
    dev_t dev;
    ino_t ino;
};

/* Makes a socket bound to path, not listening yet: see http_server_listen_path. Errors: CONFLICT
 * when somebody listens there, EXISTS when another kind of file or a directory with content is
 * there, RANGE for a path that is too long, DENIED, IO. */
enum edge_code http_socket_bind(const char *path, mode_t mode, int *ret_fd,
                                struct http_socket_file *ret_file,
                                struct edge_error *err) EDGE_NODISCARD;

/* Gives the file of a bound socket its mode again, which who has it mounted may have changed.
 * Errors: CONFLICT when it is another file by now, NOT_FOUND, DENIED. */
enum edge_code http_socket_restore(const char *path, const struct http_socket_file *file,
                                   mode_t mode, struct edge_error *err) EDGE_NODISCARD;

/* Which socket file is at path; no link is followed. False when there is none. */
bool http_socket_look(const char *path, struct http_socket_file *ret) EDGE_NODISCARD;

/* True when the file at path still is that socket. */
bool http_socket_is_there(const char *path, const struct http_socket_file *file);

/* Removes the socket file if it is still the one that was made. */
void http_socket_unlink(const char *path, const struct http_socket_file *file);

/* Checks that an inherited descriptor is a listening stream socket of the Unix family: INVALID. */
enum edge_code http_socket_check(int fd, struct edge_error *err) EDGE_NODISCARD;

#endif
