/* SPDX-License-Identifier: MIT */
/*
 * What an operator hands to the command line and to the daemon: keys, targets, and the report that
 * the one shows of the other. A target that is taken is in its final form.
 */
#include "base/secret.h"
#include "cli/key_input.h"
#include "cli/recovery_code.h"
#include "cli/reseal_text.h"
#include "cli/status_text.h"
#include "provisioning/ca_key.h"
#include "provisioning/imported.h"
#include "provisioning/store_change.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* Requests about the sealed store and CA keys: what is taken can be sent again. */
static void try_custody(struct slice input) {
    struct store_change change = {.pcrs = 0};
    struct ca_key key = {.name = ""};
    struct buf json;
    struct edge_error err = {0};
    buf_init_sensitive(&json, CA_KEY_SIZE_MAX);
    if (store_change_decode(input, &change, &err) == EDGE_OK) {
        require(change.planned_cnt <= STORE_CHANGE_PLANNED_MAX);
        require(store_change_encode(&change, &json, &err) == EDGE_OK);
        require(json.len <= STORE_CHANGE_SIZE_MAX);
    }
    store_change_clear(&change);
    buf_reset(&json);
    if (ca_key_decode(input, &key, &err) == EDGE_OK) {
        require(key.pkcs8.len > 0 && strlen(key.name) == X509_KEY_LABEL - 1);
    }
    ca_key_clear(&key);
    buf_clear(&json);
}

static void try_recovery_code(struct slice input) {
    struct secret code = {0}, again = {0};
    struct buf text;
    buf_init_sensitive(&text, RECOVERY_CODE_TEXT);
    if (recovery_code_parse(input, &code, NULL) == EDGE_OK) {
        require(code.len == RECOVERY_CODE_LEN);
        require(recovery_code_format(&code, &text, NULL) == EDGE_OK);
        require(recovery_code_parse(buf_slice(&text), &again, NULL) == EDGE_OK);
        require(secret_equal(&code, &again));
    }
    secret_clear(&code);
    secret_clear(&again);
    buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size);
    struct key_input key = {0};
    struct edge_error err = {0};
    struct buf out;
    char target[KEY_LABEL_TARGET_MAX + 1], again[KEY_LABEL_TARGET_MAX + 1];
    if (key_input_parse(input, &key, &err) == EDGE_OK) {
        require(key.key.len > 0);
    } else {
        require(key.key.len == 0 && err.text[0] != '\0');
    }
    key_input_clear(&key);
    if (imported_target(input, target, &err) == EDGE_OK) {
        require(imported_target(slice_str(target), again, &err) == EDGE_OK);
        require(strcmp(target, again) == 0);
    }
    buf_init(&out, 65536);
    if (status_text(input, &out, &err) != EDGE_OK) {
        require(out.len == 0);
    }
    if (reseal_text(input, NULL, &out, &err) == EDGE_OK) {
        require(out.len > 0);
    }
    buf_clear(&out);
    try_custody(input);
    try_recovery_code(input);
    return 0;
}
