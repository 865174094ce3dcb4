/* SPDX-License-Identifier: MIT */
/*
 * Prints the routes of both services, one a line: "work" or "mgmt", method, path, first api-version
 * and who may call it. The table of test_daemon_routes.py is compared with this.
 */
#include "api/api.h"

#include <stdio.h>

static const char *const policies[] = {
    [HTTP_POLICY_ANONYMOUS] = "anonymous",
    [HTTP_POLICY_CALLER] = "caller",
    [HTTP_POLICY_EDGE_AGENT] = "edge_agent",
    [HTTP_POLICY_CONTROL] = "control",
    [HTTP_POLICY_HOST] = "host",
    [HTTP_POLICY_OWNER] = "owner",
};

static void print(const char *service, const struct http_route *routes, size_t cnt) {
    for (size_t i = 0; i < cnt; i++) {
        printf("%s %s %s %s %s\n", service, routes[i].method, routes[i].path, routes[i].min_version,
               policies[routes[i].policy]);
    }
}

int main(void) {
    for (size_t i = 0; i < http_api_version_cnt; i++) {
        printf("version %s\n", http_api_versions[i]);
    }
    print("work", api_workload_routes, api_workload_route_cnt);
    print("mgmt", api_mgmt_routes, api_mgmt_route_cnt);
    return 0;
}
