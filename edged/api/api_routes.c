/* SPDX-License-Identifier: MIT */
/*
 * The route tables of both services.
 */
#include "api/api.h"
#include "runtime/module_spec.h"

/* A token to sign is below 1 KiB; the rest is room for modules that sign documents. */
#define SIGN_BODY_MAX (1024 * 1024)

/* What comes of the longest plaintext must fit into a request again. */
#define ENCRYPT_BODY_MAX (1024 * 1024)
#define DECRYPT_BODY_MAX (ENCRYPT_BODY_MAX + 1024)

#define SMALL_BODY_MAX (64 * 1024)

const struct http_route api_workload_routes[] = {
    {"POST", "/modules/{name}/genid/{genid}/sign", "2018-06-28", HTTP_POLICY_CALLER,
     HTTP_ROUTE_SENSITIVE, SIGN_BODY_MAX, API_SIGN_DEADLINE_MS, workload_sign},
    {"POST", "/modules/{name}/genid/{genid}/encrypt", "2018-06-28", HTTP_POLICY_CALLER,
     HTTP_ROUTE_SENSITIVE, ENCRYPT_BODY_MAX, API_SIGN_DEADLINE_MS, workload_encrypt},
    {"POST", "/modules/{name}/genid/{genid}/decrypt", "2018-06-28", HTTP_POLICY_CALLER,
     HTTP_ROUTE_SENSITIVE, DECRYPT_BODY_MAX, API_SIGN_DEADLINE_MS, workload_decrypt},
    {"POST", "/modules/{name}/genid/{genid}/certificate/server", "2018-06-28", HTTP_POLICY_CALLER,
     HTTP_ROUTE_SENSITIVE, SMALL_BODY_MAX, API_CERT_DEADLINE_MS, workload_server_cert},
    {"POST", "/modules/{name}/certificate/identity", "2018-06-28", HTTP_POLICY_CALLER,
     HTTP_ROUTE_SENSITIVE, SMALL_BODY_MAX, API_CERT_DEADLINE_MS, workload_identity_cert},
    {"GET", "/modules", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, API_MODULES_DEADLINE_MS,
     mgmt_modules_list},
    {"GET", "/trust-bundle", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, API_DEADLINE_MS,
     workload_trust_bundle},
    {"GET", "/manifest-trust-bundle", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, API_DEADLINE_MS,
     workload_manifest_trust_bundle},
};
const size_t api_workload_route_cnt = EDGE_ARRAY_LEN(api_workload_routes);

const struct http_route api_mgmt_routes[] = {
    {"GET", "/modules", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, API_MODULES_DEADLINE_MS,
     mgmt_modules_list},
    {"GET", "/modules/{name}", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, API_MODULES_DEADLINE_MS,
     mgmt_modules_get},
    {"POST", "/modules", "2018-06-28", HTTP_POLICY_EDGE_AGENT, HTTP_ROUTE_SENSITIVE,
     MODULE_SPEC_TEXT_MAX, API_CHANGE_DEADLINE_MS, mgmt_modules_create},
    {"PUT", "/modules/{name}", "2018-06-28", HTTP_POLICY_EDGE_AGENT, HTTP_ROUTE_SENSITIVE,
     MODULE_SPEC_TEXT_MAX, API_CHANGE_DEADLINE_MS, mgmt_modules_update},
    {"POST", "/modules/{name}/prepareupdate", "2019-01-30", HTTP_POLICY_EDGE_AGENT,
     HTTP_ROUTE_SENSITIVE, MODULE_SPEC_TEXT_MAX, API_CHANGE_DEADLINE_MS,
     mgmt_modules_prepare_update},
    {"DELETE", "/modules/{name}", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, 0,
     API_CHANGE_DEADLINE_MS, mgmt_modules_delete},
    {"POST", "/modules/{name}/start", "2018-06-28", HTTP_POLICY_CONTROL, 0, 0,
     API_CHANGE_DEADLINE_MS, mgmt_modules_start},
    {"POST", "/modules/{name}/stop", "2018-06-28", HTTP_POLICY_CONTROL, 0, 0,
     API_CHANGE_DEADLINE_MS, mgmt_modules_stop},
    {"POST", "/modules/{name}/restart", "2018-06-28", HTTP_POLICY_CONTROL, 0, 0,
     API_CHANGE_DEADLINE_MS, mgmt_modules_restart},
    {"GET", "/modules/{name}/logs", "2018-06-28", HTTP_POLICY_CONTROL, 0, 0,
     API_MODULES_DEADLINE_MS, mgmt_modules_logs},
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
    {"GET", "/systeminfo/resources", "2019-11-05", HTTP_POLICY_ANONYMOUS, 0, 0,
     API_MODULES_DEADLINE_MS, mgmt_system_resources},
    {"GET", "/systeminfo/supportbundle", "2020-07-07", HTTP_POLICY_ANONYMOUS, 0, 0, API_DEADLINE_MS,
     mgmt_support_bundle},
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
    {"POST", "/edged/ca-key", "2018-06-28", HTTP_POLICY_HOST, HTTP_ROUTE_SENSITIVE, SMALL_BODY_MAX,
     API_HUB_DEADLINE_MS, mgmt_ca_key_add},
    {"GET", "/edged/seal", "2018-06-28", HTTP_POLICY_HOST, 0, 0, API_DEADLINE_MS, mgmt_seal_get},
    {"POST", "/edged/seal", "2018-06-28", HTTP_POLICY_OWNER, HTTP_ROUTE_SENSITIVE, SMALL_BODY_MAX,
     API_HUB_DEADLINE_MS, mgmt_seal_change},
    {"POST", "/edged/token", "2018-06-28", HTTP_POLICY_HOST, HTTP_ROUTE_SENSITIVE, SMALL_BODY_MAX,
     API_DEADLINE_MS, mgmt_token},
};
const size_t api_mgmt_route_cnt = EDGE_ARRAY_LEN(api_mgmt_routes);
