/* SPDX-License-Identifier: MIT */
/*
 * Password files: what belongs to the password, and which files are refused.
 */
#include "auth_file.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_LEN 64

static enum edge_code read_as(struct tmpdir *dir, const char *text, size_t len, unsigned mode,
                              struct secret *ret, struct edge_error *err) {
    tmpdir_write(dir, "auth", text, len, mode);
    return auth_file_read(tmpdir_join(dir, "auth"), MAX_LEN, ret, err);
}

static void check(struct tmpdir *dir, const char *text, size_t len, const char *want) {
    struct secret s = {0};

    assert_int_equal(read_as(dir, text, len, 0600, &s, NULL), EDGE_OK);
    assert_true(secret_equal_bytes(&s, want, strlen(want)));
    secret_clear(&s);
}

static void content(void **state) {
    struct tmpdir *dir = *state;
    char longest[MAX_LEN + 2];

    check(dir, "pass", 4, "pass");
    check(dir, "pass\n", 5, "pass");
    check(dir, "pass\r\n", 6, "pass");
    check(dir, "pass\n\n", 6, "pass\n");
    check(dir, " p w \n", 6, " p w ");
    check(dir, "pass\0", 5, "pass");
    memset(longest, 'x', sizeof(longest));
    longest[MAX_LEN] = '\n';
    struct secret s = {0};
    assert_int_equal(read_as(dir, longest, MAX_LEN + 1, 0600, &s, NULL), EDGE_OK);
    assert_int_equal(s.len, MAX_LEN);
    secret_clear(&s);
    longest[MAX_LEN] = 'x';
    assert_int_equal(read_as(dir, longest, MAX_LEN + 1, 0600, &s, NULL), EDGE_RANGE);
}

static void refused(void **state) {
    struct tmpdir *dir = *state;
    struct secret s = {0};
    struct edge_error err;

    assert_int_equal(read_as(dir, "", 0, 0600, &s, &err), EDGE_INVALID);
    assert_int_equal(read_as(dir, "\n", 1, 0600, &s, &err), EDGE_INVALID);
    assert_int_equal(read_as(dir, "pass", 4, 0640, &s, &err), EDGE_DENIED);
    assert_int_equal(read_as(dir, "pass", 4, 0604, &s, &err), EDGE_DENIED);
    assert_null(strstr(err.text, "pass\n"));
    assert_int_equal(auth_file_read(tmpdir_join(dir, "none"), MAX_LEN, &s, &err), EDGE_NOT_FOUND);
    assert_int_equal(auth_file_read("relative", MAX_LEN, &s, &err), EDGE_INVALID);
    assert_int_equal(auth_file_read("/", MAX_LEN, &s, &err), EDGE_INVALID);
    assert_int_equal(auth_file_read("", MAX_LEN, &s, &err), EDGE_INVALID);
    assert_null(s.data);
}

static enum edge_code once(void *data) {
    struct secret s = {0};
    enum edge_code rc = auth_file_read(data, MAX_LEN, &s, NULL);

    secret_clear(&s);
    return rc;
}

static void out_of_memory(void **state) {
    struct tmpdir *dir = *state;
    char path[PATH_MAX];

    tmpdir_write(dir, "auth", "pass", 4, 0600);
    (void)snprintf(path, sizeof(path), "%s", tmpdir_join(dir, "auth"));
    assert_true(alloc_fail_torture(once, path) >= 2);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {IN_DIR(content), IN_DIR(refused), IN_DIR(out_of_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
