/* SPDX-License-Identifier: MIT */
/*
 * What an operator hands to the command line and to the daemon: keys, targets, and the report that
 * the one shows of the other. A target that is taken is in its final form.
 */
#include "base/secret.h"
#include "cli/key_input.h"
#include "cli/status_text.h"
#include "provisioning/imported.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
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
    buf_clear(&out);
    return 0;
}
