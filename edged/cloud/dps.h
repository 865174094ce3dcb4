/* SPDX-License-Identifier: MIT */
/*
 * Device Provisioning Service over HTTPS: one request in, one typed answer out, no policy. Loop
 * thread only.
 */
#ifndef CLOUD_DPS_H
#define CLOUD_DPS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "cloud/cloud.h"
#include "cloud/proof.h"
#include "cloud/reply.h"
#include "loop/op.h"

#include <stdint.h>

#define DPS_API_VERSION        "2021-06-01"
#define DPS_TIMEOUT_MS         70000 /* one call */
#define DPS_STALL_MS           30000
#define DPS_RETRY_AFTER_MAX_MS 3600000
#define DPS_BODY_MAX           65536 /* bytes of an answer */
#define DPS_TEXT_MAX           320   /* a host name with port, an operation id */

/* Where and as whom; strings are borrowed for the life of the object, which outlives its calls. */
struct dps {
    const struct cloud *cloud;
    const char *endpoint; /* "https://host[:port]" */
    const char *scope_id;
    const char *registration_id; /* as configured; lower-cased only in token resources */
};

enum dps_kind {
    DPS_CHALLENGE, /* 401 with an authenticationKey: blob */
    DPS_ASSIGNING, /* poll again: operation_id, retry_after_ms; also status "unassigned" */
    DPS_ASSIGNED,  /* hub, device_id, blob (may be empty when the service sent none), substatus */
    DPS_FAILED,    /* registration failed for good: error_code, message */
    DPS_DISABLED,  /* enrollment is disabled */
    DPS_REFUSED,   /* 401/403 without challenge: not enrolled, wrong key, bad token, wrong clock */
    DPS_NOT_FOUND, /* 404: ID scope, registration or operation unknown */
    DPS_CONFLICT,  /* 409, 412: start the registration again */
    DPS_THROTTLED, /* 429: retry_after_ms */
    DPS_INVALID,   /* 400 and other 4xx: request or allocation problem that repeats */
    DPS_TRANSIENT, /* 5xx, network, time-out, unreadable answer */
};

struct dps_answer {
    enum dps_kind kind;
    enum edge_code code; /* OK for CHALLENGE, ASSIGNING, ASSIGNED; else what err says */
    struct edge_error
        err;         /* helpful text: what the service said, what it usually means, what to do */
    int http_status; /* 0: no answer */
    uint32_t retry_after_ms;   /* 0: none given; at most DPS_RETRY_AFTER_MAX_MS */
    int64_t date_wall_s;       /* Date of the verified peer, 0: none */
    int64_t error_code;        /* service's errorCode, 0: none */
    char said[REPLY_SAID_MAX]; /* service's message, cleaned and cut; also at the end of err's text
                                */
    char tracking_id[DPS_TEXT_MAX];
    char operation_id[DPS_TEXT_MAX];
    char hub[DPS_TEXT_MAX];
    char device_id[DPS_TEXT_MAX];
    char substatus[64];
    struct slice blob; /* decoded authenticationKey; valid during the callback */
};

typedef void dps_done_fn(void *data, const struct dps_answer *answer);

/* PUT register. keys: the TPM's public keys, NULL unless the enrollment is by TPM. proof: token or
 * client certificate, used before this returns; NULL: first leg of the TPM's dance. done runs once,
 * later; after op_cancel with kind TRANSIENT and code CANCELED. ret_op may be NULL. A 401 to a
 * proof is REFUSED; another try makes sense with a proof made after it, since the service's Date
 * has gone to the clock by then. Errors: INVALID, RANGE, BUSY, NOMEM. */
enum edge_code dps_register(const struct dps *dps, const struct hsm_attestation *keys,
                            const struct proof *proof, dps_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* GET operation status; the rest as dps_register. */
enum edge_code dps_operation(const struct dps *dps, const char *operation_id,
                             const struct proof *proof, dps_done_fn *done, void *data,
                             struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* POST: where the service has assigned this device, without a new registration (tpm-dps.md 4.1).
 * As dps_register, but ASSIGNED brings no key, ASSIGNING no operation id, and NOT_FOUND says that
 * the device has never registered. */
enum edge_code dps_lookup(const struct dps *dps, const struct hsm_attestation *keys,
                          const struct proof *proof, dps_done_fn *done, void *data,
                          struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Appends the audience of this device's tokens: "<scope>/registrations/<id>". */
enum edge_code dps_audience(const struct dps *dps, struct buf *out,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
