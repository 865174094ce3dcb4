/* SPDX-License-Identifier: MIT */
/*
 * The account of images, and its file.
 */
#include "agent/image_use.h"

#include "base/checked.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct image_use *u) {
    assert_int_equal(image_use_add(u, "r.test/a:1", "sha256:1", 0, NULL), EDGE_OK);
    assert_int_equal(image_use_add(u, "r.test/a:1", "sha256:2", 86400, NULL), EDGE_OK);
    assert_int_equal(image_use_add(u, "r.test/b:1", "sha256:2", UINT32_MAX, NULL), EDGE_OK);
    u->looked_wall_s = 1700000000;
}

static void test_records(void **state) {
    struct image_use u EDGE_CLEANUP(image_use_clear) = {0};
    struct edge_error err;
    char id[16];
    (void)state;
    fill(&u);
    assert_int_equal(image_use_find(&u, "r.test/a:1", "sha256:2")->idle_s, 86400);
    assert_null(image_use_find(&u, "r.test/b:1", "sha256:1"));
    assert_int_equal(image_use_add(&u, "a b", "sha256:1", 0, &err), EDGE_INVALID);
    assert_int_equal(image_use_add(&u, "a", "sha256:1\n", 0, &err), EDGE_INVALID);
    image_use_remove(&u, 0);
    assert_int_equal(u.cnt, 2);
    assert_null(image_use_find(&u, "r.test/a:1", "sha256:1"));
    assert_non_null(image_use_find(&u, "r.test/b:1", "sha256:2"));
    while (u.cnt < IMAGE_USE_MAX) {
        (void)snprintf(id, sizeof(id), "%zu", u.cnt);
        assert_int_equal(image_use_add(&u, "x:1", id, 0, &err), EDGE_OK);
    }
    assert_int_equal(image_use_add(&u, "x:1", "more", 0, &err), EDGE_RANGE);
}

static void test_merge(void **state) {
    struct image_use u EDGE_CLEANUP(image_use_clear) = {0},
                       more EDGE_CLEANUP(image_use_clear) = {0};
    (void)state;
    fill(&more);
    assert_int_equal(image_use_add(&u, "r.test/a:1", "sha256:2", 5, NULL), EDGE_OK);
    image_use_merge(&u, &more);
    assert_int_equal(u.cnt, 3);
    assert_int_equal(image_use_find(&u, "r.test/a:1", "sha256:2")->idle_s, 5);
    assert_int_equal(image_use_find(&u, "r.test/b:1", "sha256:2")->idle_s, UINT32_MAX);
}

static enum edge_code write(const char *dir, const struct image_use *u) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&text, 2 * IMAGE_USE_TEXT_MAX);
    enum edge_code code = image_use_encode(u, &text, NULL);
    return code == EDGE_OK ? image_use_write(dir, buf_slice(&text), NULL) : code;
}

static void check_filled(const struct image_use *u) {
    assert_int_equal(u->cnt, 3);
    assert_int_equal(u->looked_wall_s, 1700000000);
    assert_int_equal(image_use_find(u, "r.test/a:1", "sha256:1")->idle_s, 0);
    assert_int_equal(image_use_find(u, "r.test/a:1", "sha256:2")->idle_s, 86400);
    assert_int_equal(image_use_find(u, "r.test/b:1", "sha256:2")->idle_s, UINT32_MAX);
}

static void test_write_and_read(void **state) {
    struct tmpdir *dir = *state;
    struct image_use u EDGE_CLEANUP(image_use_clear) = {0},
                       back EDGE_CLEANUP(image_use_clear) = {0};
    struct edge_error err;
    assert_int_equal(image_use_read(dir->path, &back, &err), EDGE_NOT_FOUND);
    assert_int_equal(write(dir->path, &u), EDGE_OK);
    assert_int_equal(image_use_read(dir->path, &back, &err), EDGE_OK);
    assert_int_equal(back.cnt, 0);
    fill(&u);
    assert_int_equal(write(dir->path, &u), EDGE_OK);
    assert_int_equal(image_use_read(dir->path, &back, &err), EDGE_OK);
    check_filled(&back);
    assert_int_equal(write("/dev/null/x", &u), EDGE_INVALID);
}

static void test_damage(void **state) {
    struct tmpdir *dir = *state;
    struct image_use u EDGE_CLEANUP(image_use_clear) = {0},
                       back EDGE_CLEANUP(image_use_clear) = {0};
    struct buf good EDGE_CLEANUP(buf_clear) = {0};
    struct edge_error err;
    fill(&u);
    buf_init(&good, IMAGE_USE_TEXT_MAX);
    assert_int_equal(image_use_encode(&u, &good, &err), EDGE_OK);
    for (size_t len = 0; len + 1 < good.len; len++) {
        assert_int_not_equal(image_use_decode(slice_make(good.data, len), &back, &err), EDGE_OK);
        good.data[len] ^= 0x04;
        assert_int_not_equal(image_use_decode(buf_slice(&good), &back, &err), EDGE_OK);
        good.data[len] ^= 0x04;
    }
    assert_int_equal(back.cnt, 0);
    assert_int_equal(image_use_decode(buf_slice(&good), &back, &err), EDGE_OK);
    check_filled(&back);
    image_use_clear(&back);
    tmpdir_write(dir, IMAGE_USE_FILE, good.data, good.len - 2, 0600);
    assert_int_equal(image_use_read(dir->path, &back, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "images.damaged-"));
    assert_int_equal(image_use_read(dir->path, &back, &err), EDGE_NOT_FOUND);
}

/* Whole files of somebody else. */
static void test_strange(void **state) {
    static const struct {
        const char *body;
        enum edge_code code;
    } rows[] = {
        {"edged images 2\n0", EDGE_UNSUPPORTED},
        {"edged images 1", EDGE_UNSUPPORTED},
        {"edged images 1\n", EDGE_PARSE},
        {"edged images 1\nx", EDGE_PARSE},
        {"edged images 1\n0\n", EDGE_PARSE},
        {"edged images 1\n0\n1 2", EDGE_PARSE},
        {"edged images 1\n0\n-1 sha256:1 a", EDGE_PARSE},
        {"edged images 1\n0\n4294967296 sha256:1 a", EDGE_PARSE},
        {"edged images 1\n0\n1 .. a", EDGE_PARSE},
        {"edged images 1\n0\n1 sha256:1 a b", EDGE_PARSE},
        {"edged images 1\n0\n1 sha256:1 a", EDGE_OK},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct image_use u EDGE_CLEANUP(image_use_clear) = {0};
        struct buf text EDGE_CLEANUP(buf_clear) = {0};
        buf_init(&text, 1024);
        assert_int_equal(checked_seal(slice_str(rows[i].body), &text, NULL), EDGE_OK);
        assert_int_equal(image_use_decode(buf_slice(&text), &u, NULL), rows[i].code);
    }
}

static enum edge_code one_round(void *data) {
    const struct tmpdir *dir = data;
    struct image_use u EDGE_CLEANUP(image_use_clear) = {0},
                       back EDGE_CLEANUP(image_use_clear) = {0};
    enum edge_code code = image_use_add(&u, "a:1", "sha256:1", 1, NULL);
    if (code == EDGE_OK) {
        code = write(dir->path, &u);
    }
    return code == EDGE_OK ? image_use_read(dir->path, &back, NULL) : code;
}

static void test_out_of_memory(void **state) {
    assert_true(alloc_fail_torture(one_round, *state) > 5);
}

#define WITH_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records), cmocka_unit_test(test_merge),
        WITH_DIR(test_write_and_read),  WITH_DIR(test_damage),
        cmocka_unit_test(test_strange), WITH_DIR(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
