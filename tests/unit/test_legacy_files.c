/* SPDX-License-Identifier: MIT */
#include "base/legacy_files.h"

#include "support/alloc_fail.h"
#include "support/legacy_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state) {
    struct tmpdir *home = tmpdir_new();
    legacy_state_make(home);
    *state = home;
    return 0;
}

static int teardown(void **state) {
    tmpdir_free(*state);
    return 0;
}

static void test_master(void **state) {
    const struct tmpdir *home = *state;
    struct secret key SECRET_CLEANUP = {0};
    assert_int_equal(legacy_files_master(home->path, &key, NULL), EDGE_OK);
    assert_int_equal(key.len, LEGACY_FILES_MASTER_LEN);
    for (size_t i = 0; i < key.len; i++) {
        assert_int_equal(key.data[i], i);
    }
}

static void test_master_that_is_none(void **state) {
    const struct tmpdir *home = *state;
    struct secret key = {0};
    struct edge_error err;
    static const char bytes[LEGACY_FILES_MASTER_LEN + 1];
    tmpdir_write(home, LEGACY_MASTER_PATH, bytes, LEGACY_FILES_MASTER_LEN - 1, 0600);
    assert_int_equal(legacy_files_master(home->path, &key, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "31 bytes instead of 32"));
    tmpdir_write(home, LEGACY_MASTER_PATH, bytes, sizeof(bytes), 0600);
    assert_int_equal(legacy_files_master(home->path, &key, &err), EDGE_RANGE);
    tmpdir_write(home, LEGACY_MASTER_PATH, bytes, LEGACY_FILES_MASTER_LEN, 0600);
    assert_int_equal(fchmodat(home->fd, LEGACY_MASTER_PATH, 0640, 0), 0);
    assert_int_equal(legacy_files_master(home->path, &key, &err), EDGE_DENIED);
    assert_non_null(strstr(err.text, "hsm/enc_keys/edgelet-master"));
    assert_int_equal(unlinkat(home->fd, LEGACY_MASTER_PATH, 0), 0);
    assert_int_equal(legacy_files_master(home->path, &key, &err), EDGE_NOT_FOUND);
    assert_int_equal(symlinkat("../../cache/settings_state", home->fd, LEGACY_MASTER_PATH), 0);
    assert_int_not_equal(legacy_files_master(home->path, &key, &err), EDGE_OK);
    assert_null(key.data);
}

static void test_exist(void **state) {
    const struct tmpdir *home = *state;
    assert_true(legacy_files_exist(home->path, LEGACY_FILES_ENC_DIR, LEGACY_FILES_MASTER));
    assert_false(legacy_files_exist(home->path, LEGACY_FILES_ENC_DIR, "other"));
    assert_false(legacy_files_exist(home->path, "hsm", "enc_keys"));
    assert_false(legacy_files_exist("/nowhere/at/all", LEGACY_FILES_ENC_DIR, "other"));
    static char longest[5000];
    memset(longest, 'a', sizeof(longest) - 1);
    assert_false(legacy_files_exist(longest, LEGACY_FILES_ENC_DIR, "other"));
}

/* What everybody may read is no secret, and is still read within its size. */
static void test_public_file(void **state) {
    const struct tmpdir *home = *state;
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(legacy_files_read(home->path, "cache", "settings_state", false, &out, NULL),
                     EDGE_OK);
    assert_int_equal(out.len, 44);
    buf_clear(&out);
    buf_init(&out, 43);
    assert_int_equal(legacy_files_read(home->path, "cache", "settings_state", false, &out, NULL),
                     EDGE_RANGE);
    assert_int_equal(legacy_files_read(home->path, "none", "settings_state", false, &out, NULL),
                     EDGE_NOT_FOUND);
    buf_clear(&out);
}

static enum edge_code torture(void *data) {
    const struct tmpdir *home = data;
    struct secret key = {0};
    enum edge_code code = legacy_files_master(home->path, &key, NULL);
    assert_true((code == EDGE_OK) == (key.data != NULL));
    secret_clear(&key);
    return code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_master, setup, teardown),
        cmocka_unit_test_setup_teardown(test_master_that_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exist, setup, teardown),
        cmocka_unit_test_setup_teardown(test_public_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
