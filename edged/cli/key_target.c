/* SPDX-License-Identifier: MIT */
/*
 * The configuration names a target only when it provisions by a key.
 */
#include "cli/key_target.h"

#include "provisioning/imported.h"

#include <stdio.h>

#define ENDPOINT_DEFAULT "https://global.azure-devices-provisioning.net"

static enum edge_code fill(bool is_dps, const char *first, const char *second,
                           struct key_target *ret, struct edge_error *err) {
    struct key_target t = {.is_dps = is_dps};
    char text[2 * KEY_TARGET_PART_MAX + 8];
    if (!slice_to_array(slice_str(first), t.first, sizeof(t.first)) ||
        !slice_to_array(slice_str(second), t.second, sizeof(t.second))) {
        return edge_set(err, EDGE_RANGE, "the name of the hub, scope or device is too long");
    }
    (void)snprintf(text, sizeof(text), "%s:%s/%s", is_dps ? "dps" : "hub", first, second);
    enum edge_code code = imported_target(slice_str(text), t.text, err);
    if (code == EDGE_OK) {
        *ret = t;
    } else if (code == EDGE_INVALID) {
        code = edge_set(err, code, "'%.100s' and '%.100s' are not %s", first, second,
                        is_dps ? "an ID scope and a registration id"
                               : "the host name of a hub and a device id");
    }
    return code;
}

enum edge_code key_target_choose(const struct key_target_options *o, const struct edge_config *cfg,
                                 struct key_target *ret, struct edge_error *err) {
    const bool has_hub = o->hub != NULL || o->device != NULL;
    const bool has_dps = o->scope != NULL || o->registration_id != NULL;
    if (has_hub && has_dps) {
        return edge_set(err, EDGE_INVALID,
                        "give --hub and --device, or --scope and --registration-id, not both");
    }
    if (has_hub && (o->hub == NULL || o->device == NULL)) {
        return edge_set(err, EDGE_INVALID, "--hub and --device belong together");
    }
    if (has_dps && (o->scope == NULL || o->registration_id == NULL)) {
        return edge_set(err, EDGE_INVALID, "--scope and --registration-id belong together");
    }
    if (has_hub) {
        return fill(false, o->hub, o->device, ret, err);
    }
    if (has_dps) {
        return fill(true, o->scope, o->registration_id, ret, err);
    }
    const struct config_provisioning *p = cfg != NULL ? &cfg->provisioning : NULL;
    if (p != NULL && p->credential == CONFIG_CREDENTIAL_KEY && p->source == CONFIG_SOURCE_MANUAL) {
        return fill(false, p->hub_hostname, p->device_id, ret, err);
    }
    if (p != NULL && p->credential == CONFIG_CREDENTIAL_KEY && p->source == CONFIG_SOURCE_DPS) {
        return fill(true, p->scope_id, p->registration_id, ret, err);
    }
    return edge_set(err, EDGE_INVALID,
                    "whose key is it? The configuration does not provision by a key: give --hub "
                    "and --device, or --scope and --registration-id");
}

/* The parts were checked: none holds a quote or a backslash. */
enum edge_code key_target_lines(const struct key_target *t, const struct edge_config *cfg,
                                struct buf *out, struct edge_error *err) {
    const char *endpoint = cfg != NULL && cfg->provisioning.global_endpoint != NULL
                               ? cfg->provisioning.global_endpoint
                               : ENDPOINT_DEFAULT;
    if (t->is_dps) {
        return buf_printf(out, err,
                          "provisioning:\n"
                          "  source: \"dps\"\n"
                          "  global_endpoint: \"%s\"\n"
                          "  scope_id: \"%s\"\n"
                          "  attestation:\n"
                          "    method: \"symmetric_key\"\n"
                          "    registration_id: \"%s\"\n",
                          endpoint, t->first, t->second);
    }
    return buf_printf(out, err,
                      "provisioning:\n"
                      "  source: \"manual\"\n"
                      "  authentication:\n"
                      "    method: \"tpm\"\n"
                      "    iothub_hostname: \"%s\"\n"
                      "    device_id: \"%s\"\n",
                      t->first, t->second);
}
