/* SPDX-License-Identifier: MIT */
/*
 * The file that remembers for whom the containers were made.
 */
#include "agent/moved_file.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const struct moved_identity id_a = {"hub.example.net", "device-a"};

static void test_identities(void **state) {
    static const struct moved_identity other_case = {"HUB.example.net", "device-a"},
                                       other_device = {"hub.example.net", "Device-A"};
    char text[MOVED_TEXT_LEN + 1];
    struct moved_identity id = id_a;
    (void)state;
    assert_true(moved_identity_eq(&id_a, &other_case));
    assert_false(moved_identity_eq(&id_a, &other_device));
    memset(text, 'x', sizeof(text));
    assert_false(moved_identity_make(SLICE_LIT(""), SLICE_LIT("d"), &id));
    assert_false(moved_identity_make(SLICE_LIT("h"), SLICE_LIT(""), &id));
    assert_false(moved_identity_make(SLICE_LIT("h\nx"), SLICE_LIT("d"), &id));
    assert_false(moved_identity_make(SLICE_LIT("h"), SLICE_LIT("d\n"), &id));
    assert_false(moved_identity_make(slice_make(text, MOVED_TEXT_LEN), SLICE_LIT("d"), &id));
    assert_true(moved_identity_eq(&id, &id_a));
    assert_true(moved_identity_make(slice_make(text, MOVED_TEXT_LEN - 1), SLICE_LIT("d"), &id));
}

static void test_write_and_read(void **state) {
    struct tmpdir *dir = *state;
    struct moved_identity id = {0};
    struct edge_error err;
    assert_int_equal(moved_file_read(dir->path, &id, &err), EDGE_NOT_FOUND);
    assert_int_equal(moved_file_write(dir->path, &id_a, &err), EDGE_OK);
    assert_int_equal(moved_file_read(dir->path, &id, &err), EDGE_OK);
    assert_true(moved_identity_eq(&id, &id_a));
    assert_int_equal(chmod(tmpdir_join(dir, MOVED_FILE), 0666), 0);
    assert_int_equal(moved_file_read(dir->path, &id, &err), EDGE_DENIED);
    assert_int_equal(moved_file_write("/dev/null/x", &id_a, &err), EDGE_INVALID);
    assert_int_equal(moved_file_read("/dev/null/x", &id, &err), EDGE_INVALID);
}

static void test_damage(void **state) {
    struct tmpdir *dir = *state;
    struct buf good EDGE_CLEANUP(buf_clear) = {0};
    struct moved_identity id = {0};
    struct edge_error err;
    buf_init(&good, MOVED_FILE_MAX);
    assert_int_equal(moved_file_encode(&id_a, &good, &err), EDGE_OK);
    for (size_t len = 0; len + 1 < good.len; len++) { /* all but the last newline */
        assert_int_not_equal(moved_file_decode(slice_make(good.data, len), &id, &err), EDGE_OK);
        good.data[len] ^= 0x04;
        assert_int_not_equal(moved_file_decode(buf_slice(&good), &id, &err), EDGE_OK);
        good.data[len] ^= 0x04;
    }
    assert_string_equal(id.hub, "");
    assert_int_equal(moved_file_decode(buf_slice(&good), &id, &err), EDGE_OK);
    tmpdir_write(dir, MOVED_FILE, good.data, good.len - 2, 0600);
    assert_int_equal(moved_file_read(dir->path, &id, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "containers.damaged-"));
    assert_int_equal(moved_file_read(dir->path, &id, &err), EDGE_NOT_FOUND);
}

/* A whole file, but no identity that could have been written. */
static void test_no_identity(void **state) {
    static const struct moved_identity empty = {"", "d"};
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    struct moved_identity id = {0};
    (void)state;
    buf_init(&text, MOVED_FILE_MAX);
    assert_int_equal(moved_file_encode(&empty, &text, NULL), EDGE_OK);
    assert_int_equal(moved_file_decode(buf_slice(&text), &id, NULL), EDGE_PARSE);
}

static enum edge_code write_and_read(void *data) {
    const struct tmpdir *dir = data;
    struct moved_identity id;
    enum edge_code code = moved_file_write(dir->path, &id_a, NULL);
    return code == EDGE_OK ? moved_file_read(dir->path, &id, NULL) : code;
}

static void test_out_of_memory(void **state) {
    assert_true(alloc_fail_torture(write_and_read, *state) > 0);
}

#define WITH_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DIR(test_identities),  WITH_DIR(test_write_and_read), WITH_DIR(test_damage),
        WITH_DIR(test_no_identity), WITH_DIR(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
