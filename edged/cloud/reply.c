/* SPDX-License-Identifier: MIT */
/*
 * Common part of the answers of cloud services: dates, waiting times, and error texts that put the
 * meaning and the mend first, so that a long foreign message is what gets cut.
 */
#include "cloud/reply.h"

#include "base/clock.h"
#include "loop/backoff.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void reply_init(struct reply *r, const struct http_client_answer *a, uint32_t retry_after_max_ms) {
    *r = (struct reply){.status = a->status, .body = a->body, .now_wall_s = clock_wall_s()};
    r->retry_after_ms = backoff_retry_after_ms(a->retry_after, r->now_wall_s, retry_after_max_ms);
    int64_t date;
    if (a->tls_verified && clock_parse_http(a->date, &date)) {
        r->date_wall_s = date;
    }
}

int64_t reply_skew_s(const struct reply *r) {
    int64_t skew;
    if (r->date_wall_s == 0 || __builtin_sub_overflow(r->now_wall_s, r->date_wall_s, &skew)) {
        return 0;
    }
    return skew > REPLY_SKEW_MAX_S || skew < -REPLY_SKEW_MAX_S ? skew : 0;
}

const char *reply_refusal_hint(const struct reply *r, const char *otherwise,
                               char buf[REPLY_HINT_MAX]) {
    int64_t skew = reply_skew_s(r);
    if (skew == 0) {
        return otherwise;
    }
    (void)snprintf(buf, REPLY_HINT_MAX,
                   "this machine's clock is %" PRId64
                   " s %s the service's, so tokens do not hold: set it",
                   skew > 0 ? skew : -skew, skew > 0 ? "ahead of" : "behind");
    return buf;
}

enum edge_code reply_error(const struct reply *r, enum edge_code code, const char *who,
                           int64_t error_code, const char *said, struct edge_error *err,
                           const char *meaning_fmt, ...) {
    char meaning[EDGE_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, meaning_fmt);
    (void)vsnprintf(meaning, sizeof(meaning), meaning_fmt, args);
    va_end(args);
    char number[32] = "";
    if (error_code != 0) {
        (void)snprintf(number, sizeof(number), " (%" PRId64 ")", error_code);
    }
    bool has_said = said[0] != '\0';
    return edge_set_native(err, code, EDGE_DOMAIN_HTTP, r->status, "%s; %s said %d%s%s%s%s",
                           meaning, who, r->status, number, has_said ? ": '" : "", said,
                           has_said ? "'" : "");
}
