/* SPDX-License-Identifier: MIT */
/*
 * Certificate files of an external provisioner.
 */
#include "provisioning/external_files.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_write_and_sweep(void **unused) {
    (void)unused;
    struct tmpdir *dir;
    struct stat st;
    struct state s = {.has_current = true, .has_previous = true};
    struct provisioning_result third = {0};
    dir = tmpdir_new();
    assert_int_equal(
        external_files_write(dir->path, SLICE_LIT("cert 1"), SLICE_LIT("key 1"), &s.previous, NULL),
        EDGE_OK);
    assert_int_equal(
        external_files_write(dir->path, SLICE_LIT("cert 2"), SLICE_LIT("key 2"), &s.current, NULL),
        EDGE_OK);
    assert_int_equal(
        external_files_write(dir->path, SLICE_LIT("cert 2"), SLICE_LIT("key 3"), &third, NULL),
        EDGE_OK);
    assert_string_not_equal(s.current.cert_path, s.previous.cert_path);
    assert_string_not_equal(s.current.cert_path, third.cert_path);
    assert_int_equal(stat(s.current.pk_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    external_files_sweep(dir->path, &s);
    assert_int_equal(access(s.current.cert_path, F_OK), 0);
    assert_int_equal(access(s.previous.pk_path, F_OK), 0);
    assert_int_equal(access(third.cert_path, F_OK), -1);
    assert_int_equal(access(third.pk_path, F_OK), -1);
    s.has_previous = false;
    external_files_sweep(dir->path, &s);
    assert_int_equal(access(s.previous.pk_path, F_OK), -1);
    external_files_sweep("/nowhere", &s);
    tmpdir_free(dir);
}

static void test_paths(void **unused) {
    (void)unused;
    char path[32];
    assert_int_equal(external_files_path("/a/b.pem", path, sizeof(path), NULL), EDGE_OK);
    assert_string_equal(path, "/a/b.pem");
    assert_int_equal(external_files_path("file:///a/c.pem", path, sizeof(path), NULL), EDGE_OK);
    assert_string_equal(path, "/a/c.pem");
    static const char *const bad[] = {
        "",          "a.pem",         "file://a",
        "http:///a", "file:///a%20b", "/a/path/that/is/longer/than/the/room"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(external_files_path(bad[i], path, sizeof(path), NULL), EDGE_PROTO);
    }
}

static enum edge_code write_them(void *data) {
    struct provisioning_result r = {0};
    return external_files_write(data, SLICE_LIT("cert"), SLICE_LIT("key"), &r, NULL);
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    struct tmpdir *dir;
    dir = tmpdir_new();
    assert_true(alloc_fail_torture(write_them, dir->path) > 1);
    tmpdir_free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_sweep),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
