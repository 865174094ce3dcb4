/* SPDX-License-Identifier: MIT */
/*
 * Dates from peers: what is read is written in a form that reads back as the same second. Numbers
 * and UTF-8 ride along, since the parsers are as small.
 */
#include "base/clock.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size);
    int64_t wall = 0;
    int64_t back = 0;
    if (clock_parse_http(input, &wall)) {
        char text[CLOCK_HTTP_LEN];
        clock_format_http(wall, text);
        /* The last minute of year 9999 may carry a leap second beyond what can be written. */
        require(clock_parse_http(slice_str(text), &back) && (back == wall || back == wall - 1));
    }
    if (clock_parse_rfc3339(input, &wall)) {
        char text[CLOCK_RFC3339_LEN];
        clock_format_rfc3339(wall, text);
        /* An offset can carry the first and last day beyond the years that can be written. */
        require(clock_parse_rfc3339(slice_str(text), &back));
        require(llabs(back - wall) <= 86400);
    }
    uint64_t number = 0;
    if (slice_parse_u64(input, UINT64_MAX, &number) && number <= INT64_MAX) {
        require(slice_parse_i64(input, &wall) && wall == (int64_t)number);
    }
    if (slice_is_utf8_text(input)) {
        require(slice_find(input, '\0') < 0);
    }
    return 0;
}
