/* SPDX-License-Identifier: MIT */
/*
 * The provisioning section as a structure. When the form is not certain, which has been reported,
 * every value that could have a meaning is looked at, so that all problems show at once; then a
 * member may be filled in twice.
 */
#include "config/config_connection_string.h"
#include "config/config_take.h"
#include "config/config_uri.h"
#include "config/config_value.h"

#include <stdlib.h>

#define SECTION     "provisioning."
#define AUTH        SECTION "authentication."
#define ATTESTATION SECTION "attestation."

const char *config_provisioning_mode(const struct config_provisioning *p) {
    bool x509 = p->credential == CONFIG_CREDENTIAL_X509;
    if (p->source == CONFIG_SOURCE_EXTERNAL) {
        return "external";
    }
    if (p->source == CONFIG_SOURCE_MANUAL) {
        return x509 ? "manual.x509" : "manual.device_connection_string";
    }
    if (p->credential == CONFIG_CREDENTIAL_KEY) {
        return "dps.symmetric_key";
    }
    return x509 ? "dps.x509" : "dps.tpm";
}

void config_provisioning_clear(struct config_provisioning *p) {
    free(p->global_endpoint);
    free(p->scope_id);
    free(p->registration_id);
    free(p->hub_hostname);
    free(p->device_id);
    secret_clear(&p->key);
    free(p->identity_cert);
    free(p->identity_pk);
    free(p->endpoint);
    *p = (struct config_provisioning){.key = {.data = NULL}};
}

/* The value of a key that has a meaning in what the section can be. */
static bool value_at(const struct config_doc *doc, const char *path, struct slice *ret) {
    return (config_schema_find(path)->modes & doc->modes) != 0 && config_take_value(doc, path, ret);
}

static void take(struct config_doc *doc, const char *path, config_rule *rule, config_rule *doubt,
                 char **ret) {
    if ((config_schema_find(path)->modes & doc->modes) != 0) {
        config_take_text(doc, path, rule, doubt, ret);
    }
}

static void take_key(struct config_doc *doc, const char *path, struct secret *key,
                     struct config_provisioning *p) {
    const struct config_node *node = config_doc_get(doc, path);
    secret_clear(&p->key);
    p->key = secret_take(key);
    p->key_line = node != NULL && p->key.len > 0 ? node->line : 0;
}

/* A warning about a part of the connection string, which is named but not shown. */
static void doubt_part(struct config_doc *doc, const char *path, const char *name,
                       const char *reason) {
    if (reason != NULL) {
        config_doc_problem(doc, CONFIG_WARNING, path, "%s of the connection string %s", name,
                           reason);
    }
}

static void take_connection_string(struct config_doc *doc, const char *path,
                                   struct config_provisioning *p) {
    struct config_connection_string s;
    struct edge_error err;
    struct slice text;
    if (!value_at(doc, path, &text)) {
        return;
    }
    enum edge_code code = config_connection_string_parse(text, &s, &err);
    config_take_result(doc, path, code, &err);
    if (code != EDGE_OK) {
        return;
    }
    doubt_part(doc, path, "DeviceId", config_value_device_id_doubt(s.device));
    doubt_part(doc, path, "HostName", config_value_hub_hostname_doubt(s.host));
    config_take_copy(doc, s.host, &p->hub_hostname);
    config_take_copy(doc, s.device, &p->device_id);
    take_key(doc, path, &s.key, p);
    config_connection_string_clear(&s);
}

static void take_symmetric_key(struct config_doc *doc, struct config_provisioning *p) {
    const char *path = ATTESTATION "symmetric_key";
    struct secret key SECRET_CLEANUP = {.data = NULL};
    const char *reason = NULL;
    struct slice text;
    if (!value_at(doc, path, &text)) {
        return;
    }
    enum edge_code code = config_value_key(text, &key, &reason, NULL);
    if (code == EDGE_NOMEM) {
        doc->report->nomem = true;
    } else if (code != EDGE_OK) {
        config_doc_problem(doc, CONFIG_ERROR, path, "%s%s", reason,
                           text.len > 0 ? ""
                                        : "; give the key of the device in base64, or leave it out "
                                          "if it has been imported");
    } else {
        take_key(doc, path, &key, p);
    }
}

static void take_file(struct config_doc *doc, const char *path, char **ret) {
    struct edge_error err;
    struct slice text;
    if (!value_at(doc, path, &text)) {
        return;
    }
    free(TAKE_PTR(*ret));
    config_take_result(doc, path, config_uri_file(text, ret, &err), &err);
}

/* Where the name may be left out the finding says what is used then. */
static void take_registration_id(struct config_doc *doc, const char *path,
                                 struct config_provisioning *p) {
    struct slice value;
    if (!value_at(doc, path, &value)) {
        return;
    }
    const char *hint = "; give the name of the device at the DPS";
    if (doc->modes == CONFIG_MODE_DPS_TPM) {
        hint = "; fill it in, or leave the key out to use the default that the TPM gives";
    } else if (doc->modes == CONFIG_MODE_DPS_X509) {
        hint = "; fill it in, or leave the key out to use the common name of the certificate";
    }
    if (value.len == 0 || config_value_is_placeholder(value)) {
        config_doc_problem(doc, CONFIG_ERROR, path, "%s%s", config_value_registration_id(value),
                           hint);
        return;
    }
    take(doc, path, config_value_registration_id, config_value_registration_id_doubt,
         &p->registration_id);
}

static void take_global_endpoint(struct config_doc *doc, struct config_provisioning *p) {
    const char *path = SECTION "global_endpoint";
    struct edge_error err;
    struct slice text;
    if (value_at(doc, path, &text)) {
        config_take_result(doc, path, config_uri_endpoint(text, &p->global_endpoint, &err), &err);
    }
}

static void take_external_endpoint(struct config_doc *doc, struct config_provisioning *p) {
    const char *path = SECTION "endpoint";
    bool clear = false;
    struct edge_error err;
    struct slice text;
    if (!value_at(doc, path, &text)) {
        return;
    }
    enum edge_code code = config_uri_external(text, &p->endpoint, &clear, &err);
    config_take_result(doc, path, code, &err);
    if (code == EDGE_OK && clear) {
        config_doc_problem(doc, CONFIG_WARNING, path,
                           "is on another machine: the credential of this device crosses the "
                           "network in the clear, and whoever answers there chooses its hub");
    }
}

static void set_form(unsigned modes, struct config_provisioning *p) {
    p->credential = CONFIG_CREDENTIAL_TPM;
    if ((modes & CONFIG_MODE_EXTERNAL) != 0) {
        p->source = CONFIG_SOURCE_EXTERNAL;
        p->credential = CONFIG_CREDENTIAL_EXTERNAL;
    } else if ((modes & (CONFIG_MODE_MANUAL_X509 | CONFIG_MODE_DPS_X509)) != 0) {
        p->credential = CONFIG_CREDENTIAL_X509;
    } else if ((modes & (CONFIG_MODES_MANUAL | CONFIG_MODE_DPS_SYMMETRIC)) != 0) {
        p->credential = CONFIG_CREDENTIAL_KEY;
    }
    if ((modes & CONFIG_MODES_MANUAL) != 0) {
        p->source = CONFIG_SOURCE_MANUAL;
    } else if ((modes & CONFIG_MODES_DPS) != 0) {
        p->source = CONFIG_SOURCE_DPS;
    }
}

static void take_manual(struct config_doc *doc, struct config_provisioning *p) {
    take_connection_string(doc, SECTION "device_connection_string", p);
    take_connection_string(doc, AUTH "device_connection_string", p);
    take(doc, AUTH "iothub_hostname", config_value_hub_hostname, config_value_hub_hostname_doubt,
         &p->hub_hostname);
    take(doc, AUTH "device_id", config_value_device_id, config_value_device_id_doubt,
         &p->device_id);
    take_file(doc, AUTH "identity_cert", &p->identity_cert);
    take_file(doc, AUTH "identity_pk", &p->identity_pk);
}

static void take_dps(struct config_doc *doc, struct config_provisioning *p) {
    take_global_endpoint(doc, p);
    take(doc, SECTION "scope_id", config_value_scope_id, NULL, &p->scope_id);
    if (doc->modes == CONFIG_MODE_DPS_LEGACY) {
        take_registration_id(doc, SECTION "registration_id", p);
    }
    take_registration_id(doc, ATTESTATION "registration_id", p);
    take_symmetric_key(doc, p);
    take_file(doc, ATTESTATION "identity_cert", &p->identity_cert);
    take_file(doc, ATTESTATION "identity_pk", &p->identity_pk);
}

void config_take_provisioning(struct config_doc *doc, struct config_provisioning *p) {
    set_form(doc->modes, p);
    p->dynamic_reprovisioning = config_doc_bool(doc, SECTION "dynamic_reprovisioning");
    p->always_reprovision_on_startup =
        p->source != CONFIG_SOURCE_DPS ||
        config_doc_bool(doc, SECTION "always_reprovision_on_startup");
    p->startup_spread_s = (uint32_t)config_doc_uint(doc, SECTION "startup_spread");
    take_manual(doc, p);
    take_dps(doc, p);
    take_external_endpoint(doc, p);
}
