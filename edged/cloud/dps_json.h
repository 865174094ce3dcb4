/* SPDX-License-Identifier: MIT */
/*
 * Messages of the Device Provisioning Service: what we send and what its answers mean. Pure.
 */
#ifndef CLOUD_DPS_JSON_H
#define CLOUD_DPS_JSON_H

#include "cloud/dps.h"

/* Which request an answer belongs to. */
enum dps_json_leg {
    DPS_JSON_CHALLENGE,        /* register without token: a 401 with a key is the challenge */
    DPS_JSON_REGISTER,         /* register with token */
    DPS_JSON_OPERATION,        /* poll */
    DPS_JSON_LOOKUP,           /* where the device is assigned */
    DPS_JSON_LOOKUP_CHALLENGE, /* the same without token */
};

/* Appends the body of a register request: registrationId and, unless keys is NULL, the tpm member
 * with both public keys. */
enum edge_code dps_json_register(const struct dps *dps, const struct hsm_attestation *keys,
                                 struct buf *out, struct edge_error *err) EDGE_NODISCARD;

/* Interprets a complete HTTP answer of any status. Fills all of *ret; the blob's bytes are appended
 * to blob, whose maximum is HSM_BLOB_MAX, and ret->blob points there. */
void dps_json_answer(const struct dps *dps, enum dps_json_leg leg, const struct reply *reply,
                     struct dps_answer *ret, struct buf *blob);

#endif
