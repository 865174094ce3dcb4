/* SPDX-License-Identifier: MIT */
/* Any bytes as config.yaml: a result or findings, never both missing, and all of it printable. */
#include "base/json.h"
#include "config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_finding(const struct config_problem *p) {
    char line[512];
    config_problem_format("f", p, line, sizeof(line));
    require(slice_is_utf8_text(slice_str(line)));
    for (const char *c = line; *c != '\0'; c++) {
        require((unsigned char)*c >= ' ' && *c != 0x7F);
    }
    require(p->line == 0 || p->column > 0);
}

static void check_provisioning(const struct config_provisioning *p) {
    require(config_provisioning_mode(p) != NULL);
    require(p->startup_spread_s <= CONFIG_STARTUP_SPREAD_MAX);
    require(p->key.len <= CONFIG_KEY_MAX && (p->key.len > 0) == (p->key_line > 0));
    if (p->source == CONFIG_SOURCE_DPS) {
        require(p->scope_id != NULL && p->scope_id[0] != '\0');
        require(slice_starts_with(slice_str(strchr(p->global_endpoint, ':')), "://"));
        require(p->registration_id != NULL || p->credential != CONFIG_CREDENTIAL_KEY);
    } else if (p->source == CONFIG_SOURCE_MANUAL) {
        require(p->hub_hostname != NULL && p->hub_hostname[0] != '\0');
        require(p->device_id != NULL && p->device_id[0] != '\0');
    } else {
        require(slice_starts_with(slice_str(strchr(p->endpoint, ':')), "://"));
    }
    if (p->credential == CONFIG_CREDENTIAL_X509) {
        require(p->identity_cert != NULL && p->identity_cert[0] == '/');
        require(p->identity_pk != NULL && p->identity_pk[0] == '/');
    }
}

static void check_agent(const struct config_agent *agent) {
    struct cJSON *env = NULL;
    struct cJSON *options = NULL;
    require(agent->image != NULL && agent->image[0] != '\0');
    require(json_parse(buf_slice(&agent->env), &env, NULL) == EDGE_OK && json_is_object(env));
    require(json_parse(buf_slice(&agent->create_options), &options, NULL) == EDGE_OK);
    require(json_is_object(options));
    json_free(env);
    json_free(options);
}

static void check_result(const struct edge_config *cfg) {
    check_provisioning(&cfg->provisioning);
    check_agent(&cfg->agent);
    require(cfg->hostname != NULL && strlen(cfg->hostname) <= 64);
    require(cfg->homedir != NULL && cfg->homedir[0] == '/');
    require(cfg->connect_management.scheme == CONFIG_SCHEME_UNIX);
    require(cfg->connect_workload.path != NULL && cfg->engine.path != NULL);
    require(cfg->listen_workload.path != NULL || cfg->listen_workload.name != NULL ||
            cfg->listen_workload.fd_index >= 0);
    require(cfg->tpm_tcti != NULL && cfg->network.name != NULL);
    require(cfg->derived_key_ttl_s <= CONFIG_DERIVED_KEY_TTL_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct edge_config *cfg = NULL;
    struct config_report report = {0};
    struct edge_error err;
    enum edge_code code = config_parse("f", slice_make(data, size), &cfg, &report, &err);
    require((code == EDGE_OK) == (cfg != NULL));
    require((code == EDGE_CONFIG) == (report.error_cnt > 0));
    for (size_t i = 0; i < report.cnt; i++) {
        check_finding(&report.items[i]);
    }
    if (cfg != NULL) {
        check_result(cfg);
    }
    config_free(cfg);
    config_report_clear(&report);
    return 0;
}
