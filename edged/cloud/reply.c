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

void reply_init(struct reply *r, const struct http_client_answer *a, struct wall *wall,
                uint32_t retry_after_max_ms) {
    *r = (struct reply){.status = a->status, .body = a->body, .content_type = a->content_type};
    int64_t date;
    if (a->tls_verified && clock_parse_http(a->date, &date)) {
        r->date_wall_s = date;
        wall_hint(wall, date);
    }
    r->now_wall_s = wall_now_s(wall);
    r->retry_after_ms = backoff_retry_after_ms(a->retry_after, r->now_wall_s, retry_after_max_ms);
}

static bool is_called_json(const struct reply *r) {
    struct slice type;
    struct slice rest;
    if (!slice_cut(r->content_type, ';', &type, &rest)) {
        type = r->content_type;
    }
    type = slice_trim(type);
    static const char suffix[] = "+json";
    const size_t suffix_len = sizeof(suffix) - 1;
    if (type.len == 0 || slice_eq_nocase(type, "application/json") ||
        slice_eq_nocase(type, "text/json")) {
        return true;
    }
    return type.len > suffix_len &&
           slice_eq_nocase(slice_make(type.ptr + type.len - suffix_len, suffix_len), suffix);
}

enum edge_code reply_parse(const struct reply *r, struct cJSON **ret, struct edge_error *err) {
    enum edge_code code = json_parse(r->body, ret, err);
    if (code == EDGE_PARSE && r->body.len > 0 && !is_called_json(r)) {
        return edge_set(err, code, "neither JSON nor called so in its content type");
    }
    return code;
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
