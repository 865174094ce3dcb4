/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/attr.h"
#include "support/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct {
    int64_t wall_s;
    const char *rfc3339;
    const char *http;
} dates[] = {
    {0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {-1, "1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT"},
    {784111777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"},
    {951782399, "2000-02-28T23:59:59Z", "Mon, 28 Feb 2000 23:59:59 GMT"},
    {951782400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT"},
    {951868800, "2000-03-01T00:00:00Z", "Wed, 01 Mar 2000 00:00:00 GMT"},
    {1709164800, "2024-02-29T00:00:00Z", "Thu, 29 Feb 2024 00:00:00 GMT"},
    {2147483647, "2038-01-19T03:14:07Z", "Tue, 19 Jan 2038 03:14:07 GMT"},
    {2147483648, "2038-01-19T03:14:08Z", "Tue, 19 Jan 2038 03:14:08 GMT"},
    {4107542400, "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 GMT"},
    {4107542399, "2100-02-28T23:59:59Z", "Sun, 28 Feb 2100 23:59:59 GMT"},
    {-2203891200, "1900-03-01T00:00:00Z", "Thu, 01 Mar 1900 00:00:00 GMT"},
    {-62135596800, "0001-01-01T00:00:00Z", "Mon, 01 Jan 0001 00:00:00 GMT"},
    {-62167219200, "0000-01-01T00:00:00Z", "Sat, 01 Jan 0000 00:00:00 GMT"},
    {253402300799, "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
};

static void test_known_dates(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(dates); i++) {
        char text[CLOCK_RFC3339_LEN];
        char http[CLOCK_HTTP_LEN];
        int64_t back = 1;
        clock_format_rfc3339(dates[i].wall_s, text);
        assert_string_equal(text, dates[i].rfc3339);
        assert_true(clock_parse_rfc3339(slice_str(text), &back));
        assert_true(back == dates[i].wall_s);
        clock_format_http(dates[i].wall_s, http);
        assert_string_equal(http, dates[i].http);
        assert_true(clock_parse_http(slice_str(http), &back));
        assert_true(back == dates[i].wall_s);
    }
}

/* The C library as the judge, over 600 years in odd steps. */
static void test_against_the_c_library(void **state) {
    (void)state;
    for (int64_t t = -10000000000; t < 10000000000; t += 9999991) {
        char text[CLOCK_RFC3339_LEN];
        char want[32];
        struct tm tm;
        time_t when = t;
        assert_non_null(gmtime_r(&when, &tm));
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
        clock_format_rfc3339(t, text);
        assert_string_equal(text, want);
        char http[CLOCK_HTTP_LEN];
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        clock_format_http(t, http);
        assert_string_equal(http, want);
        int64_t back;
        assert_true(clock_parse_http(slice_str(http), &back));
        assert_true(back == t);
    }
}

static void test_clamped(void **state) {
    (void)state;
    char text[CLOCK_RFC3339_LEN];
    clock_format_rfc3339(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    clock_format_rfc3339(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
    char http[CLOCK_HTTP_LEN];
    clock_format_http(INT64_MAX, http);
    assert_string_equal(http, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void test_parse_rfc3339(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t wall_s;
    } good[] = {
        {"2026-01-02T03:04:05Z", 1767323045},           {"2026-01-02t03:04:05z", 1767323045},
        {"2026-01-02T03:04:05.123456789Z", 1767323045}, {"2026-01-02T05:04:05+02:00", 1767323045},
        {"2026-01-01T22:34:05.5-04:30", 1767323045},    {"2026-01-02T03:04:05+00:00", 1767323045},
        {"2026-01-02T03:04:05-00:00", 1767323045},      {"2016-12-31T23:59:60Z", 1483228800},
        {"0001-01-01T00:00:00Z", -62135596800},
    };
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.5",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+02",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+02:60",
        "2026-01-02T03:04:05Zx",
        "2026-1-02T03:04:05Z",
        "+026-01-02T03:04:05Z",
        "2026/01/02T03:04:05Z",
        " 2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05*02:00",
        "2026-01-02T03-04-05Z",
    };
    int64_t got = 0;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        assert_true(clock_parse_rfc3339(slice_str(good[i].text), &got));
        assert_true(got == good[i].wall_s);
    }
    got = 77;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_false(clock_parse_rfc3339(slice_str(bad[i]), &got));
        assert_int_equal(got, 77);
    }
    assert_true(clock_parse_rfc3339(SLICE_LIT("2000-02-29T00:00:00Z"), &got));
}

static void test_parse_http(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "Sun",
        "Sun, ",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "120",
    };
    int64_t got = 77;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_false(clock_parse_http(slice_str(bad[i]), &got));
        assert_int_equal(got, 77);
    }
}

static void test_real_clocks(void **state) {
    (void)state;
    uint64_t last = clock_mono_us();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_mono_ms() >= last / 1000);
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    int64_t wall = clock_wall_s();
    assert_true(wall >= ts.tv_sec && wall <= ts.tv_sec + 2);
}

static void test_fake_clock(void **state) {
    (void)state;
    fake_clock_install(1000000000);
    uint64_t mono = clock_mono_ms();
    assert_int_equal(clock_wall_s(), 1000000000);
    fake_clock_advance_ms(1500);
    assert_int_equal(clock_mono_ms() - mono, 1500);
    assert_int_equal(clock_wall_s(), 1000000001);
    fake_clock_set_wall(-5);
    assert_int_equal(clock_wall_s(), -5);
    assert_int_equal(clock_mono_ms() - mono, 1500);
    fake_clock_remove();
    assert_true(clock_wall_s() > 1000000001);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_dates), cmocka_unit_test(test_against_the_c_library),
        cmocka_unit_test(test_clamped),     cmocka_unit_test(test_parse_rfc3339),
        cmocka_unit_test(test_parse_http),  cmocka_unit_test(test_real_clocks),
        cmocka_unit_test(test_fake_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
