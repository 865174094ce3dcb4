/* SPDX-License-Identifier: MIT */
#include "base/proc_stat.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define TAIL "S 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 "

static void test_texts(void **state) {
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"42 (sleep) " TAIL "7777 1 2 3\n", true, 7777},
        {"42 (a) S 1 9) " TAIL "7777 1 2\n", true, 7777},
        {"42 (a ) b (c)) " TAIL "4711 0 0", true, 4711},
        {"42 () 1 2) " TAIL "4711 0", true, 4711},
        {"42 () ) ((\n) " TAIL "18446744073709551615 1\n", true, UINT64_MAX},
        {"42 (sleep) " TAIL "18446744073709551616 1\n", false, 0},
        {"42 (sleep) " TAIL "7777", false, 0},
        {"42 (sleep) " TAIL "-5 1\n", false, 0},
        {"42 (sleep)" TAIL "7777 1\n", false, 0},
        {"42 (sleep) S 1 2\n", false, 0},
        {"42 (sleep)", false, 0},
        {"42 sleep " TAIL "7777 1\n", false, 0},
        {")", false, 0},
        {"", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        uint64_t value = 0;
        bool ok = proc_stat_start_time(slice_str(rows[i].text), &value);
        if (ok != rows[i].ok || value != rows[i].value) {
            fail_msg("row %zu: %d, %llu", i, ok, (unsigned long long)value);
        }
    }
}

/* The kernel writes what is expected here. */
static void test_own(void **state) {
    char text[4096];
    uint64_t value = 0;
    (void)state;
    FILE *file = fopen("/proc/self/stat", "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text), file);
    (void)fclose(file);
    assert_true(proc_stat_start_time(slice_make(text, len), &value));
    assert_true(value > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
