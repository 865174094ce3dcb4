/* SPDX-License-Identifier: MIT */
#include "identity/reconcile_state.h"

#include "identity/reconcile.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct reconcile_state sample(void) {
    struct reconcile_state s = {.hub = "hub.example:8443", .device_id = "dev-01"};
    for (size_t i = 0; i < sizeof(s.root); i++) {
        s.root[i] = (uint8_t)i;
    }
    return s;
}

static void test_format(void **state) {
    (void)state;
    const struct reconcile_state s = sample();
    struct reconcile_state back;
    struct buf out;
    buf_init(&out, RECONCILE_STATE_MAX);
    assert_int_equal(reconcile_state_format(&s, &out, NULL), EDGE_OK);
    assert_string_equal(
        buf_cstr(&out),
        "{\"version\":1,\"hub\":\"hub.example:8443\",\"deviceId\":\"dev-01\",\"root\":"
        "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}");
    assert_int_equal(reconcile_state_parse(buf_slice(&out), &back, NULL), EDGE_OK);
    assert_true(reconcile_state_eq(&s, &back));
    buf_clear(&out);
}

static void test_equality(void **state) {
    (void)state;
    struct reconcile_state a = sample();
    struct reconcile_state b = sample();
    assert_true(reconcile_state_eq(&a, &b));
    b.root[31] ^= 1;
    assert_false(reconcile_state_eq(&a, &b));
    b = sample();
    b.hub[0] = 'H';
    assert_false(reconcile_state_eq(&a, &b));
    b = sample();
    b.device_id[0] = 'D';
    assert_false(reconcile_state_eq(&a, &b));
}

static void test_damaged_text(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"version\":2,\"hub\":\"h\",\"deviceId\":\"d\",\"root\":\"00\"}",
        "{\"version\":1,\"hub\":\"h\",\"deviceId\":\"d\",\"root\":\"00\"}",
        "{\"version\":1,\"hub\":\"h\",\"deviceId\":\"d\",\"root\":\"zz\"}",
        "{\"version\":1,\"hub\":5,\"deviceId\":\"d\",\"root\":\"00\"}",
        "{\"version\":1,\"hub\":\"h\",\"root\":\"00\"}",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct reconcile_state s = sample();
        const struct reconcile_state before = s;
        assert_int_not_equal(reconcile_state_parse(slice_str(bad[i]), &s, NULL), EDGE_OK);
        assert_memory_equal(&s, &before, sizeof(s));
    }
}

static void test_files(void **state) {
    struct tmpdir *dir = *state;
    struct reconcile_state s = sample();
    struct reconcile_state back;
    assert_int_equal(reconcile_state_load(dir->path, &back, NULL), EDGE_NOT_FOUND);
    assert_int_equal(reconcile_state_save(dir->path, &s, NULL), EDGE_OK);
    assert_int_equal(reconcile_state_load(dir->path, &back, NULL), EDGE_OK);
    assert_true(reconcile_state_eq(&s, &back));
    s.root[0] = 9;
    assert_int_equal(reconcile_state_save(dir->path, &s, NULL), EDGE_OK);
    assert_int_equal(reconcile_state_load(dir->path, &back, NULL), EDGE_OK);
    assert_true(reconcile_state_eq(&s, &back));
    assert_int_equal(reconcile_state_save("/dev/null/x", &s, NULL) == EDGE_OK, 0);
}

static void test_damaged_file_is_set_aside(void **state) {
    struct tmpdir *dir = *state;
    struct reconcile_state back;
    struct edge_error err;
    tmpdir_write(dir, RECONCILE_FILE, "nonsense", 8, 0600);
    assert_int_equal(reconcile_state_load(dir->path, &back, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, RECONCILE_FILE ".damaged-"));
    assert_int_equal(reconcile_state_load(dir->path, &back, NULL), EDGE_NOT_FOUND);
}

static enum edge_code torture(void *data) {
    struct tmpdir *dir = data;
    const struct reconcile_state s = sample();
    struct reconcile_state back;
    enum edge_code code = reconcile_state_save(dir->path, &s, NULL);
    return code == EDGE_OK ? reconcile_state_load(dir->path, &back, NULL) : code;
}

/* Short memory must not pass for a damaged file. */
static void test_allocation_torture(void **state) {
    struct tmpdir *dir = *state;
    struct reconcile_state back;
    assert_true(alloc_fail_torture(torture, dir) > 4);
    assert_int_equal(reconcile_state_load(dir->path, &back, NULL), EDGE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_damaged_text),
        cmocka_unit_test_setup_teardown(test_files, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_file_is_set_aside, tmpdir_setup,
                                        tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, tmpdir_setup, tmpdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
