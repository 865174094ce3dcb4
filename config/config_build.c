/* SPDX-License-Identifier: MIT */
/*
 * From the document to struct edge_config: the rules for each value that the daemon uses, and the
 * copies.
 */
#include "config/config_take.h"
#include "config/config_uri.h"
#include "config/config_value.h"

#include <string.h>

static void take_uri(struct config_doc *doc, const char *path, struct config_uri *ret) {
    struct edge_error err;
    enum edge_code code = config_uri_parse(config_doc_text(doc, path), ret, &err);
    config_take_result(doc, path, code, &err);
}

/* `reason` says why nothing but a Unix socket will do. */
static void take_unix_uri(struct config_doc *doc, const char *path, const char *reason,
                          struct config_uri *ret) {
    struct slice scheme = config_uri_scheme(config_doc_text(doc, path));
    if (scheme.len > 0 && !slice_eq_nocase(scheme, "unix")) {
        config_doc_problem(doc, CONFIG_ERROR, path, "%s; use unix:///PATH", reason);
        return;
    }
    take_uri(doc, path, ret);
}

/* SOURCE:TARGET:OPTIONS is how engines are told what to mount. */
static void check_mountable(struct config_doc *doc, const char *path, const char *value) {
    if (value != NULL && strchr(value, ':') != NULL) {
        config_doc_problem(
            doc, CONFIG_ERROR, path,
            "has a ':' in its path, so that no container can be given what is there");
    }
}

static void take_pem_file(struct config_doc *doc, const char *path, char **ret) {
    struct slice value;
    if (!config_take_value(doc, path, &value)) {
        return;
    }
    struct edge_error err;
    enum edge_code code = config_uri_path(value, ret, &err);
    config_take_result(doc, path, code, &err);
    if (code == EDGE_OK && (*ret)[0] != '/') {
        config_doc_problem(doc, CONFIG_WARNING, path,
                           "is a relative path, taken from the working directory of the daemon");
    }
}

/* A device CA without trusted_ca_certs counts as none, as in the 1.1 daemon; the check has said so.
 */
static void take_certificates(struct config_doc *doc, struct edge_config *cfg) {
    bool rsa = slice_eq_str(config_doc_text(doc, "certificates.leaf_key"), "rsa2048");
    cfg->leaf_key = rsa ? CONFIG_LEAF_RSA2048 : CONFIG_LEAF_P256;
    cfg->auto_generated_ca_lifetime_days =
        (uint32_t)config_doc_uint(doc, "certificates.auto_generated_ca_lifetime_days");
    take_pem_file(doc, "certificates.trusted_ca_certs", &cfg->trusted_ca_certs);
    if (cfg->trusted_ca_certs != NULL) {
        take_pem_file(doc, "certificates.device_ca_cert", &cfg->device_ca_cert);
        take_pem_file(doc, "certificates.device_ca_pk", &cfg->device_ca_pk);
    }
}

static void take_tpm(struct config_doc *doc, struct edge_config *cfg) {
    bool soft = slice_eq_str(config_doc_text(doc, "hsm.backend"), "soft");
    bool legacy = slice_eq_str(config_doc_text(doc, "tpm.ek_template"), "legacy-unique0");
    cfg->hsm_backend = soft ? CONFIG_HSM_SOFT : CONFIG_HSM_TPM;
    cfg->derived_key_ttl_s = (uint32_t)config_doc_uint(doc, "hsm.derived_key_ttl");
    cfg->tpm_ek_template = legacy ? CONFIG_EK_LEGACY_UNIQUE0 : CONFIG_EK_TCG_L1;
    cfg->tpm_pcrs = config_doc_numbers(doc, "tpm.pcrs");
    cfg->tpm_allow_emulator = config_doc_bool(doc, "tpm.allow_emulator");
    config_take_text(doc, "tpm.tcti", config_value_tcti, NULL, &cfg->tpm_tcti);
    config_take_text(doc, "tpm.owner_auth_file", config_value_absolute_path, NULL,
                     &cfg->tpm_owner_auth_file);
    config_take_text(doc, "tpm.endorsement_auth_file", config_value_absolute_path, NULL,
                     &cfg->tpm_endorsement_auth_file);
}

static void take_cloud(struct config_doc *doc, struct edge_config *cfg) {
    const char *path = "cloud.https_proxy";
    struct edge_error err;
    struct slice proxy;
    config_take_text(doc, "cloud.extra_ca_file", config_value_absolute_path, NULL,
                     &cfg->cloud_extra_ca_file);
    config_take_text(doc, "cloud.no_proxy", config_value_no_proxy, NULL, &cfg->no_proxy);
    if (config_take_value(doc, path, &proxy)) {
        config_take_result(doc, path, config_uri_proxy(proxy, &cfg->https_proxy, &err), &err);
    }
}

static void take_modules(struct config_doc *doc, struct edge_config *cfg) {
    struct slice on_stop = config_doc_text(doc, "modules.on_stop");
    cfg->has_max_retries = config_doc_get(doc, "watchdog.max_retries") != NULL;
    cfg->max_retries = (uint32_t)config_doc_uint(doc, "watchdog.max_retries");
    cfg->on_stop = slice_eq_str(on_stop, "leave")  ? CONFIG_STOP_LEAVE
                   : slice_eq_str(on_stop, "stop") ? CONFIG_STOP_STOP
                                                   : CONFIG_STOP_AUTO;
    cfg->image_gc.enabled = config_doc_bool(doc, "image_garbage_collection.enabled");
    cfg->image_gc.age_days = (uint32_t)config_doc_uint(doc, "image_garbage_collection.age_days");
    cfg->image_gc.interval_hours =
        (uint32_t)config_doc_uint(doc, "image_garbage_collection.interval_hours");
}

void config_build(struct config_doc *doc, struct edge_config *cfg) {
    const char *connect_reason =
        "modules are told this URI and connect to Unix sockets only, since "
        "the daemon has to see which module is calling";
    const char *engine_reason = "whoever reaches the Engine rules the machine, so it is talked to "
                                "over its Unix socket only";
    config_take_provisioning(doc, &cfg->provisioning);
    config_take_text(doc, "hostname", config_value_hostname, config_value_hostname_doubt,
                     &cfg->hostname);
    config_take_text(doc, "homedir", config_value_absolute_path, NULL, &cfg->homedir);
    take_unix_uri(doc, "connect.management_uri", connect_reason, &cfg->connect_management);
    take_unix_uri(doc, "connect.workload_uri", connect_reason, &cfg->connect_workload);
    check_mountable(doc, "homedir", cfg->homedir);
    check_mountable(doc, "connect.management_uri", cfg->connect_management.path);
    check_mountable(doc, "connect.workload_uri", cfg->connect_workload.path);
    cfg->narrow_control = slice_eq_str(config_doc_text(doc, "listen.module_control"), "operators");
    cfg->allow_elevated = config_doc_bool(doc, "allow_elevated_docker_permissions");
    take_uri(doc, "listen.management_uri", &cfg->listen_management);
    take_uri(doc, "listen.workload_uri", &cfg->listen_workload);
    take_unix_uri(doc, "moby_runtime.uri", engine_reason, &cfg->engine);
    config_take_network(doc, &cfg->network);
    config_take_agent(doc, &cfg->agent);
    take_modules(doc, cfg);
    take_certificates(doc, cfg);
    take_tpm(doc, cfg);
    take_cloud(doc, cfg);
}
