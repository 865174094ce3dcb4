/* SPDX-License-Identifier: MIT */
#include "api/log_time.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW 1700000000

static void test_taken(void **state) {
    static const struct {
        const char *text;
        int32_t want;
    } rows[] = {
        {"2023-11-14T22:13:20Z", NOW},
        {"2023-11-14T23:13:20+01:00", NOW},
        {"2023-11-14T22:13:20.999Z", NOW},
        {"1970-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59Z", -1},
        {"0", 0},
        {"1699999999", 1699999999},
        {"-5", -5},
        {"1", 1}, /* a number alone is no duration */
        {"2147483647", INT32_MAX},
        {"-2147483648", INT32_MIN},
        {"1s", NOW - 1},
        {"1h30m", NOW - 5400},
        {"1 day 2 hours", NOW - 86400 - 7200},
        {" 1d ", NOW - 86400},
        {"1d 1d", NOW - 2 * 86400},
        {"0s", NOW},
        {"1w", NOW - 604800},
        {"1M", NOW - 2630016},
        {"1m", NOW - 60},
        {"1y", NOW - 31557600},
        {"1ns", NOW - 1},
        {"999ms 1s", NOW - 2},
        {"500ms 500ms", NOW - 1},
        {"1000000us", NOW - 1},
        {"60years", NOW - 60 * 31557600},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        int32_t value = 77;
        if (!log_time_parse(slice_str(rows[i].text), NOW, &value) || value != rows[i].want) {
            fail_msg("%s: %d", rows[i].text, value);
        }
    }
}

/* All names of one unit are the same. */
static void test_units(void **state) {
    static const struct {
        const char *names[6];
        int32_t seconds;
    } rows[] = {
        {{"7nsec", "7ns", "7nanos", "7usec", "7us", "7ms"}, 1},
        {{"7msec", "7millis", "7ms", "7ms", "7ms", "7ms"}, 1},
        {{"7s", "7sec", "7secs", "7second", "7seconds", "7 s"}, 7},
        {{"7m", "7min", "7mins", "7minute", "7minutes", "7\tm"}, 420},
        {{"7h", "7hr", "7hrs", "7hour", "7hours", "7  hours"}, 25200},
        {{"7d", "7day", "7days", "1w", "1week", "1weeks"}, 604800},
        {{"1M", "1month", "1months", "1M", "1M", "1M"}, 2630016},
        {{"1y", "1year", "1years", "1y", "1y", "1y"}, 31557600},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < 6; j++) {
            int32_t value = 77;
            if (!log_time_parse(slice_str(rows[i].names[j]), NOW, &value) ||
                value != NOW - rows[i].seconds) {
                fail_msg("%s: %d", rows[i].names[j], value);
            }
        }
    }
}

static void test_refused(void **state) {
    static const char *const rows[] = {
        "",
        " ",
        "h",
        "yesterday",
        "1x",
        "1H",
        "1Hours",
        "1.5h",
        "-1h",
        "+1h",
        "1h-30m",
        "1h,30m",
        "1h30",
        "h1",
        "2147483648",
        "-2147483649",
        "99999999999999999999",
        "3000-01-01T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-11-14",
        "200years",
        "4294967296s",
        "18446744073709551615s 1s",
        "18446744073709551616s",
        "18446744073709551615y",
        "18446744073709551615ms",
        "18446744073709551615ns 18446744073709551615ns",
        "1h\xc3\xa4",
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        int32_t value = 77;
        bool taken = log_time_parse(slice_str(rows[i]), NOW, &value);
        if (taken || value != 77) {
            fail_msg("%s: %d", rows[i], value);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
