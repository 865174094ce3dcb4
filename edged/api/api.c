/* SPDX-License-Identifier: MIT */
/*
 * The few steps that all handlers share.
 */
#include "api/api.h"

#include "base/clock.h"
#include "http/http_reply.h"

#include <stdio.h>
#include <stdlib.h>

struct api *api_of(const struct http_exchange *x) {
    return http_exchange_context(x);
}

bool api_require_identity(struct http_exchange *x) {
    const struct provisioning_status *st = provisioning_get_status(api_of(x)->provisioning);
    if (st->has_result) {
        return true;
    }
    char text[EDGE_ERROR_TEXT_MAX + 96];
    const char *why = st->last_error.text[0] ? st->last_error.text : "provisioning is under way";
    (void)snprintf(text, sizeof(text), "The device has no identity yet: %s", why);
    int64_t wait_s = st->state == PROVISIONING_WAITING ? st->next_try_wall_s - clock_wall_s() : 0;
    http_reply_busy(x, 503, wait_s > 0 && wait_s < 3600 ? (unsigned)wait_s : 5, text);
    return false;
}

struct api_pending *api_pending_new(struct http_exchange *x, const void *about) {
    struct api_pending *p = malloc(sizeof(*p));
    if (p == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return NULL;
    }
    p->server = http_exchange_server(x);
    p->exchange = http_exchange_handle(x);
    p->about = about;
    return p;
}

bool api_pending_is_live(const struct api_pending *p) {
    return http_exchange_from(p->server, p->exchange) != NULL;
}

struct http_exchange *api_pending_take(struct api_pending *p) {
    struct http_exchange *x = http_exchange_from(p->server, p->exchange);
    free(p);
    return x;
}
