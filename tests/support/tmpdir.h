/* SPDX-License-Identifier: MIT */
/*
 * A fresh directory per test, under TMPDIR or /tmp, removed with all it contains.
 */
#ifndef SUPPORT_TMPDIR_H
#define SUPPORT_TMPDIR_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct tmpdir {
    char path[PATH_MAX];
    int fd; /* of the directory */
};

/* Fails the cmocka test when it cannot. */
struct tmpdir *tmpdir_new(void);
void tmpdir_free(struct tmpdir *dir); /* NULL allowed */

/* "<path>/<name>", valid until the next call. */
const char *tmpdir_join(const struct tmpdir *dir, const char *name);

/* Writes a file with the given mode, whatever the umask. */
void tmpdir_write(const struct tmpdir *dir, const char *name, const void *data, size_t len,
                  unsigned mode);

/* Fixtures for cmocka_unit_test_setup_teardown: *state is the struct tmpdir. */
int tmpdir_setup(void **state);
int tmpdir_teardown(void **state);

#endif
