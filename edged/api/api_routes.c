/* SPDX-License-Identifier: MIT */
/*
 * The route tables of both services.
 */
#include "api/api.h"

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
    {"POST", "/device/reprovision", "2019-10-22", HTTP_POLICY_EDGE_AGENT, 0, SMALL_BODY_MAX,
     API_DEADLINE_MS, mgmt_device_reprovision},
    /* Ours, for the command line. */
    {"GET", "/edged/status", "2018-06-28", HTTP_POLICY_HOST, 0, 0, API_DEADLINE_MS, mgmt_status},
    {"POST", "/edged/reprovision", "2018-06-28", HTTP_POLICY_HOST, 0, SMALL_BODY_MAX,
     API_HUB_DEADLINE_MS, mgmt_reprovision},
    {"POST", "/edged/key", "2018-06-28", HTTP_POLICY_HOST, HTTP_ROUTE_SENSITIVE, SMALL_BODY_MAX,
     API_HUB_DEADLINE_MS, mgmt_key_add},
    {"DELETE", "/edged/key", "2018-06-28", HTTP_POLICY_HOST, 0, SMALL_BODY_MAX, API_HUB_DEADLINE_MS,
     mgmt_key_remove},
    {"POST", "/edged/token", "2018-06-28", HTTP_POLICY_HOST, HTTP_ROUTE_SENSITIVE, SMALL_BODY_MAX,
     API_DEADLINE_MS, mgmt_token},
};
const size_t api_mgmt_route_cnt = EDGE_ARRAY_LEN(api_mgmt_routes);
