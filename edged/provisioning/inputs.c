/* SPDX-License-Identifier: MIT */
/*
 * What in config.yaml an assignment depends on, as one digest.
 */
#include "base/mac.h"
#include "provisioning/internal.h"

static const char *text_or_empty(const char *text) {
    return text != NULL ? text : "";
}

enum edge_code inputs_digest(const struct config_provisioning *c, char ret[STATE_INPUT_LEN],
                             struct edge_error *err) {
    struct buf text;
    buf_init(&text, 16384);
    /* DPS with TPM as the first release wrote it; what the others add stands after that. */
    enum edge_code code = buf_printf(&text, err, "%s\n%s\n%s\n%s\n", config_provisioning_mode(c),
                                     text_or_empty(c->global_endpoint), text_or_empty(c->scope_id),
                                     text_or_empty(c->registration_id));
    if (code == EDGE_OK && c->credential != CONFIG_CREDENTIAL_TPM) {
        code = buf_printf(&text, err, "%s\n%s\n%s\n%s\n%s\n", text_or_empty(c->hub_hostname),
                          text_or_empty(c->device_id), text_or_empty(c->identity_cert),
                          text_or_empty(c->identity_pk), text_or_empty(c->endpoint));
    }
    if (code == EDGE_OK) {
        code = sha256_hex(buf_slice(&text), ret, err);
    }
    buf_clear(&text);
    return code;
}
