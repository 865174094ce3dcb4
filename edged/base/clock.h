/* SPDX-License-Identifier: MIT */
/*
 * Monotonic and wall clock, replaceable in tests.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_RFC3339_LEN 21 /* "2026-01-02T03:04:05Z" and NUL */
#define CLOCK_HTTP_LEN    30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */

/* Milliseconds since an arbitrary start; never goes back; counts suspend. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);

/* Seconds since 1970 UTC; may jump. */
int64_t clock_wall_s(void);

/* UTC text. Years outside 0..9999 are clamped. */
void clock_format_rfc3339(int64_t wall_s, char out[CLOCK_RFC3339_LEN]);
void clock_format_http(int64_t wall_s, char out[CLOCK_HTTP_LEN]);

/* RFC 3339 date-time with offset or Z; fraction ignored. */
bool clock_parse_rfc3339(struct slice text, int64_t *ret_wall_s);

/* IMF-fixdate of RFC 9110 section 5.6.7, as in Date and Retry-After. */
bool clock_parse_http(struct slice text, int64_t *ret_wall_s);

/* Test seam: NULL restores the real clock. */
struct clock_source {
    uint64_t (*mono_us)(void *data);
    int64_t (*wall_s)(void *data);
    void *data;
};
void clock_set_source(const struct clock_source *source);

#endif
