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

#include <stddef.h>

#define LISTEN_FDS_MAX 64

/* The descriptors this process was started with. */
struct listen_fds {
    struct notify_fd items[LISTEN_FDS_MAX];
    size_t cnt;
};

/* Opens one listener; opt as of http_server_listen_path. key names the setting for messages.
 * Errors: CONFIG when the named descriptor was not inherited, those of http_server_listen_path. */
enum edge_code listen_open(struct http_server *server, const struct listen_fds *fds,
                           const struct config_uri *uri, const struct http_listen_options *opt,
                           const char *key, struct edge_error *err) EDGE_NODISCARD;

#endif
