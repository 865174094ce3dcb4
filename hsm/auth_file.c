/* SPDX-License-Identifier: MIT */
/*
 * Reading of password files. The bytes are only ever in wiped memory.
 */
#include "auth_file.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/slice.h"

#include <limits.h>
#include <string.h>

#define SLACK 2 /* room for a line break of either kind */

static enum edge_code split_path(const char *path, char dir[PATH_MAX], const char **ret_name,
                                 struct edge_error *err) {
    const char *slash = strrchr(path, '/');

    if (path[0] != '/' || slash[1] == '\0' || strlen(path) >= PATH_MAX) {
        return edge_set(err, EDGE_INVALID, "password file '%.128s' needs its full path", path);
    }
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    memcpy(dir, path, len);
    dir[len] = '\0';
    *ret_name = slash + 1;
    return EDGE_OK;
}

enum edge_code auth_file_read(const char *path, size_t max_len, struct secret *ret,
                              struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    char dir[PATH_MAX] = "";
    const char *name = NULL;
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;

    buf_init_sensitive(&text, max_len + SLACK);
    enum edge_code rc = split_path(path, dir, &name, err);
    if (rc == EDGE_OK) {
        rc = fs_dir_open(dir, false, 0, &dirfd, err);
    }
    if (rc == EDGE_OK) {
        rc = fs_read_private(dirfd, name, &text, err);
    }
    if (rc != EDGE_OK) {
        return edge_wrap(err, rc, "reading the password file '%.100s'", path);
    }
    size_t len = text.len;
    if (len > 0 && text.data[len - 1] == '\n') {
        len--;
    }
    if (len > 0 && text.data[len - 1] == '\r') {
        len--;
    }
    /* A TPM strips trailing zero octets of its passwords, so they cannot matter here either. */
    while (len > 0 && text.data[len - 1] == '\0') {
        len--;
    }
    if (len == 0) {
        return edge_set(err, EDGE_INVALID, "the password file '%.128s' is empty", path);
    }
    if (len > max_len) {
        return edge_set(err, EDGE_RANGE, "the password in '%.128s' is longer than %zu bytes", path,
                        max_len);
    }
    return secret_copy(ret, text.data, len, err);
}
