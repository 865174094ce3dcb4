/* SPDX-License-Identifier: MIT */
#include "base/legacy_files.h"

#include "base/fs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum edge_code legacy_files_dir(const char *homedir, const char *dir, int *ret_fd,
                                struct edge_error *err) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", homedir, dir);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return edge_set(err, EDGE_RANGE, "the path of the home folder is too long");
    }
    return fs_dir_open(path, false, 0, ret_fd, err);
}

bool legacy_files_exist(const char *homedir, const char *dir, const char *name) {
    struct stat st;
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    return legacy_files_dir(homedir, dir, &fd, NULL) == EDGE_OK &&
           fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

enum edge_code legacy_files_read(const char *homedir, const char *dir, const char *name,
                                 bool is_secret, struct buf *out, struct edge_error *err) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = legacy_files_dir(homedir, dir, &fd, err);
    if (code == EDGE_OK) {
        code = is_secret ? fs_read_private(fd, name, out, err) : fs_read(fd, name, out, err);
    }
    return code == EDGE_OK ? EDGE_OK : edge_wrap(err, code, "reading '%s/%.32s'", dir, name);
}

enum edge_code legacy_files_master(const char *homedir, struct secret *ret,
                                   struct edge_error *err) {
    struct buf bytes;
    buf_init_sensitive(&bytes, LEGACY_FILES_MASTER_LEN);
    enum edge_code code =
        legacy_files_read(homedir, LEGACY_FILES_ENC_DIR, LEGACY_FILES_MASTER, true, &bytes, err);
    if (code == EDGE_OK && bytes.len != LEGACY_FILES_MASTER_LEN) {
        code =
            edge_set(err, EDGE_PARSE, "master key '%s/%.32s' has %zu bytes instead of %d",
                     LEGACY_FILES_ENC_DIR, LEGACY_FILES_MASTER, bytes.len, LEGACY_FILES_MASTER_LEN);
    }
    if (code == EDGE_OK) {
        code = secret_copy(ret, bytes.data, bytes.len, err);
    }
    buf_clear(&bytes);
    return code;
}
