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
#include "provisioning/report_store.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_MAX ((size_t)32 * 1024)

/* A certificate that others are made from. Times of 0 are not known. */
struct report_cert {
    const char *name;    /* "workload CA" */
    const char *source;  /* "quickstart", "operator", "predecessor" */
    const char *subject; /* its common name */
    int64_t not_before_wall_s;
    int64_t not_after_wall_s;
    int64_t renew_at_wall_s;
};

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
    const char *agent_state; /* of edgeAgent; "running" or something else */
    const char *agent_text;
    const struct report_cert *certs; /* NULL: not known */
    size_t cert_cnt;
    const char *cert_note;            /* why none can be made, or why a newer file is not used */
    const struct report_store *store; /* NULL: not known */
};

/* Appends the object. Times are RFC 3339 texts, and null when there is none. The days that a
 * certificate has left are whole ones: -1 from the second on in which it ends. */
enum edge_code report_encode(const struct report *r, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

#endif
