/* SPDX-License-Identifier: MIT */
/*
 * The file that release 1.1 reads.
 */
#include "provisioning/backup.h"

#include "base/fs.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_of(const struct tmpdir *dir, char out[PATH_MAX + 64]) {
    (void)snprintf(out, PATH_MAX + 64, "%s/cache/" BACKUP_FILE, dir->path);
}

static void test_written_and_left_alone(void **unused) {
    (void)unused;
    struct tmpdir *dir;
    struct stat a, b;
    char path[PATH_MAX + 64];
    struct buf text;
    struct provisioning_result r = {.hub = "h.example", .device_id = "dev"};
    dir = tmpdir_new();
    path_of(dir, path);
    assert_int_equal(backup_write(dir->path, &r, NULL), EDGE_OK);
    assert_int_equal(stat(path, &a), 0);
    assert_int_equal(a.st_mode & 0777, 0600);
    buf_init(&text, 256);
    assert_int_equal(fs_read_path(path, &text, NULL), EDGE_OK);
    assert_true(
        slice_eq_str(buf_slice(&text), "{\"device_id\":\"dev\",\"hub_name\":\"h.example\"}"));
    buf_clear(&text);
    assert_int_equal(backup_write(dir->path, &r, NULL), EDGE_OK);
    assert_int_equal(stat(path, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    strcpy(r.hub, "i.example");
    assert_int_equal(backup_write(dir->path, &r, NULL), EDGE_OK);
    assert_int_equal(stat(path, &b), 0);
    assert_int_not_equal(a.st_ino, b.st_ino);
    tmpdir_free(dir);
}

static void test_failures_name_the_file(void **unused) {
    (void)unused;
    struct edge_error err;
    struct provisioning_result r = {.hub = "h.example", .device_id = "dev"};
    assert_int_not_equal(backup_write("/dev/null", &r, &err), EDGE_OK);
    assert_non_null(strstr(err.text, "/dev/null/cache/" BACKUP_FILE));
}

static enum edge_code write_it(void *data) {
    struct provisioning_result r = {.hub = "h.example", .device_id = "dev"};
    return backup_write(data, &r, NULL);
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    struct tmpdir *dir;
    dir = tmpdir_new();
    assert_true(alloc_fail_torture(write_it, dir->path) > 1);
    tmpdir_free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_and_left_alone),
        cmocka_unit_test(test_failures_name_the_file),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
