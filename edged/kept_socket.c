/* SPDX-License-Identifier: MIT */
/*
 * What the manager keeps it keeps under a name: device and inode of the file, and its path. So one
 * that was replaced or removed meanwhile is told from the one that is mounted into containers.
 */
#include "kept_socket.h"

#include "base/slice.h"
#include "http/http_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_PREFIX "edged-socket."

/* "" when the path does not fit into a name; such a socket is not kept. */
static void make_name(const char *path, const struct http_socket_file *file,
                      char ret[NOTIFY_NAME_MAX + 1]) {
    int len = snprintf(ret, NOTIFY_NAME_MAX + 1, NAME_PREFIX "%jx.%jx.%s", (uintmax_t)file->dev,
                       (uintmax_t)file->ino, path);
    if (len < 0 || len > NOTIFY_NAME_MAX) {
        ret[0] = '\0';
    }
}

const char *kept_socket_path(const struct notify_fd *kept) {
    bool is_ours = kept->fd >= 0 && slice_starts_with(slice_str(kept->name), NAME_PREFIX);
    return is_ours ? strchr(kept->name, '/') : NULL;
}

static bool take_kept(struct notify_fds *fds, const char *path, struct kept_socket *ret) {
    char name[NOTIFY_NAME_MAX + 1];
    struct http_socket_file file;
    if (!http_socket_look(path, &file)) {
        return false;
    }
    make_name(path, &file, name);
    for (size_t i = 0; i < fds->cnt && name[0] != '\0'; i++) {
        struct notify_fd *item = &fds->items[i];
        if (item->fd >= 0 && strcmp(item->name, name) == 0) {
            *ret = (struct kept_socket){.file = file, .fd = item->fd};
            item->fd = -1;
            return true;
        }
    }
    return false;
}

bool kept_socket_is_known(struct notify_fds *fds, const char *path, int fd) {
    char name[NOTIFY_NAME_MAX + 1];
    struct http_socket_file file;
    struct kept_socket kept;
    if (take_kept(fds, path, &kept)) {
        (void)close(kept.fd); /* the manager's own stays */
        return true;
    }
    if (http_socket_look(path, &file)) {
        make_name(path, &file, name);
        notify_store_fd(fd, name);
    }
    return false;
}

enum edge_code kept_socket_open(struct notify_fds *fds, const char *path, mode_t mode,
                                struct kept_socket *ret, struct edge_error *err) {
    char name[NOTIFY_NAME_MAX + 1];
    struct http_socket_file file;
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    if (take_kept(fds, path, ret)) {
        /* A container that has it mounted may have shut others out; if that cannot be mended, it is
         * as well for those that it lets in. */
        (void)!http_socket_restore(path, &ret->file, mode, NULL);
        return EDGE_OK;
    }
    enum edge_code code = http_socket_bind(path, mode, &fd, &file, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (listen(fd, HTTP_BACKLOG) != 0) {
        code = edge_set_errno(err, errno, "could not listen on '%s'", path);
        http_socket_unlink(path, &file);
        return code;
    }
    make_name(path, &file, name);
    notify_store_fd(fd, name);
    *ret = (struct kept_socket){.file = file, .fd = TAKE_FD(fd), .made = true};
    return EDGE_OK;
}

void kept_socket_remove(const char *path, const struct http_socket_file *file) {
    char name[NOTIFY_NAME_MAX + 1];
    make_name(path, file, name);
    http_socket_unlink(path, file);
    notify_remove_fd(name);
}

void kept_socket_drop_rest(struct notify_fds *fds) {
    for (size_t i = 0; i < fds->cnt; i++) {
        struct notify_fd *item = &fds->items[i];
        if (kept_socket_path(item) != NULL) {
            (void)close(item->fd);
            item->fd = -1;
            notify_remove_fd(item->name);
        }
    }
}
