/* SPDX-License-Identifier: MIT */
/*
 * Socket files. The container engine makes a directory where the source of a bind mount is missing,
 * and a daemon that was killed leaves its socket: both are in the way and harmless. Anything else
 * at the path belongs to somebody.
 */
#include "http/http_socket.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PARENT_MODE 0755

static enum edge_code make_address(const char *path, struct sockaddr_un *ret,
                                   struct edge_error *err) {
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(ret->sun_path)) {
        return edge_set(err, EDGE_RANGE,
                        "socket path '%.150s' has %zu bytes, 1 to %zu are possible", path, len,
                        sizeof(ret->sun_path) - 1);
    }
    memset(ret, 0, sizeof(*ret));
    ret->sun_family = AF_UNIX;
    memcpy(ret->sun_path, path, len);
    return EDGE_OK;
}

static enum edge_code make_parents(const char *path, struct edge_error *err) {
    const char *slash = strrchr(path, '/');
    char parent[sizeof((struct sockaddr_un *)NULL)->sun_path];
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    if (slash == NULL || slash == path) {
        return EDGE_OK;
    }
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    return fs_dir_open(parent, true, PARENT_MODE, &fd, err);
}

/* Whether somebody accepts connections there. A full backlog is a sign of life. */
static bool is_live(const struct sockaddr_un *addr) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true;
    }
    if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0) {
        return true;
    }
    return errno != ECONNREFUSED && errno != ENOENT;
}

static enum edge_code clear_way(const char *path, const struct sockaddr_un *addr,
                                struct edge_error *err) {
    struct stat st;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? EDGE_OK
                               : edge_set_errno(err, errno, "could not look at '%s'", path);
    }
    if (S_ISDIR(st.st_mode)) {
        if (rmdir(path) == 0) {
            return EDGE_OK;
        }
        return errno == ENOTEMPTY || errno == EEXIST
                   ? edge_set(err, EDGE_EXISTS,
                              "'%s' is a directory with files in it, a socket should be there",
                              path)
                   : edge_set_errno(err, errno, "could not remove the directory '%s'", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return edge_set(err, EDGE_EXISTS, "'%s' exists and is not a socket", path);
    }
    if (is_live(addr)) {
        return edge_set(err, EDGE_CONFLICT, "another process listens on '%s'", path);
    }
    return unlink(path) == 0 || errno == ENOENT
               ? EDGE_OK
               : edge_set_errno(err, errno, "could not remove the stale socket '%s'", path);
}

/* Sets the mode, and tells which file it is. A module that has the folder mounted may have put
 * something else at the path by now: no link is followed, and nothing but a socket is touched.
 * wanted: the file it must be, or NULL. */
static enum edge_code set_mode(const char *path, mode_t mode, const struct http_socket_file *wanted,
                               struct http_socket_file *ret, struct edge_error *err) {
    struct stat st;
    char by_fd[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return edge_set_errno(err, errno, "could not look at the socket '%s'", path);
    }
    if (!S_ISSOCK(st.st_mode) ||
        (wanted != NULL && (st.st_dev != wanted->dev || st.st_ino != wanted->ino))) {
        return edge_set(err, EDGE_CONFLICT, "somebody has replaced the socket '%s'", path);
    }
    (void)snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
    if ((st.st_mode & 07777) != mode && chmod(by_fd, mode) != 0) {
        return edge_set_errno(err, errno, "could not set the mode of '%s'", path);
    }
    *ret = (struct http_socket_file){st.st_dev, st.st_ino};
    return EDGE_OK;
}

enum edge_code http_socket_restore(const char *path, const struct http_socket_file *file,
                                   mode_t mode, struct edge_error *err) {
    struct http_socket_file same;
    return set_mode(path, mode, file, &same, err);
}

enum edge_code http_socket_bind(const char *path, mode_t mode, int *ret_fd,
                                struct http_socket_file *ret_file, struct edge_error *err) {
    struct sockaddr_un addr;
    enum edge_code code = make_address(path, &addr, err);
    if (code == EDGE_OK) {
        code = make_parents(path, err);
    }
    if (code == EDGE_OK) {
        code = clear_way(path, &addr, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    int fd EDGE_CLEANUP(edge_cleanup_fd) =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return edge_set_errno(err, errno, "could not create a socket");
    }
    /* The kernel makes the file with the socket's own mode less the umask: never wider than asked
     * for, not even for a moment. What the umask took is given back before listen. */
    if (fchmod(fd, mode) != 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
        return edge_set_errno(err, errno, "could not bind '%s'", path);
    }
    code = set_mode(path, mode, NULL, ret_file, err);
    if (code != EDGE_OK) {
        if (code != EDGE_CONFLICT) {
            (void)unlink(path);
        }
        return code;
    }
    *ret_fd = TAKE_FD(fd);
    return EDGE_OK;
}

bool http_socket_look(const char *path, struct http_socket_file *ret) {
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    *ret = (struct http_socket_file){st.st_dev, st.st_ino};
    return true;
}

bool http_socket_is_there(const char *path, const struct http_socket_file *file) {
    struct http_socket_file now;
    return http_socket_look(path, &now) && now.dev == file->dev && now.ino == file->ino;
}

void http_socket_unlink(const char *path, const struct http_socket_file *file) {
    if (http_socket_is_there(path, file)) {
        (void)unlink(path);
    }
}

static bool has_option(int fd, int option, int want) {
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == want;
}

enum edge_code http_socket_check(int fd, struct edge_error *err) {
    if (!has_option(fd, SO_DOMAIN, AF_UNIX) || !has_option(fd, SO_TYPE, SOCK_STREAM) ||
        !has_option(fd, SO_ACCEPTCONN, 1)) {
        return edge_set(err, EDGE_INVALID, "descriptor %d is not a listening Unix stream socket",
                        fd);
    }
    return EDGE_OK;
}
