/* SPDX-License-Identifier: MIT */
#include "cli/remover.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tmpdir *dir;
static char path[5000], other[5000];

static void make(const char *file) {
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static int setup(void **state) {
    (void)state;
    dir = tmpdir_new();
    (void)snprintf(path, sizeof(path), "%s/file", dir->path);
    (void)snprintf(other, sizeof(other), "%s/other", dir->path);
    make(path);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tmpdir_free(dir);
    return 0;
}

static void test_removes_when_told(void **state) {
    struct remover r;
    struct edge_error err;
    (void)state;
    assert_int_equal(remover_start(path, &r, &err), EDGE_OK);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_OK);
}

static void test_leaves_it_otherwise(void **state) {
    struct remover r;
    struct edge_error err;
    (void)state;
    assert_int_equal(remover_start(path, &r, &err), EDGE_OK);
    assert_int_equal(remover_finish(&r, false, &err), EDGE_OK);
    assert_int_equal(access(path, F_OK), 0);
    r = (struct remover){.order_fd = -1};
    assert_int_equal(remover_finish(&r, true, &err), EDGE_OK);
}

static void write_text(const char *file, const char *text) {
    int fd = open(file, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void check_text(int fd, const char *want, size_t len) {
    char text[64];
    assert_int_equal(pread(fd, text, sizeof(text), 0), len);
    assert_memory_equal(text, want, len);
}

static void test_nothing_stays_on_the_disk(void **state) {
    struct remover r;
    struct edge_error err;
    (void)state;
    write_text(path, "secret");
    int fd = open(path, O_RDONLY);
    assert_int_equal(remover_start(path, &r, &err), EDGE_OK);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_OK);
    check_text(fd, "\0\0\0\0\0\0", 6);
    assert_int_equal(close(fd), 0);
    /* What has another name is somebody else's as well. */
    make(path);
    write_text(path, "secret");
    assert_int_equal(link(path, other), 0);
    assert_int_equal(remover_start(path, &r, &err), EDGE_OK);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_OK);
    assert_int_equal(access(path, F_OK), -1);
    fd = open(other, O_RDONLY);
    check_text(fd, "secret", 6);
    assert_int_equal(close(fd), 0);
}

/* Somebody who may write above the folder leads the path elsewhere. */
static void test_another_folder_of_that_name(void **state) {
    char inner[5050], moved[5050], file[5100], victim[5100];
    struct remover r;
    struct edge_error err;
    (void)state;
    (void)snprintf(inner, sizeof(inner), "%s/inner", dir->path);
    (void)snprintf(moved, sizeof(moved), "%s/moved", dir->path);
    (void)snprintf(file, sizeof(file), "%s/key", inner);
    (void)snprintf(victim, sizeof(victim), "%s/key", dir->path);
    assert_int_equal(mkdir(inner, 0700), 0);
    make(file);
    make(victim);
    assert_int_equal(remover_start(file, &r, &err), EDGE_OK);
    assert_int_equal(rename(inner, moved), 0);
    assert_int_equal(symlink(dir->path, inner), 0);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_OK);
    assert_int_equal(access(victim, F_OK), 0);
    (void)snprintf(file, sizeof(file), "%s/key", moved);
    assert_int_equal(access(file, F_OK), -1);
}

static void test_another_file_of_that_name(void **state) {
    struct remover r;
    struct edge_error err;
    (void)state;
    assert_int_equal(remover_start(path, &r, &err), EDGE_OK);
    make(other);
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_CONFLICT);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_it_went_by_itself(void **state) {
    struct remover r;
    struct edge_error err;
    (void)state;
    assert_int_equal(remover_start(path, &r, &err), EDGE_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_NOT_FOUND);
}

static void test_the_process_was_killed(void **state) {
    struct remover r;
    struct edge_error err;
    (void)state;
    assert_int_equal(remover_start(path, &r, &err), EDGE_OK);
    assert_int_equal(kill(r.pid, SIGKILL), 0);
    assert_int_equal(remover_finish(&r, true, &err), EDGE_IO);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_no_files(void **state) {
    struct remover r;
    struct edge_error err;
    (void)state;
    assert_int_equal(remover_start(other, &r, &err), EDGE_NOT_FOUND);
    assert_int_equal(symlink(path, other), 0);
    assert_int_equal(remover_start(other, &r, &err), EDGE_INVALID);
    assert_non_null(strstr(err.text, "no regular file"));
    assert_int_equal(remover_start(dir->path, &r, &err), EDGE_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_nothing_stays_on_the_disk), T(test_another_folder_of_that_name),
        T(test_removes_when_told),         T(test_leaves_it_otherwise),
        T(test_another_file_of_that_name), T(test_it_went_by_itself),
        T(test_the_process_was_killed),    T(test_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
