/* SPDX-License-Identifier: MIT */
/*
 * The grammar of durations is that of the humantime library, which release 1.1 uses.
 */
#include "api/log_time.h"

#include "base/attr.h"
#include "base/clock.h"

#include <stddef.h>

#define NS_PER_S 1000000000U

struct unit {
    const char *name;
    uint64_t seconds;     /* 0: below a second, then */
    uint64_t nanoseconds; /* this */
};

static const struct unit units[] = {
    {"nanos", 0, 1},       {"nsec", 0, 1},     {"ns", 0, 1},
    {"usec", 0, 1000},     {"us", 0, 1000},    {"millis", 0, 1000000},
    {"msec", 0, 1000000},  {"ms", 0, 1000000}, {"seconds", 1, 0},
    {"second", 1, 0},      {"secs", 1, 0},     {"sec", 1, 0},
    {"s", 1, 0},           {"minutes", 60, 0}, {"minute", 60, 0},
    {"mins", 60, 0},       {"min", 60, 0},     {"m", 60, 0},
    {"hours", 3600, 0},    {"hour", 3600, 0},  {"hrs", 3600, 0},
    {"hr", 3600, 0},       {"h", 3600, 0},     {"days", 86400, 0},
    {"day", 86400, 0},     {"d", 86400, 0},    {"weeks", 604800, 0},
    {"week", 604800, 0},   {"w", 604800, 0},   {"months", 2630016, 0},
    {"month", 2630016, 0}, {"M", 2630016, 0},  {"years", 31557600, 0},
    {"year", 31557600, 0}, {"y", 31557600, 0},
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static void skip_blanks(struct slice *s) {
    while (s->len > 0 && is_blank(s->ptr[0])) {
        *s = slice_make(s->ptr + 1, s->len - 1);
    }
}

/* The digits, or the letters, at the front. */
static struct slice take_run(struct slice *s, bool digits) {
    size_t len = 0;
    while (len < s->len) {
        char c = s->ptr[len];
        bool is_digit = c >= '0' && c <= '9';
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (digits ? !is_digit : !is_letter) {
            break;
        }
        len++;
    }
    struct slice run = slice_make(s->ptr, len);
    *s = slice_make(s->ptr + len, s->len - len);
    return run;
}

static bool add(struct slice unit, uint64_t number, uint64_t *seconds, uint64_t *nanoseconds) {
    uint64_t part;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(units); i++) {
        if (!slice_eq_str(unit, units[i].name)) {
            continue;
        }
        if (units[i].seconds > 0) {
            return !__builtin_mul_overflow(number, units[i].seconds, &part) &&
                   !__builtin_add_overflow(*seconds, part, seconds);
        }
        return !__builtin_mul_overflow(number, units[i].nanoseconds, &part) &&
               !__builtin_add_overflow(*nanoseconds, part, nanoseconds);
    }
    return false;
}

/* In whole seconds, rounded up. */
static bool parse_duration(struct slice s, uint64_t *ret_s) {
    uint64_t seconds = 0;
    uint64_t nanoseconds = 0;
    uint64_t number;

    skip_blanks(&s);
    if (s.len == 0) {
        return false;
    }
    while (s.len > 0) {
        if (!slice_parse_u64(take_run(&s, true), UINT64_MAX, &number)) {
            return false;
        }
        skip_blanks(&s);
        if (!add(take_run(&s, false), number, &seconds, &nanoseconds)) {
            return false;
        }
        skip_blanks(&s);
    }
    uint64_t rest = nanoseconds / NS_PER_S + (nanoseconds % NS_PER_S > 0 ? 1 : 0);
    return !__builtin_add_overflow(seconds, rest, ret_s);
}

bool log_time_parse(struct slice text, int64_t now_s, int32_t *ret_wall_s) {
    int64_t value;
    uint64_t ago_s;

    if (!clock_parse_rfc3339(text, &value) && !slice_parse_i64(text, &value)) {
        if (!parse_duration(text, &ago_s) || ago_s > (uint64_t)UINT32_MAX) {
            return false;
        }
        value = now_s - (int64_t)ago_s;
    }
    if (value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    *ret_wall_s = (int32_t)value;
    return true;
}
