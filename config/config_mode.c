/* SPDX-License-Identifier: MIT */
/*
 * Which of its forms the provisioning section has. The forms share keys, so this comes before the
 * check of single keys: it decides which of them are required and which have no meaning.
 */
#include "config/config_doc.h"

static bool is_given(const struct config_doc *doc, const char *path) {
    const struct config_node *node = config_doc_find(doc, path);
    return node != NULL && node->kind != CONFIG_NULL;
}

static unsigned key_line(const struct config_doc *doc, const char *path) {
    return config_doc_find(doc, path)->key_line;
}

static unsigned manual_modes(struct config_doc *doc) {
    const char *string = "provisioning.device_connection_string";
    const char *auth = "provisioning.authentication";
    if (is_given(doc, string) && is_given(doc, auth)) {
        config_doc_problem(doc, CONFIG_ERROR, string,
                           "only one of provisioning.device_connection_string (line %u) and "
                           "provisioning.authentication (line %u) may be set",
                           key_line(doc, string), key_line(doc, auth));
        return CONFIG_MODES_MANUAL;
    }
    if (is_given(doc, string)) {
        return CONFIG_MODE_MANUAL_LEGACY;
    }
    if (!is_given(doc, auth)) {
        config_doc_problem(doc, CONFIG_ERROR, "provisioning",
                           "source 'manual' needs one of device_connection_string and "
                           "authentication");
        return CONFIG_MODES_MANUAL;
    }
    const struct config_node *method = config_doc_get(doc, "provisioning.authentication.method");
    if (method == NULL) {
        return CONFIG_MODES_MANUAL & ~(unsigned)CONFIG_MODE_MANUAL_LEGACY;
    }
    if (slice_eq_str(method->text, "tpm")) {
        return CONFIG_MODE_MANUAL_TPM;
    }
    return slice_eq_str(method->text, "x509") ? CONFIG_MODE_MANUAL_X509 : CONFIG_MODE_MANUAL_STRING;
}

static unsigned dps_modes(struct config_doc *doc) {
    const char *legacy = "provisioning.registration_id";
    const char *nested = "provisioning.attestation.registration_id";
    if (!is_given(doc, "provisioning.attestation")) {
        if (!is_given(doc, legacy)) {
            config_doc_problem(doc, CONFIG_ERROR, "provisioning.attestation",
                               "missing: say how the device proves itself, for example "
                               "attestation: {method: tpm}");
            return CONFIG_MODES_DPS;
        }
        return CONFIG_MODE_DPS_LEGACY;
    }
    if (is_given(doc, legacy) && is_given(doc, nested)) {
        config_doc_problem(doc, CONFIG_ERROR, nested,
                           "given twice, as provisioning.registration_id (line %u) and as "
                           "provisioning.attestation.registration_id (line %u); keep the second",
                           key_line(doc, legacy), key_line(doc, nested));
    } else if (is_given(doc, legacy)) {
        config_doc_problem(doc, CONFIG_ERROR, legacy,
                           "belongs below provisioning.attestation (line %u), since there is one",
                           key_line(doc, "provisioning.attestation"));
    }
    const struct config_node *method = config_doc_get(doc, "provisioning.attestation.method");
    if (method == NULL) {
        return CONFIG_MODES_DPS & ~(unsigned)CONFIG_MODE_DPS_LEGACY;
    }
    if (slice_eq_str(method->text, "tpm")) {
        return CONFIG_MODE_DPS_TPM;
    }
    return slice_eq_str(method->text, "x509") ? CONFIG_MODE_DPS_X509 : CONFIG_MODE_DPS_SYMMETRIC;
}

/* The default source is 'manual', as in the 1.1 daemon, but hardly anybody who leaves it out means
 * that. */
static void report_no_source(struct config_doc *doc) {
    if (config_doc_find(doc, "provisioning") == NULL) {
        config_doc_problem(doc, CONFIG_ERROR, "provisioning",
                           "missing: the device cannot know its hub. Add provisioning with "
                           "source: dps, global_endpoint, scope_id and attestation: {method: tpm}");
    } else {
        config_doc_problem(doc, CONFIG_ERROR, "provisioning.source",
                           "missing, which means 'manual', but nothing for 'manual' is given; add "
                           "source: dps to provision by the TPM");
    }
}

void config_mode_detect(struct config_doc *doc) {
    const struct config_node *section = config_doc_find(doc, "provisioning");
    const struct config_node *source = config_doc_find(doc, "provisioning.source");
    doc->modes = 0;
    if (section != NULL && section->kind != CONFIG_MAP) {
        return;
    }
    if (source == NULL && !is_given(doc, "provisioning.device_connection_string") &&
        !is_given(doc, "provisioning.authentication")) {
        report_no_source(doc);
        return;
    }
    if (source != NULL && config_doc_get(doc, "provisioning.source") == NULL) {
        return;
    }
    struct slice name = config_doc_text(doc, "provisioning.source");
    if (slice_eq_str(name, "dps")) {
        doc->modes = dps_modes(doc);
    } else if (slice_eq_str(name, "external")) {
        doc->modes = CONFIG_MODE_EXTERNAL;
    } else {
        doc->modes = manual_modes(doc);
    }
}
