/* SPDX-License-Identifier: MIT */
/*
 * Points in time as operators and edgeAgent write them for logs.
 */
#ifndef API_LOG_TIME_H
#define API_LOG_TIME_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Tried in this order: an RFC 3339 date and time; seconds since 1970, with a '-' before 1970; how
 * long ago, such as "1h30m" or "1 day 2 hours" (units: nsec, usec, msec, s, m, h, d, w, M for
 * months of 30.44 days, y for years of 365.25 days, and their longer forms). Fractions of a second
 * are rounded to the earlier one. False when it is none of these, or lies outside of 32 bits. */
bool log_time_parse(struct slice text, int64_t now_s, int32_t *ret_wall_s);

#endif
