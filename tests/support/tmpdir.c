/* SPDX-License-Identifier: MIT */
/*
 * Temporary directories.
 */
#include "support/tmpdir.h"

#include "base/env.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WALK_FDS 16

struct tmpdir *tmpdir_new(void) {
    struct tmpdir *dir = calloc(1, sizeof(*dir));
    assert_non_null(dir);
    const char *base = env_get("TMPDIR");
    int n =
        snprintf(dir->path, sizeof(dir->path), "%s/edge-test-XXXXXX", base != NULL ? base : "/tmp");
    assert_true(n > 0 && (size_t)n < sizeof(dir->path));
    assert_non_null(mkdtemp(dir->path));
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir->fd >= 0);
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tmpdir_free(struct tmpdir *dir) {
    if (dir != NULL) {
        close(dir->fd);
        nftw(dir->path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
        free(dir);
    }
}

const char *tmpdir_join(const struct tmpdir *dir, const char *name) {
    static _Thread_local char path[PATH_MAX + NAME_MAX + 2];
    snprintf(path, sizeof(path), "%s/%s", dir->path, name);
    return path;
}

void tmpdir_write(const struct tmpdir *dir, const char *name, const void *data, size_t len,
                  unsigned mode) {
    int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)data + done, len - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

int tmpdir_setup(void **state) {
    *state = tmpdir_new();
    return 0;
}

int tmpdir_teardown(void **state) {
    tmpdir_free(*state);
    *state = NULL;
    return 0;
}
