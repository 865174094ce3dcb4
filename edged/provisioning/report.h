/* SPDX-License-Identifier: MIT */
/*
 * The condition of the device as one JSON object: what the status route answers, and what `iotedge
 * status` makes of the state folder when no daemon runs. Pure.
 */
#ifndef PROVISIONING_REPORT_H
#define PROVISIONING_REPORT_H

#include "base/buf.h"
#include "base/error.h"
#include "provisioning/provisioning.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_MAX ((size_t)32 * 1024)

/* Strings are borrowed; NULL where nothing is known. */
struct report {
    bool running;     /* the daemon answers itself */
    const char *note; /* what limits the report, such as "the daemon does not run" */
    int64_t now_wall_s;
    const struct edge_config *config;
    const struct provisioning_status *status;
    const char *key_store_state; /* hsm_state_name */
    const char *key_store_text;
    const char *clock_state; /* wall_state_name */
    const char *clock_text;
};

/* Appends the object. Times are RFC 3339 texts, and null when there is none. */
enum edge_code report_encode(const struct report *r, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

#endif
