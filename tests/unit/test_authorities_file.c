/* SPDX-License-Identifier: MIT */
#include "pki/authorities_file.h"

#include "base/fs.h"
#include "support/alloc_fail.h"
#include "support/authorities_sample.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The n-th rename from now on is the last thing that happens: -1 is off. */
static int renames_left = -1;

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    if (renames_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    renames_left -= renames_left > 0 ? 1 : 0;
    return __real_renameat(from_fd, from, to_fd, to);
}

static bool same(const struct authorities *a, const struct authorities *b) {
    struct buf x, y;
    buf_init(&x, AUTHORITIES_FILE_MAX);
    buf_init(&y, AUTHORITIES_FILE_MAX);
    assert_int_equal(authorities_encode(a, &x, NULL), EDGE_OK);
    assert_int_equal(authorities_encode(b, &y, NULL), EDGE_OK);
    bool eq = slice_eq(buf_slice(&x), buf_slice(&y));
    buf_clear(&x);
    buf_clear(&y);
    return eq;
}

static enum edge_code load(struct tmpdir *dir, struct authorities *ret, char *note) {
    authorities_init(ret);
    return authorities_load(dir->path, ret, note, NULL);
}

static void test_there_and_back(void **state) {
    struct tmpdir *dir = *state;
    struct authorities a, b;
    struct stat st;
    char note[EDGE_ERROR_TEXT_MAX];
    authorities_sample(&a);
    assert_int_equal(load(dir, &b, note), EDGE_NOT_FOUND);
    assert_string_equal(note, "");
    assert_int_equal(authorities_save(dir->path, &a, NULL), EDGE_OK);
    assert_int_equal(load(dir, &b, note), EDGE_OK);
    assert_string_equal(note, "");
    assert_true(same(&a, &b));
    assert_string_equal(b.workload.cert.subject, "CN=iotedged workload ca");
    assert_int_equal(b.before[0].until_wall_s, a.before[0].until_wall_s);
    assert_int_equal(stat(tmpdir_join(dir, AUTHORITIES_FILE), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    authorities_clear(&a);
    authorities_clear(&b);
    authorities_init(&a);
    assert_int_equal(authorities_save(dir->path, &a, NULL), EDGE_OK);
    assert_int_equal(load(dir, &b, note), EDGE_OK);
    assert_true(same(&a, &b));
}

/* A cut at each rename of a save: the old or the new, whole. */
static void test_cuts(void **state) {
    struct tmpdir *dir = *state;
    struct authorities old, next, got;
    char note[EDGE_ERROR_TEXT_MAX];
    authorities_sample(&old);
    authorities_init(&next);
    assert_int_equal(authorities_copy(&old, &next, NULL), EDGE_OK);
    next.next = 99;
    for (int cut = 0; cut < 3; cut++) {
        assert_int_equal(authorities_save(dir->path, &old, NULL), EDGE_OK);
        renames_left = cut;
        enum edge_code code = authorities_save(dir->path, &next, NULL);
        renames_left = -1;
        assert_int_equal(code, cut == 0 ? EDGE_IO : EDGE_OK);
        assert_int_equal(load(dir, &got, note), EDGE_OK);
        assert_true(same(&got, cut == 0 ? &old : &next));
        authorities_clear(&got);
        /* The file is lost after that: what the copy has is one of the two as well. */
        assert_int_equal(unlink(tmpdir_join(dir, AUTHORITIES_FILE)), 0);
        assert_int_equal(load(dir, &got, note), EDGE_OK);
        assert_true(same(&got, cut < 2 ? &old : &next));
        authorities_clear(&got);
    }
    authorities_clear(&old);
    authorities_clear(&next);
}

static void test_damage(void **state) {
    struct tmpdir *dir = *state;
    struct authorities a, b;
    char note[EDGE_ERROR_TEXT_MAX];
    authorities_sample(&a);
    assert_int_equal(authorities_save(dir->path, &a, NULL), EDGE_OK);
    tmpdir_write(dir, AUTHORITIES_FILE, "nonsense", 8, 0600);
    assert_int_equal(load(dir, &b, note), EDGE_OK);
    assert_non_null(strstr(note, AUTHORITIES_FILE ".damaged-"));
    assert_true(same(&a, &b));
    authorities_clear(&b);
    assert_int_equal(load(dir, &b, note), EDGE_OK); /* both are there again */
    assert_string_equal(note, "");
    authorities_clear(&b);
    tmpdir_write(dir, AUTHORITIES_FILE, "nonsense", 8, 0600);
    tmpdir_write(dir, AUTHORITIES_FILE_COPY, "nonsense", 8, 0600);
    assert_int_equal(load(dir, &b, note), EDGE_NOT_FOUND);
    /* What others may write is no damage. */
    tmpdir_write(dir, AUTHORITIES_FILE, "nonsense", 8, 0666);
    assert_int_equal(load(dir, &b, note), EDGE_DENIED);
    authorities_clear(&a);
}

static void test_flipped_bytes(void **state) {
    (void)state;
    struct authorities a, b;
    struct buf text;
    buf_init(&text, AUTHORITIES_FILE_MAX);
    authorities_sample(&a);
    authorities_init(&b);
    assert_int_equal(authorities_encode(&a, &text, NULL), EDGE_OK);
    for (size_t i = 0; i < text.len - 1; i += 37) {
        text.data[i] ^= 1;
        assert_int_equal(authorities_decode(buf_slice(&text), &b, NULL), EDGE_PARSE);
        assert_false(authority_exists(&b.owner));
        text.data[i] ^= 1;
    }
    buf_clear(&text);
    authorities_clear(&a);
}

static enum edge_code torture(void *data) {
    struct tmpdir *dir = data;
    struct authorities a;
    char note[EDGE_ERROR_TEXT_MAX];
    authorities_init(&a);
    enum edge_code code = authorities_load(dir->path, &a, note, NULL);
    authorities_clear(&a);
    return code;
}

/* Short memory must not pass for damage, which would cost the root. */
static void test_allocation_torture(void **state) {
    struct tmpdir *dir = *state;
    struct authorities a, b;
    char note[EDGE_ERROR_TEXT_MAX];
    char *pem = authorities_sample_pem("Owner", AUTHORITIES_SAMPLE_NOW, AUTHORITIES_SAMPLE_NOW + 1);
    authorities_init(&a);
    assert_int_equal(authority_set(&a.owner, "owner-ca-1", slice_str(pem), NULL, NULL), EDGE_OK);
    assert_int_equal(authorities_save(dir->path, &a, NULL), EDGE_OK);
    assert_true(alloc_fail_torture(torture, dir) > 100);
    assert_int_equal(load(dir, &b, note), EDGE_OK);
    assert_string_equal(note, "");
    assert_true(same(&a, &b));
    authorities_clear(&a);
    authorities_clear(&b);
    free(pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_cuts, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_damage, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test_setup_teardown(test_allocation_torture, tmpdir_setup, tmpdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
