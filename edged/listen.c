/* SPDX-License-Identifier: MIT */
/*
 * From a listen URI to a listening server.
 */
#include "listen.h"

#include <string.h>

static int find_fd(const struct listen_fds *fds, const struct config_uri *uri) {
    if (uri->name == NULL) {
        return uri->fd_index >= 0 && (size_t)uri->fd_index < fds->cnt ? fds->items[uri->fd_index].fd
                                                                      : -1;
    }
    for (size_t i = 0; i < fds->cnt; i++) {
        if (strcmp(fds->items[i].name, uri->name) == 0) {
            return fds->items[i].fd;
        }
    }
    return -1;
}

enum edge_code listen_open(struct http_server *server, const struct listen_fds *fds,
                           const struct config_uri *uri, const struct http_listen_options *opt,
                           const char *key, struct edge_error *err) {
    enum edge_code code;
    if (uri->scheme == CONFIG_SCHEME_UNIX) {
        code = http_server_listen_path(server, uri->path, opt, err);
        return code == EDGE_OK ? code : edge_wrap(err, code, "opening %s '%s'", key, uri->text);
    }
    int fd = find_fd(fds, uri);
    if (fd < 0) {
        return edge_set(err, EDGE_CONFIG,
                        "%s is '%s', but the service manager passed no such socket (%zu passed): "
                        "enable the socket unit, or use unix://",
                        key, uri->text, fds->cnt);
    }
    code = http_server_listen_fd(server, fd, opt, err);
    return code == EDGE_OK ? code : edge_wrap(err, code, "taking over %s '%s'", key, uri->text);
}
