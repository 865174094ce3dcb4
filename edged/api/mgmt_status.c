/* SPDX-License-Identifier: MIT */
/*
 * The condition of the device, for the operator's command line.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "http/http_reply.h"
#include "provisioning/report.h"

#define STATUS_FAILED "Could not report the status"

void mgmt_status(struct http_exchange *x) {
    const struct api *api = api_of(x);
    const struct provisioning_status *st = provisioning_get_status(api->provisioning);
    struct edge_error err;
    struct buf out;
    char clock_text[WALL_TEXT_LEN];

    wall_describe(api->wall, clock_text, sizeof(clock_text));
    const struct report report = {
        .running = true,
        .now_wall_s = wall_now_s(api->wall),
        .config = api->config,
        .status = st,
        .key_store_state = hsm_state_name(st->key_store),
        .clock_state = wall_state_name(wall_get_state(api->wall)),
        .clock_text = clock_text,
    };
    buf_init(&out, REPORT_MAX);
    if (report_encode(&report, &out, &err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, STATUS_FAILED, &err);
    }
    buf_clear(&out);
}
