/* SPDX-License-Identifier: MIT */
/*
 * Giving pages back must change nothing but their number: code, constants and data stay what they
 * were.
 */
#include "footprint.h"

#include "base/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static const char constant[8192] = "constant";
static char variable[8192] = "variable";

static void test_everything_still_works(void **unused) {
    (void)unused;
    uint8_t before[SHA256_LEN], after[SHA256_LEN];
    footprint_limit();
    assert_int_equal(sha256("x", 1, before, NULL), EDGE_OK);
    variable[1] = 'V';
    for (int i = 0; i < 3; i++) {
        footprint_trim();
        assert_string_equal(constant, "constant");
        assert_string_equal(variable, "vVriable");
        assert_int_equal(sha256("x", 1, after, NULL), EDGE_OK);
        assert_memory_equal(before, after, sizeof(before));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything_still_works)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
