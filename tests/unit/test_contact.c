/* SPDX-License-Identifier: MIT */
/*
 * The record of contacts with the cloud: encoding, damage, and clocks that were set.
 */
#include "provisioning/contact.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct contact sample(void) {
    struct contact c = {.not_before_wall_s = 1700000600,
                        .floor_wall_s = 1700000060,
                        .inputs = "abcd",
                        .why = "the service asked to wait",
                        .failures = 7,
                        .refused = true,
                        .last_wall_s = 1700000000,
                        .last_ok_wall_s = 1600000000,
                        .last_error_wall_s = 1700000001,
                        .last_error = "429"};
    return c;
}

static void assert_same(const struct contact *a, const struct contact *b) {
    assert_int_equal(a->not_before_wall_s, b->not_before_wall_s);
    assert_int_equal(a->floor_wall_s, b->floor_wall_s);
    assert_string_equal(a->inputs, b->inputs);
    assert_string_equal(a->why, b->why);
    assert_int_equal(a->failures, b->failures);
    assert_int_equal(a->refused, b->refused);
    assert_int_equal(a->last_wall_s, b->last_wall_s);
    assert_int_equal(a->last_ok_wall_s, b->last_ok_wall_s);
    assert_int_equal(a->last_error_wall_s, b->last_error_wall_s);
    assert_string_equal(a->last_error, b->last_error);
}

static void test_wait(void **unused) {
    (void)unused;
    assert_int_equal(contact_wait_s(0, 1700000000), 0);
    assert_int_equal(contact_wait_s(1699999999, 1700000000), 0);
    assert_int_equal(contact_wait_s(1700000060, 1700000000), 60);
    /* Written while the clock was years ahead, or read while it is years behind. */
    assert_int_equal(contact_wait_s(1900000000, 1700000000), CONTACT_WAIT_MAX_S);
    assert_int_equal(contact_wait_s(1700000000, 0), CONTACT_WAIT_MAX_S);
    assert_int_equal(contact_wait_s(INT64_MAX, INT64_MIN), 0);
}

static void test_round_trip_and_damage(void **unused) {
    (void)unused;
    struct contact c = sample(), back = {0};
    struct buf text;
    buf_init(&text, CONTACT_SIZE_MAX);
    assert_int_equal(contact_encode(&c, &text, NULL), EDGE_OK);
    assert_int_equal(contact_decode(buf_slice(&text), &back, NULL), EDGE_OK);
    assert_same(&c, &back);
    for (size_t i = 0; i + 1 < text.len; i++) {
        text.data[i] ^= 1;
        assert_int_equal(contact_decode(buf_slice(&text), &back, NULL), EDGE_PARSE);
        text.data[i] ^= 1;
    }
    buf_clear(&text);
}

static void test_on_disk(void **unused) {
    (void)unused;
    struct tmpdir *dir;
    struct contact c = sample(), back;
    char note[128], path[PATH_MAX + 64];
    dir = tmpdir_new();
    assert_int_equal(contact_load(dir->path, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_int_equal(back.not_before_wall_s, 0);
    assert_string_equal(note, "");
    assert_int_equal(contact_save(dir->path, &c, NULL), EDGE_OK);
    assert_int_equal(contact_load(dir->path, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_same(&c, &back);
    (void)snprintf(path, sizeof(path), "%s/%s", dir->path, CONTACT_FILE);
    assert_int_equal(truncate(path, 80), 0);
    assert_int_equal(contact_load(dir->path, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_int_equal(back.not_before_wall_s, 0);
    assert_non_null(strstr(note, "damaged"));
    assert_int_equal(access(path, F_OK), -1);
    tmpdir_free(dir);
}

static enum edge_code save_and_load(void *data) {
    struct contact c = sample(), back = {0};
    char note[128];
    enum edge_code code = contact_save(data, &c, NULL);
    if (code == EDGE_OK) {
        code = contact_load(data, &back, note, sizeof(note), NULL);
    }
    if (code == EDGE_OK) {
        assert_same(&c, &back);
        assert_string_equal(note, "");
    }
    return code;
}

static void test_out_of_memory_is_not_damage(void **unused) {
    (void)unused;
    struct tmpdir *dir;
    dir = tmpdir_new();
    assert_true(alloc_fail_torture(save_and_load, dir->path) > 10);
    tmpdir_free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_round_trip_and_damage),
        cmocka_unit_test(test_on_disk),
        cmocka_unit_test(test_out_of_memory_is_not_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
