/* SPDX-License-Identifier: MIT */
/*
 * Opens the sockets of a service as config.yaml says: an inherited one from the service manager, or
 * a path.
 */
#ifndef EDGED_LISTEN_H
#define EDGED_LISTEN_H

#include "base/error.h"
#include "config/config.h"
#include "http/http_server.h"
#include "loop/notify.h"

#include <stdint.h>
#include <sys/un.h>

/* A socket that was not there in the last run, as far as one knows: who has mounted what was at its
 * path before does not reach it. */
struct listen_made {
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "": none */
    int64_t wall_s;                                            /* when it was made */
};

/* Opens one listener; opt as of http_server_listen_path. A socket with a path is kept by the
 * service manager, if there is one, across restarts (kept_socket.h). key names the setting for
 * messages. A manager may make inherited sockets anew as well, such as when the socket unit is
 * restarted with the service. Errors: CONFIG when the named descriptor was not inherited, those of
 * http_server_listen_path. */
enum edge_code listen_open(struct http_server *server, struct notify_fds *fds,
                           const struct config_uri *uri, const struct http_listen_options *opt,
                           const char *key, struct listen_made *ret_made,
                           struct edge_error *err) EDGE_NODISCARD;

#endif
