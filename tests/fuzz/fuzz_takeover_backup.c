/* SPDX-License-Identifier: MIT */
/* What release 1.1 kept of its provisioning; whoever could write there may have written anything.
 */
#include "provisioning/takeover_backup.h"

#include "cloud/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct takeover_backup untouched;
    struct takeover_backup b = {0};
    struct edge_error err = {0};
    enum edge_code code = takeover_backup_decode(slice_make(data, size), &b, &err);
    if (code == EDGE_OK) {
        require(text_is_host_port(slice_str(b.hub)));
        require(text_is_id(slice_str(b.device_id)));
    } else {
        require(code == EDGE_PARSE || code == EDGE_RANGE || code == EDGE_NOMEM);
        require(err.code == code);
        require(memcmp(&b, &untouched, sizeof(b)) == 0);
    }
    return 0;
}
