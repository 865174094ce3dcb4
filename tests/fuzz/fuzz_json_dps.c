/* SPDX-License-Identifier: MIT */
/* Answers of the provisioning service. First byte: which request; second: which status; the rest is
 * the body. */
#include "cloud/dps_json.h"

#include "cloud/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dps dps = {
    .endpoint = "https://dps.example", .scope_id = "0ne00000000", .registration_id = "dev-01"};

static const int statuses[] = {200, 202, 400, 401, 403, 404, 405, 409, 412, 429, 500, 302};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void require_printable(const char *text, size_t size) {
    require(memchr(text, '\0', size) != NULL);
    for (; *text != '\0'; text++) {
        require(*text >= ' ' && *text < 0x7f);
    }
}

static void check(enum dps_json_leg leg, const struct dps_answer *a) {
    bool is_good = a->kind == DPS_CHALLENGE || a->kind == DPS_ASSIGNING || a->kind == DPS_ASSIGNED;
    require(is_good == (a->code == EDGE_OK));
    require(is_good || a->err.code == a->code);
    require_printable(a->said, sizeof(a->said));
    require_printable(a->tracking_id, sizeof(a->tracking_id));
    require_printable(a->substatus, sizeof(a->substatus));
    require(a->blob.len <= HSM_BLOB_MAX);
    if (a->kind == DPS_CHALLENGE) {
        require(leg == DPS_JSON_CHALLENGE || leg == DPS_JSON_LOOKUP_CHALLENGE);
        require(a->http_status == 401 && a->blob.len > 0);
    }
    if (a->kind == DPS_ASSIGNED) {
        require(leg != DPS_JSON_CHALLENGE && leg != DPS_JSON_LOOKUP_CHALLENGE);
        require(leg != DPS_JSON_LOOKUP || a->blob.len == 0);
        require(text_is_host_port(slice_str(a->hub)) && text_is_id(slice_str(a->device_id)));
    }
    if (a->kind == DPS_ASSIGNING && leg == DPS_JSON_REGISTER) {
        require(text_is_token(slice_str(a->operation_id), DPS_TEXT_MAX));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const struct reply reply = {.status = statuses[data[1] % EDGE_ARRAY_LEN(statuses)],
                                .body = slice_make(data + 2, size - 2),
                                .now_wall_s = 1700000000};
    enum dps_json_leg leg = (enum dps_json_leg)((uint8_t)(data[0] - '0') % 5);
    struct dps_answer answer;
    struct buf blob;
    buf_init(&blob, HSM_BLOB_MAX);
    dps_json_answer(&dps, leg, &reply, &answer, &blob);
    check(leg, &answer);
    buf_clear(&blob);
    return 0;
}
