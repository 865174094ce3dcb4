/* SPDX-License-Identifier: MIT */
/*
 * What in config.yaml an assignment depends on, as one digest.
 */
#include "base/b64.h"
#include "base/mac.h"
#include "provisioning/internal.h"

static const char *text_or_empty(const char *text) {
    return text != NULL ? text : "";
}

enum edge_code inputs_digest(const struct config_provisioning *c, char ret[STATE_INPUT_LEN],
                             struct edge_error *err) {
    uint8_t digest[SHA256_LEN];
    struct buf text, hex;
    buf_init(&text, 16384);
    buf_init(&hex, STATE_INPUT_LEN);
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
        code = sha256(text.data, text.len, digest, err);
    }
    if (code == EDGE_OK) {
        code = hex_encode(digest, sizeof(digest), &hex, err);
    }
    if (code == EDGE_OK && !slice_to_array(buf_slice(&hex), ret, STATE_INPUT_LEN)) {
        code = edge_set(err, EDGE_INTERNAL, "digest does not fit");
    }
    buf_clear(&text);
    buf_clear(&hex);
    return code;
}
