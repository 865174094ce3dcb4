/* SPDX-License-Identifier: MIT */
/*
 * Rules across keys. They look at values that have their right type; the walk has reported the
 * others.
 */
#include "config/config_doc.h"
#include "config/config_value.h"

#include <string.h>

#define NEAR_TRIES_MAX 100 /* unknown keys that are compared; a search takes its time */

/* The text at a path, only when the document gives one. */
static bool given_text(const struct config_doc *doc, const char *path, struct slice *ret) {
    const struct config_node *node = config_doc_get(doc, path);
    if (node == NULL || node->kind != CONFIG_STRING) {
        return false;
    }
    *ret = node->text;
    return true;
}

static void check_tls_version(struct config_doc *doc) {
    const char *path = "listen.min_tls_version";
    struct slice text;
    if (!given_text(doc, path, &text)) {
        return;
    }
    if (config_value_is_tls_version(text)) {
        config_doc_problem(doc, CONFIG_WARNING, path,
                           "ignored: there are no https listeners; connections to the cloud use "
                           "TLS 1.2 or newer");
    } else {
        config_doc_problem(doc, CONFIG_ERROR, path, "must be one of tls1.0, tls1.1 and tls1.2");
    }
}

static unsigned line_of(const struct config_doc *doc, const char *path) {
    const struct config_node *node = config_doc_find(doc, path);
    return node != NULL ? node->line : 0;
}

/* Member of a mapping that is no known key but reads like `path`, or NULL. */
static const struct config_node *find_near(const struct config_doc *doc, const char *parent,
                                           const char *path) {
    const struct config_node *map = config_doc_find(doc, parent);
    if (map == NULL || map->kind != CONFIG_MAP) {
        return NULL;
    }
    unsigned tries = 0;
    for (const struct config_node *n = map->first; n != NULL && tries < NEAR_TRIES_MAX;
         n = n->next) {
        char known[sizeof(((struct config_problem *)NULL)->key)];
        config_report_path(known, sizeof(known), parent, n->key);
        if (config_schema_find(known) != NULL) {
            continue;
        }
        tries++;
        const char *meant = config_schema_suggest(parent, n->key);
        if (meant != NULL && strcmp(meant, path) == 0) {
            return n;
        }
    }
    return NULL;
}

/* A key that is left out means one that was imported, which must not come about by a slip. */
static void check_left_out(struct config_doc *doc, const char *path, const char *const parents[2]) {
    const struct config_node *near = NULL;
    if (config_doc_find(doc, path) != NULL) {
        return;
    }
    for (size_t i = 0; i < 2 && near == NULL && parents[i] != NULL; i++) {
        near = find_near(doc, parents[i], path);
    }
    if (near != NULL) {
        config_doc_problem(doc, CONFIG_ERROR, path,
                           "missing, but line %u looks like it; left out it means a key that has "
                           "been imported",
                           near->key_line);
    }
}

static void check_key_left_out(struct config_doc *doc) {
    static const char *const parents[2] = {"provisioning.attestation", "provisioning"};
    if (doc->modes == CONFIG_MODE_DPS_SYMMETRIC) {
        check_left_out(doc, "provisioning.attestation.symmetric_key", parents);
    }
}

/* The 1.1 daemon silently makes its own CA unless all three are there. trusted_ca_certs alone is
 * useful, as the bundle for modules, and the private key may have been imported; a private key
 * alone is a mistake in any case. */
static void check_certificates(struct config_doc *doc) {
    static const char *const parents[2] = {"certificates", NULL};
    const char *cert = "certificates.device_ca_cert";
    const char *pk = "certificates.device_ca_pk";
    const char *days = "certificates.auto_generated_ca_lifetime_days";
    struct slice text;
    bool has_cert = given_text(doc, cert, &text);
    if (!has_cert && given_text(doc, pk, &text)) {
        config_doc_problem(doc, CONFIG_ERROR, pk, "is of no use without %s", cert);
    } else if (has_cert && !given_text(doc, "certificates.trusted_ca_certs", &text)) {
        config_doc_problem(doc, CONFIG_WARNING, cert,
                           "ignored: device_ca_cert and device_ca_pk count only together with "
                           "trusted_ca_certs");
    } else if (has_cert) {
        check_left_out(doc, pk, parents);
    }
    if (config_doc_uint(doc, days) == 0) {
        config_doc_problem(doc, CONFIG_ERROR, days,
                           "0 days would make certificates that have expired when they are made; "
                           "give at least 1");
    }
}

/* PCR 16 is for debugging and 23 for applications: TCG PC Client Platform TPM Profile. */
static void check_pcrs(struct config_doc *doc) {
    const char *path = "tpm.pcrs";
    const uint32_t resettable = UINT32_C(1) << 16 | UINT32_C(1) << 23;
    uint32_t pcrs = config_doc_numbers(doc, path);
    if (pcrs != 0 && slice_eq_str(config_doc_text(doc, "hsm.backend"), "soft")) {
        config_doc_problem(doc, CONFIG_ERROR, path,
                           "binds nothing with hsm.backend 'soft' (line %u), whose keys are files",
                           line_of(doc, "hsm.backend"));
    } else if ((pcrs & resettable) != 0) {
        config_doc_problem(doc, CONFIG_WARNING, path,
                           "PCR 16 and 23 can be reset by programs that may use the TPM, so they "
                           "prove nothing about what was started");
    }
}

/* What asks for a TPM by name is not served by keys in files. */
static void check_backend(struct config_doc *doc) {
    static const struct {
        unsigned mode;
        const char *key;
        const char *text;
        const char *mend;
    } forms[] = {
        {CONFIG_MODE_DPS_TPM, "provisioning.attestation.method",
         "cannot prove the device with a TPM", ""},
        {CONFIG_MODE_DPS_LEGACY, "provisioning.registration_id",
         "cannot prove the device with a TPM", ""},
        {CONFIG_MODE_MANUAL_TPM, "provisioning.authentication.method", "keeps no key in a TPM",
         ", or a connection string without SharedAccessKey"},
    };
    if (!slice_eq_str(config_doc_text(doc, "hsm.backend"), "soft")) {
        return;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(forms); i++) {
        if (doc->modes == forms[i].mode) {
            config_doc_problem(
                doc, CONFIG_ERROR, "hsm.backend",
                "'soft' (line %u) %s, which %s (line %u) asks for; use backend 'tpm'%s",
                line_of(doc, "hsm.backend"), forms[i].text, forms[i].key,
                line_of(doc, forms[i].key), forms[i].mend);
        }
    }
}

static void check_tcti(struct config_doc *doc) {
    struct slice tcti = config_doc_text(doc, "tpm.tcti");
    if (config_value_tcti(tcti) == NULL && !config_value_tcti_is_device(tcti) &&
        !config_doc_bool(doc, "tpm.allow_emulator")) {
        config_doc_problem(doc, CONFIG_ERROR, "tpm.tcti",
                           "is not a device node of this machine; any local process could pose as "
                           "the TPM. For tests with a software TPM set tpm.allow_emulator: true");
    }
}

/* /var/run is a link to /run on every system that this daemon is made for. */
static struct slice without_var(struct slice uri) {
    const char *prefix = "unix:///var/run/";
    size_t cut = sizeof("unix:///var") - 1;
    return slice_starts_with(uri, prefix) ? slice_make(uri.ptr + cut, uri.len - cut) : uri;
}

static bool same_socket(struct slice a, struct slice b) {
    struct slice x = without_var(a);
    struct slice y = without_var(b);
    if (slice_starts_with(x, "unix:///run/")) {
        x = slice_make(x.ptr + 7, x.len - 7);
    }
    if (slice_starts_with(y, "unix:///run/")) {
        y = slice_make(y.ptr + 7, y.len - 7);
    }
    return slice_eq(x, y);
}

static void check_distinct(struct config_doc *doc, const char *one, const char *other) {
    if (same_socket(config_doc_text(doc, one), config_doc_text(doc, other))) {
        config_doc_problem(doc, CONFIG_ERROR, other, "is the same socket as %s", one);
    }
}

/* connect is what modules are told, listen what is opened: with Unix sockets they only differ by
 * mistake, or because somebody links one to the other. */
static void check_reachable(struct config_doc *doc, const char *connect, const char *listen) {
    struct slice there = config_doc_text(doc, connect);
    struct slice here = config_doc_text(doc, listen);
    if (slice_starts_with(there, "unix://") && slice_starts_with(here, "unix://") &&
        !same_socket(there, here)) {
        config_doc_problem(doc, CONFIG_WARNING, connect,
                           "is another socket than %s; modules reach the daemon only if something "
                           "links the two",
                           listen);
    }
}

void config_check(struct config_doc *doc) {
    check_certificates(doc);
    check_tls_version(doc);
    check_backend(doc);
    check_pcrs(doc);
    check_key_left_out(doc);
    check_tcti(doc);
    check_distinct(doc, "listen.management_uri", "listen.workload_uri");
    check_distinct(doc, "connect.management_uri", "connect.workload_uri");
    check_reachable(doc, "connect.management_uri", "listen.management_uri");
    check_reachable(doc, "connect.workload_uri", "listen.workload_uri");
}
