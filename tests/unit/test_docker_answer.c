/* SPDX-License-Identifier: MIT */
#include "runtime/docker_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static void test_codes(void **state) {
    static const struct {
        int status;
        enum edge_code code;
    } rows[] = {
        {304, EDGE_EXISTS},    {400, EDGE_INVALID},  {401, EDGE_DENIED}, {403, EDGE_DENIED},
        {404, EDGE_NOT_FOUND}, {409, EDGE_CONFLICT}, {418, EDGE_REMOTE}, {500, EDGE_REMOTE},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct edge_error err = {0};
        assert_int_equal(
            docker_answer_error(rows[i].status, SLICE_LIT("{\"message\":\"because\"}"), &err),
            rows[i].code);
        assert_int_equal(err.native, rows[i].status);
        assert_non_null(strstr(err.text, "because"));
    }
}

static void test_complaints(void **state) {
    const struct slice old =
        SLICE_LIT("{\"message\":\"client version 1.41 is too old. Minimum is 1.44\"}");
    (void)state;
    assert_true(docker_answer_is_version_complaint(400, old));
    assert_false(docker_answer_is_version_complaint(500, old));
    assert_false(docker_answer_is_version_complaint(400, SLICE_LIT("{\"message\":\"bad name\"}")));
}

static void test_unreachable(void **state) {
    struct edge_error cause = {0}, err = {0};
    (void)state;
    (void)edge_set(&cause, EDGE_NET, "refused");
    assert_int_equal(docker_answer_unreachable("/nowhere/x", &cause, &err), EDGE_NET);
    assert_non_null(strstr(err.text, "is the engine installed and running?"));
    assert_int_equal(docker_answer_unreachable("/", &cause, &err), EDGE_NET);
    assert_non_null(strstr(err.text, "not a socket"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
