/* SPDX-License-Identifier: MIT */
/*
 * Loading: file, tree, layers, checks, result. Everything that can be wrong is looked at before the
 * answer is given.
 */
#include "config/config.h"

#include "base/buf.h"
#include "base/fs.h"
#include "config/config_take.h"
#include "config/config_uri.h"
#include "config/config_yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_secret(char *text) {
    if (text != NULL) {
        secret_wipe(text, strlen(text));
        free(text);
    }
}

void config_free(struct edge_config *cfg) {
    if (cfg == NULL) {
        return;
    }
    free(cfg->file);
    config_provisioning_clear(&cfg->provisioning);
    free(cfg->hostname);
    free(cfg->homedir);
    config_uri_clear(&cfg->connect_management);
    config_uri_clear(&cfg->connect_workload);
    config_uri_clear(&cfg->listen_management);
    config_uri_clear(&cfg->listen_workload);
    config_uri_clear(&cfg->engine);
    config_network_clear(&cfg->network);
    config_agent_clear(&cfg->agent);
    free(cfg->trusted_ca_certs);
    free(cfg->device_ca_cert);
    free(cfg->device_ca_pk);
    free(cfg->tpm_tcti);
    free(cfg->tpm_owner_auth_file);
    free(cfg->tpm_endorsement_auth_file);
    free(cfg->cloud_extra_ca_file);
    free_secret(cfg->https_proxy);
    free(cfg->no_proxy);
    free(cfg);
}

static enum edge_code refuse(const char *name, const struct config_report *report,
                             struct edge_error *err) {
    return edge_set(err, EDGE_CONFIG, "%s is not usable: %zu error%s", name, report->error_cnt,
                    report->error_cnt == 1 ? "" : "s");
}

static enum edge_code build(const char *name, struct config_tree *tree, bool with_env,
                            struct edge_config **ret, struct config_report *report,
                            struct edge_error *err) {
    struct config_doc doc = {.tree = tree, .report = report};
    struct edge_config *cfg = calloc(1, sizeof(*cfg));
    if (cfg == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    cfg->file = strdup(name);
    report->nomem = report->nomem || cfg->file == NULL;
    if (with_env) {
        config_env_apply(&doc);
    }
    config_mode_detect(&doc);
    config_walk(&doc);
    config_check(&doc);
    config_build(&doc, cfg);
    if (!report->nomem && report->error_cnt == 0) {
        *ret = cfg;
        return EDGE_OK;
    }
    config_free(cfg);
    return report->nomem ? edge_set(err, EDGE_NOMEM, "out of memory") : refuse(name, report, err);
}

static enum edge_code parse(const char *name, struct slice text, bool with_env,
                            struct edge_config **ret, struct config_report *report,
                            struct edge_error *err) {
    struct config_tree *tree = NULL;
    enum edge_code code = config_yaml_parse(text, &tree, report, err);
    if (code == EDGE_OK) {
        code = build(name, tree, with_env, ret, report, err);
    } else if (code == EDGE_CONFIG) {
        code = refuse(name, report, err);
    }
    config_tree_free(tree);
    config_report_sort(report);
    return code;
}

enum edge_code config_parse(const char *name, struct slice text, struct edge_config **ret,
                            struct config_report *report, struct edge_error *err) {
    return parse(name, text, false, ret, report, err);
}

enum edge_code config_load(const char *path, struct edge_config **ret, struct config_report *report,
                           struct edge_error *err) {
    struct buf text;
    buf_init_sensitive(&text, CONFIG_SIZE_MAX);
    enum edge_code code = fs_read_path(path, &text, err);
    if (code == EDGE_RANGE) {
        config_report_add(report, CONFIG_ERROR, 0, 0, "", "larger than %d bytes", CONFIG_SIZE_MAX);
        code = refuse(path, report, err);
    } else if (code == EDGE_OK) {
        code = parse(path, buf_slice(&text), true, ret, report, err);
    }
    buf_clear(&text);
    return code;
}
