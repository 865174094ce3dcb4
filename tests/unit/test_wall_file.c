/* SPDX-License-Identifier: MIT */
/*
 * The file of the last-known time.
 */
#include "loop/wall_file.h"

#include "loop/wall.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TIME_S INT64_C(1800000000)

static bool fsync_fails;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd) {
    if (fsync_fails) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

static void test_write_and_read(void **state) {
    struct tmpdir *dir = *state;
    struct edge_error err;
    struct stat st;
    int64_t t = 0;
    assert_int_equal(wall_file_read(dir->path, &t, &err), EDGE_NOT_FOUND);
    assert_int_equal(wall_file_write(dir->path, TIME_S, &err), EDGE_OK);
    assert_int_equal(wall_file_read(dir->path, &t, &err), EDGE_OK);
    assert_int_equal(t, TIME_S);
    assert_int_equal(stat(tmpdir_join(dir, WALL_FILE), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* The old content stays when the new one cannot be made durable. */
    fsync_fails = true;
    assert_int_equal(wall_file_write(dir->path, TIME_S + 1, &err), EDGE_IO);
    fsync_fails = false;
    assert_int_equal(wall_file_read(dir->path, &t, &err), EDGE_OK);
    assert_int_equal(t, TIME_S);
}

static void test_damage(void **state) {
    struct tmpdir *dir = *state;
    struct buf good EDGE_CLEANUP(buf_clear) = {0};
    struct edge_error err;
    int64_t t = 7;
    buf_init(&good, WALL_FILE_MAX);
    assert_int_equal(wall_file_encode(TIME_S, &good, &err), EDGE_OK);
    for (size_t i = 0; i < good.len; i++) {
        good.data[i] ^= 0x04;
        tmpdir_write(dir, WALL_FILE, good.data, good.len, 0600);
        assert_int_equal(wall_file_read(dir->path, &t, &err), EDGE_PARSE);
        assert_non_null(strstr(err.text, "clock.damaged-"));
        assert_int_equal(wall_file_read(dir->path, &t, &err), EDGE_NOT_FOUND);
        good.data[i] ^= 0x04;
        /* Only so many names of one second are tried. */
        char cmd[PATH_MAX + 64];
        (void)snprintf(cmd, sizeof(cmd), "rm -f '%s'/clock.damaged-*", dir->path);
        assert_int_equal(system(cmd), 0);
    }
    for (size_t len = 0; len + 1 < good.len; len++) { /* all but the last newline */
        assert_int_not_equal(wall_file_decode(slice_make(good.data, len), &t, &err), EDGE_OK);
    }
    assert_int_equal(t, 7);
}

/* Right checksums, wrong content. */
static void test_foreign_content(void **state) {
    static const struct {
        const char *text;
        enum edge_code code;
    } cases[] = {
        {"7b58c3dcd8c7be2d", EDGE_PARSE},
        {"", EDGE_PARSE},
        {"\n", EDGE_PARSE},
    };
    struct edge_error err;
    int64_t t = 7;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        assert_int_equal(wall_file_decode(slice_str(cases[i].text), &t, &err), cases[i].code);
    }
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&text, WALL_FILE_MAX);
    assert_int_equal(wall_file_encode(-1, &text, &err), EDGE_OK);
    assert_int_equal(wall_file_decode(buf_slice(&text), &t, &err), EDGE_PARSE);
    buf_reset(&text);
    assert_int_equal(wall_file_encode(INT64_MAX, &text, &err), EDGE_OK);
    assert_int_equal(wall_file_decode(buf_slice(&text), &t, &err), EDGE_PARSE);
    assert_int_equal(t, 7);
}

static void test_private_only(void **state) {
    struct tmpdir *dir = *state;
    struct edge_error err;
    int64_t t = 7;
    assert_int_equal(wall_file_write(dir->path, TIME_S, &err), EDGE_OK);
    assert_int_equal(chmod(tmpdir_join(dir, WALL_FILE), 0666), 0);
    assert_int_equal(wall_file_read(dir->path, &t, &err), EDGE_DENIED);
    assert_int_equal(t, 7);
    assert_int_equal(wall_file_write("/dev/null/x", TIME_S, &err), EDGE_INVALID);
    assert_int_equal(wall_file_read("/dev/null/x", &t, &err), EDGE_INVALID);
}

static enum edge_code write_and_read(void *data) {
    const struct tmpdir *dir = data;
    int64_t t = 0;
    enum edge_code code = wall_file_write(dir->path, TIME_S, NULL);
    code = code == EDGE_OK ? wall_file_read(dir->path, &t, NULL) : code;
    assert_true(code != EDGE_OK || t == TIME_S);
    return code;
}

static void test_out_of_memory(void **state) {
    assert_true(alloc_fail_torture(write_and_read, *state) > 0);
}

#define WITH_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DIR(test_write_and_read), WITH_DIR(test_damage),        WITH_DIR(test_foreign_content),
        WITH_DIR(test_private_only),   WITH_DIR(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
