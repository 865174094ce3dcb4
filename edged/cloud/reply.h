/* SPDX-License-Identifier: MIT */
/*
 * What the message mappings of the cloud services need to know of an HTTP answer. Pure but for the
 * clock, which learns the time of verified peers here.
 */
#ifndef CLOUD_REPLY_H
#define CLOUD_REPLY_H

#include "base/error.h"
#include "base/json.h"
#include "base/slice.h"
#include "loop/http_client.h"
#include "loop/wall.h"

#include <stdint.h>

#define REPLY_SKEW_MAX_S 300 /* clock difference that a service's token check forgives */
#define REPLY_SAID_MAX   128 /* bytes of a service's message that we keep, with NUL */
#define REPLY_HINT_MAX   128

struct reply {
    int status; /* HTTP status */
    struct slice body;
    struct slice content_type; /* empty: none given */
    uint32_t retry_after_ms;   /* 0: none given */
    int64_t now_wall_s;
    int64_t date_wall_s; /* Date of a peer with verified TLS, 0: none */
};

/* Takes the facts of a complete answer (a->code is OK); slices are borrowed from it. The Date of a
 * peer with verified TLS goes to the clock as a hint first, so that now_wall_s is the best that is
 * known. */
void reply_init(struct reply *r, const struct http_client_answer *a, struct wall *wall,
                uint32_t retry_after_max_ms);

/* json_parse of the body, whatever its content type says: services get that wrong, and what matters
 * is checked member by member. For a body that is no JSON the error tells whether it claims to be,
 * which a page of a proxy does not. Errors: as json_parse. */
enum edge_code reply_parse(const struct reply *r, struct cJSON **ret,
                           struct edge_error *err) EDGE_NODISCARD;

/* Seconds by which our clock is ahead of the peer's, 0 when within REPLY_SKEW_MAX_S or unknown. */
int64_t reply_skew_s(const struct reply *r);

/* Why a service may have refused a token: our clock's error when it shows, else `otherwise`. */
const char *reply_refusal_hint(const struct reply *r, const char *otherwise,
                               char buf[REPLY_HINT_MAX]);

/* Fills *err with "<meaning>; <who> said <status>[ (<error_code>)][: '<said>']". error_code 0:
 * none. */
enum edge_code reply_error(const struct reply *r, enum edge_code code, const char *who,
                           int64_t error_code, const char *said, struct edge_error *err,
                           const char *meaning_fmt, ...) EDGE_PRINTF(7, 8);

#endif
