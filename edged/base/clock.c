/* SPDX-License-Identifier: MIT */
/*
 * Clocks and dates. Dates are computed here on the proleptic Gregorian calendar in 64 bits, free of
 * the time zone and of the C library's year limits.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S       86400
#define YEAR_0_S    (-62167219200) /* 0000-01-01T00:00:00Z */
#define YEAR_9999_S 253402300799   /* 9999-12-31T23:59:59Z */

struct civil {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    unsigned hour;
    unsigned minute;
    unsigned second;
    unsigned weekday; /* 0 is Sunday */
};

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static struct clock_source fake;

void clock_set_source(const struct clock_source *source) {
    fake = source != NULL ? *source : (struct clock_source){0};
}

uint64_t clock_mono_us(void) {
    if (fake.mono_us != NULL) {
        return fake.mono_us(fake.data);
    }
    struct timespec ts = {0};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_mono_ms(void) {
    return clock_mono_us() / 1000;
}

int64_t clock_wall_s(void) {
    if (fake.wall_s != NULL) {
        return fake.wall_s(fake.data);
    }
    struct timespec ts = {0};
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(int64_t year, unsigned month) {
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01; year >= 0. Counts in years that start in March, so that the leap day is
 * last and the days before a month are a linear function of it. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_from_wall(int64_t wall_s) {
    wall_s = wall_s < YEAR_0_S ? YEAR_0_S : wall_s;
    wall_s = wall_s > YEAR_9999_S ? YEAR_9999_S : wall_s;
    int64_t day = wall_s / DAY_S;
    int64_t second = wall_s % DAY_S;
    if (second < 0) {
        second += DAY_S;
        day--;
    }
    /* Day 0 of the era that contains year 0 is 0000-03-01 minus 400 years, hence never negative. */
    int64_t shifted = day + 719468 + 146097;
    int64_t era = shifted / 146097 - 1;
    int64_t day_of_era = shifted % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;
    struct civil c = {
        .day = (unsigned)(day_of_year - (153 * m + 2) / 5 + 1),
        .month = (unsigned)(m < 10 ? m + 3 : m - 9),
        .hour = (unsigned)(second / 3600),
        .minute = (unsigned)(second / 60 % 60),
        .second = (unsigned)(second % 60),
        .weekday = (unsigned)(((day + 4) % 7 + 7) % 7),
    };
    c.year = era * 400 + year_of_era + (c.month <= 2 ? 1 : 0);
    return c;
}

static bool wall_from_civil(const struct civil *c, int64_t *ret_wall_s) {
    /* Second 60 is a leap second; it counts as the first second of the next minute. */
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > month_days(c->year, c->month) ||
        c->hour > 23 || c->minute > 59 || c->second > 60) {
        return false;
    }
    *ret_wall_s = days_from_civil(c->year, c->month, c->day) * DAY_S + (int64_t)c->hour * 3600 +
                  (int64_t)c->minute * 60 + c->second;
    return true;
}

static char *put_digits(char *to, unsigned value, unsigned cnt) {
    for (unsigned i = cnt; i > 0; i--) {
        to[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + cnt;
}

static char *put_text(char *to, const char *text) {
    size_t len = strlen(text);
    memcpy(to, text, len);
    return to + len;
}

static char *put_time(char *to, const struct civil *c) {
    to = put_digits(to, c->hour, 2);
    *to++ = ':';
    to = put_digits(to, c->minute, 2);
    *to++ = ':';
    return put_digits(to, c->second, 2);
}

void clock_format_rfc3339(int64_t wall_s, char out[CLOCK_RFC3339_LEN]) {
    struct civil c = civil_from_wall(wall_s);
    char *to = put_digits(out, (unsigned)c.year, 4);
    *to++ = '-';
    to = put_digits(to, c.month, 2);
    *to++ = '-';
    to = put_digits(to, c.day, 2);
    *to++ = 'T';
    to = put_time(to, &c);
    *to++ = 'Z';
    *to = '\0';
}

void clock_format_http(int64_t wall_s, char out[CLOCK_HTTP_LEN]) {
    struct civil c = civil_from_wall(wall_s);
    char *to = put_text(out, day_names[c.weekday]);
    to = put_text(to, ", ");
    to = put_digits(to, c.day, 2);
    *to++ = ' ';
    to = put_text(to, month_names[c.month - 1]);
    *to++ = ' ';
    to = put_digits(to, (unsigned)c.year, 4);
    *to++ = ' ';
    to = put_time(to, &c);
    to = put_text(to, " GMT");
    *to = '\0';
}

/* Takes `cnt` digits off the front. */
static bool take_digits(struct slice *s, size_t cnt, unsigned *ret) {
    uint64_t value;
    if (s->len < cnt || !slice_parse_u64(slice_make(s->ptr, cnt), 9999, &value)) {
        return false;
    }
    *ret = (unsigned)value;
    *s = slice_make(s->ptr + cnt, s->len - cnt);
    return true;
}

static bool take_text(struct slice *s, const char *text) {
    if (!slice_starts_with(*s, text)) {
        return false;
    }
    size_t len = strlen(text);
    *s = slice_make(s->ptr + len, s->len - len);
    return true;
}

static bool take_time(struct slice *s, struct civil *c) {
    return take_digits(s, 2, &c->hour) && take_text(s, ":") && take_digits(s, 2, &c->minute) &&
           take_text(s, ":") && take_digits(s, 2, &c->second);
}

static bool take_fraction(struct slice *s) {
    if (!take_text(s, ".")) {
        return true;
    }
    unsigned digit;
    size_t before = s->len;
    while (take_digits(s, 1, &digit)) {
    }
    return s->len < before;
}

static bool take_offset(struct slice *s, int64_t *ret_s) {
    if (take_text(s, "Z") || take_text(s, "z")) {
        *ret_s = 0;
        return true;
    }
    bool minus = take_text(s, "-");
    unsigned hour;
    unsigned minute;
    if ((!minus && !take_text(s, "+")) || !take_digits(s, 2, &hour) || !take_text(s, ":") ||
        !take_digits(s, 2, &minute) || hour > 23 || minute > 59) {
        return false;
    }
    int64_t offset = (int64_t)hour * 3600 + (int64_t)minute * 60;
    *ret_s = minus ? -offset : offset;
    return true;
}

bool clock_parse_rfc3339(struct slice text, int64_t *ret_wall_s) {
    struct civil c = {0};
    unsigned year;
    int64_t offset;
    int64_t wall;
    if (!take_digits(&text, 4, &year) || !take_text(&text, "-") ||
        !take_digits(&text, 2, &c.month) || !take_text(&text, "-") ||
        !take_digits(&text, 2, &c.day) || (!take_text(&text, "T") && !take_text(&text, "t")) ||
        !take_time(&text, &c) || !take_fraction(&text) || !take_offset(&text, &offset) ||
        text.len != 0) {
        return false;
    }
    c.year = year;
    if (!wall_from_civil(&c, &wall)) {
        return false;
    }
    *ret_wall_s = wall - offset;
    return true;
}

bool clock_parse_http(struct slice text, int64_t *ret_wall_s) {
    struct civil c = {0};
    unsigned year;
    bool day_named = false;
    for (size_t i = 0; i < 7 && !day_named; i++) {
        day_named = take_text(&text, day_names[i]);
    }
    if (!day_named || !take_text(&text, ", ") || !take_digits(&text, 2, &c.day) ||
        !take_text(&text, " ")) {
        return false;
    }
    for (unsigned i = 0; i < 12 && c.month == 0; i++) {
        c.month = take_text(&text, month_names[i]) ? i + 1 : 0;
    }
    if (!take_text(&text, " ") || !take_digits(&text, 4, &year) || !take_text(&text, " ") ||
        !take_time(&text, &c) || !take_text(&text, " GMT") || text.len != 0) {
        return false;
    }
    c.year = year;
    return wall_from_civil(&c, ret_wall_s);
}
