/* SPDX-License-Identifier: MIT */
/*
 * Notes about the state on disk.
 */
#include "provisioning/note.h"

#include "base/fs.h"
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

static void test_add(void **unused) {
    (void)unused;
    char note[16] = "";
    note_add(note, sizeof(note), "one ", "a");
    note_add(note, sizeof(note), "two", "");
    assert_string_equal(note, "one a; two");
    note_add(note, sizeof(note), "a long text that is cut", "");
    assert_int_equal(strlen(note), sizeof(note) - 1);
}

static void test_read(void **unused) {
    (void)unused;
    struct tmpdir *dir;
    char note[256] = "";
    size_t len = 77;
    int fd = -1;
    struct buf text;
    struct edge_error err;
    dir = tmpdir_new();
    assert_int_equal(fs_dir_open(dir->path, false, 0700, &fd, NULL), EDGE_OK);
    assert_int_equal(note_read(fd, "f", 256, decode, &len, note, sizeof(note), NULL), EDGE_OK);
    assert_int_equal(len, 77);
    buf_init(&text, 256);
    assert_int_equal(checked_seal(SLICE_LIT("{}"), &text, NULL), EDGE_OK);
    assert_int_equal(fs_write_atomic(fd, "f", buf_slice(&text), NULL), EDGE_OK);
    assert_int_equal(note_read(fd, "f", 256, decode, &len, note, sizeof(note), NULL), EDGE_OK);
    assert_int_equal(len, 2);
    /* Modes that let others write are no damage: an operator decides. */
    assert_int_equal(fchmodat(fd, "f", 0666, 0), 0);
    assert_int_equal(note_read(fd, "f", 256, decode, &len, note, sizeof(note), &err), EDGE_DENIED);
    assert_string_equal(note, "");
    assert_int_equal(fchmodat(fd, "f", 0600, 0), 0);
    assert_int_equal(note_read(fd, "f", 10, decode, &len, note, sizeof(note), NULL), EDGE_OK);
    assert_non_null(strstr(note, "damaged"));
    assert_non_null(strstr(note, "f.damaged-"));
    assert_int_equal(faccessat(fd, "f", F_OK, 0), -1);
    buf_clear(&text);
    close(fd);
    tmpdir_free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_add), cmocka_unit_test(test_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
