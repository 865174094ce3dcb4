/* SPDX-License-Identifier: MIT */
/*
 * Checksummed files.
 */
#include "base/checked.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum edge_code decode(struct slice text, void *ret, struct edge_error *err) {
    struct slice json;
    enum edge_code code = checked_unseal(text, &json, err);
    if (code == EDGE_OK) {
        *(size_t *)ret = json.len;
    }
    return code;
}

static void test_seal(void **unused) {
    (void)unused;
    struct buf text;
    struct slice json;
    buf_init(&text, 256);
    assert_int_equal(checked_seal(SLICE_LIT("{}"), &text, NULL), EDGE_OK);
    assert_int_equal(text.len, 64 + 1 + 2 + 1);
    assert_int_equal(checked_unseal(buf_slice(&text), &json, NULL), EDGE_OK);
    assert_true(slice_eq_str(json, "{}"));
    text.data[66] = 'x';
    assert_int_equal(checked_unseal(buf_slice(&text), &json, NULL), EDGE_PARSE);
    assert_int_equal(checked_unseal(SLICE_LIT("abc"), &json, NULL), EDGE_PARSE);
    buf_clear(&text);
}

static void test_load_and_save(void **state) {
    const struct tmpdir *dir = *state;
    size_t len = 77;
    struct buf text;
    struct edge_error err;
    buf_init(&text, 256);
    assert_int_equal(checked_load(dir->path, "f", 256, decode, &len, NULL), EDGE_NOT_FOUND);
    assert_int_equal(checked_seal(SLICE_LIT("{}"), &text, NULL), EDGE_OK);
    assert_int_equal(checked_save(dir->path, "f", buf_slice(&text), NULL), EDGE_OK);
    assert_int_equal(checked_load(dir->path, "f", 256, decode, &len, NULL), EDGE_OK);
    assert_int_equal(len, 2);
    /* Modes that let others write are no damage: an operator decides. */
    assert_int_equal(chmod(tmpdir_join(dir, "f"), 0666), 0);
    assert_int_equal(checked_load(dir->path, "f", 256, decode, &len, &err), EDGE_DENIED);
    assert_int_equal(chmod(tmpdir_join(dir, "f"), 0600), 0);
    assert_int_equal(checked_load(dir->path, "f", 10, decode, &len, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "f.damaged-"));
    assert_int_equal(access(tmpdir_join(dir, "f"), F_OK), -1);
    assert_int_equal(checked_load("/dev/null/x", "f", 10, decode, &len, NULL), EDGE_INVALID);
    assert_int_equal(checked_save("/dev/null/x", "f", buf_slice(&text), NULL), EDGE_INVALID);
    buf_clear(&text);
}

static enum edge_code seal_and_unseal(void *data) {
    struct buf text;
    struct slice json;
    (void)data;
    buf_init(&text, 256);
    enum edge_code code = checked_seal(SLICE_LIT("{}"), &text, NULL);
    if (code == EDGE_OK) {
        code = checked_unseal(buf_slice(&text), &json, NULL);
    }
    buf_clear(&text);
    return code;
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(seal_and_unseal, NULL) > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal),
        cmocka_unit_test_setup_teardown(test_load_and_save, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
