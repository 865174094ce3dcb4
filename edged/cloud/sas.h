/* SPDX-License-Identifier: MIT */
/*
 * Shared access signature tokens: minted from an HMAC made in the HSM, one fresh token per request.
 *
 *   sr    = percent-encode(lower-case(audience))
 *   sig   = base64(HMAC-SHA256(key, sr "\n" expiry))
 *   token = "SharedAccessSignature sr=<sr>&sig=<percent-encoded sig>&se=<expiry>[&skn=<key name>]"
 *
 * Loop thread only; tokens are secrets.
 */
#ifndef CLOUD_SAS_H
#define CLOUD_SAS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "loop/op.h"
#include "loop/worker.h"

#include <stdint.h>

#define SAS_TTL_S            900   /* life of a token: one request and its retries at a slow peer */
#define SAS_AUDIENCE_MAX     1024  /* bytes before encoding */
#define SAS_QUEUE_TIMEOUT_MS 30000 /* longest wait for the key store */

enum sas_key {
    SAS_KEY_CHALLENGE, /* the transient key of hsm_challenge_load */
    SAS_KEY_IDENTITY,  /* hsm_identity_sign with a generation */
};

struct sas_request {
    enum sas_key key;
    uint64_t generation;   /* SAS_KEY_IDENTITY */
    struct slice audience; /* "<scope>/registrations/<id>" or "<hub>/devices/<id>"; copied */
    const char *key_name;  /* skn, or NULL; static text */
    int64_t expiry_wall_s; /* absolute */
};

/* Result on the loop thread, exactly once, later. token: NUL-terminated, valid during the call,
 * NULL unless code is OK. */
typedef void sas_done_fn(void *data, enum edge_code code, const char *token,
                         const struct edge_error *err);

/* Signs on the worker (urgent). ret_op may be NULL. Errors: INVALID (no audience), RANGE, BUSY,
 * NOMEM. */
enum edge_code sas_mint(struct worker *w, struct hsm *h, const struct sas_request *req,
                        sas_done_fn *done, void *data, struct op *ret_op,
                        struct edge_error *err) EDGE_NODISCARD;

/* Appends the encoded resource. Pure. */
enum edge_code sas_resource(struct slice audience, struct buf *out,
                            struct edge_error *err) EDGE_NODISCARD;

/* Appends the token text for a finished HMAC. Pure; out should be sensitive. After an error the
 * appended part is incomplete. */
enum edge_code sas_format(struct slice resource, int64_t expiry_wall_s,
                          const uint8_t mac[HSM_MAC_LEN], const char *key_name, struct buf *out,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
