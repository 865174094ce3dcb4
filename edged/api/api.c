/* SPDX-License-Identifier: MIT */
/*
 * The route tables of both services, and the few steps that all handlers share.
 */
#include "api/api.h"

#include "base/clock.h"
#include "http/http_reply.h"

#include <stdio.h>
#include <stdlib.h>

/* A token to sign is below 1 KiB; the rest is room for modules that sign documents. */
#define SIGN_BODY_MAX  (1024 * 1024)
#define SMALL_BODY_MAX (64 * 1024)

const struct http_route api_workload_routes[] = {
    {"POST", "/modules/{name}/genid/{genid}/sign", "2018-06-28", HTTP_POLICY_CALLER,
     HTTP_ROUTE_SENSITIVE, SIGN_BODY_MAX, API_SIGN_DEADLINE_MS, workload_sign},
    {"GET", "/trust-bundle", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, API_DEADLINE_MS,
     workload_trust_bundle},
};
const size_t api_workload_route_cnt = EDGE_ARRAY_LEN(api_workload_routes);

const struct http_route api_mgmt_routes[] = {
    {"GET", "/identities", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, 0, API_HUB_DEADLINE_MS,
     mgmt_identities_list},
    {"POST", "/identities", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, SMALL_BODY_MAX,
     API_HUB_DEADLINE_MS, mgmt_identities_create},
    {"PUT", "/identities/{name}", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, SMALL_BODY_MAX,
     API_HUB_DEADLINE_MS, mgmt_identities_update},
    {"DELETE", "/identities/{name}", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, 0,
     API_HUB_DEADLINE_MS, mgmt_identities_delete},
    {"GET", "/systeminfo", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, API_DEADLINE_MS,
     mgmt_system_info},
};
const size_t api_mgmt_route_cnt = EDGE_ARRAY_LEN(api_mgmt_routes);

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

struct api_pending *api_pending_new(struct http_exchange *x) {
    struct api_pending *p = malloc(sizeof(*p));
    if (p == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return NULL;
    }
    p->server = http_exchange_server(x);
    p->exchange = http_exchange_handle(x);
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
