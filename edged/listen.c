/* SPDX-License-Identifier: MIT */
/*
 * From a listen URI to a listening server.
 */
#include "listen.h"

#include "base/clock.h"
#include "base/log.h"
#include "kept_socket.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int find_fd(const struct notify_fds *fds, const struct config_uri *uri) {
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

static void set_made(struct listen_made *made, const char *path, int64_t wall_s) {
    (void)snprintf(made->path, sizeof(made->path), "%s", path);
    made->wall_s = wall_s;
}

static enum edge_code open_kept(struct http_server *server, struct notify_fds *fds,
                                const char *path, const struct http_listen_options *opt,
                                struct listen_made *ret_made, struct edge_error *err) {
    struct kept_socket kept;
    enum edge_code code = kept_socket_open(fds, path, opt->mode, &kept, err);
    if (code == EDGE_OK) {
        code = http_server_listen_fd(server, kept.fd, opt, err);
    }
    if (code == EDGE_OK) {
        if (kept.made) {
            set_made(ret_made, path, clock_wall_s());
        }
        log_info("'%s' is %s", path, kept.made ? "a new socket" : "the socket of the last run");
    }
    return code;
}

static enum edge_code open_path(struct http_server *server, struct notify_fds *fds,
                                const char *path, const struct http_listen_options *opt,
                                struct listen_made *ret_made, struct edge_error *err) {
    if (notify_is_managed()) {
        return open_kept(server, fds, path, opt, ret_made, err);
    }
    enum edge_code code = http_server_listen_path(server, path, opt, err);
    if (code == EDGE_OK) {
        set_made(ret_made, path, clock_wall_s());
    }
    return code;
}

/* A socket's file is as old as the socket: nothing writes to it. */
static void look_at_inherited(struct notify_fds *fds, int fd, struct listen_made *ret_made) {
    struct sockaddr_un addr = {0};
    socklen_t len = sizeof(addr) - 1;
    struct stat st;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.sun_family == AF_UNIX &&
        stat(addr.sun_path, &st) == 0 && !kept_socket_is_known(fds, addr.sun_path, fd)) {
        log_info("'%s' is a new socket", addr.sun_path);
        set_made(ret_made, addr.sun_path, st.st_mtim.tv_sec);
    }
}

enum edge_code listen_open(struct http_server *server, struct notify_fds *fds,
                           const struct config_uri *uri, const struct http_listen_options *opt,
                           const char *key, struct listen_made *ret_made, struct edge_error *err) {
    enum edge_code code;
    struct listen_made made = {0};
    if (uri->scheme == CONFIG_SCHEME_UNIX) {
        code = open_path(server, fds, uri->path, opt, &made, err);
        if (code != EDGE_OK) {
            return edge_wrap(err, code, "opening %s '%s'", key, uri->text);
        }
        *ret_made = made;
        return EDGE_OK;
    }
    int fd = find_fd(fds, uri);
    if (fd < 0) {
        return edge_set(err, EDGE_CONFIG,
                        "%s is '%s', but the service manager passed no such socket (%zu passed): "
                        "enable the socket unit, or use unix://",
                        key, uri->text, fds->cnt);
    }
    look_at_inherited(fds, fd, &made);
    code = http_server_listen_fd(server, fd, opt, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "taking over %s '%s'", key, uri->text);
    }
    *ret_made = made;
    return EDGE_OK;
}
