/* SPDX-License-Identifier: MIT */
/*
 * What an operator does to the sealed store with `iotedge tpm reseal`: the command sends it to the
 * daemon or, when none runs, does it itself.
 */
#ifndef PROVISIONING_STORE_CHANGE_H
#define PROVISIONING_STORE_CHANGE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"

#include <stddef.h>
#include <stdint.h>

#define STORE_CHANGE_PLANNED_MAX 24
#define STORE_CHANGE_SIZE_MAX    4096 /* bytes of JSON */

enum store_action {
    STORE_BIND,    /* to the present values of pcrs, and to planned ones */
    STORE_SUSPEND, /* to nothing, until it is bound again */
    STORE_RECOVER, /* open a locked one by its recovery code, and bind it anew with the same code */
    STORE_ABANDON, /* set a locked one aside; an empty one follows */
};

struct store_change {
    enum store_action action;
    uint32_t pcrs; /* bit n: PCR n; of BIND, and of RECOVER, where 0 leaves it unbound */
    struct hsm_pcr_value planned[STORE_CHANGE_PLANNED_MAX];
    size_t planned_cnt;
    struct secret recovery; /* of BIND and RECOVER */
};

void store_change_clear(struct store_change *c);

/* As JSON; pure. out should be sensitive. Errors of decoding: PARSE, INVALID, RANGE. *ret is
 * zero-initialised. */
enum edge_code store_change_encode(const struct store_change *c, struct buf *out,
                                   struct edge_error *err) EDGE_NODISCARD;
enum edge_code store_change_decode(struct slice json, struct store_change *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Worker thread (blocking). *ret: the store afterwards. Errors: CONFLICT (ABANDON of a store that
 * opens), those of hsm_store_reseal, hsm_store_recover, hsm_store_abandon. */
enum edge_code store_change_run(struct hsm *h, const struct store_change *c,
                                struct hsm_store_info *ret, struct edge_error *err) EDGE_NODISCARD;

/* {"state":..., "text":..., "pcrs":[...], "hasPlanned":...}, as in the status. Pure. */
enum edge_code store_change_answer(const struct hsm_store_info *info, struct buf *out,
                                   struct edge_error *err) EDGE_NODISCARD;

#endif
