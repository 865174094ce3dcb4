/* SPDX-License-Identifier: MIT */
/*
 * The keys of the authorities in the key store: which are there, and which belong to nothing.
 * Inside pki/ only. Worker thread.
 */
#ifndef PKI_KEEPER_KEYS_H
#define PKI_KEEPER_KEYS_H

#include "base/error.h"
#include "hsm/hsm.h"
#include "pki/authorities.h"

#include <stdbool.h>

/* Which CAs have their key. */
struct keeper_keys {
    bool owner, device, workload;
    bool before[AUTHORITIES_BEFORE_MAX];
};

/* Errors: those of hsm_key_get, without NOT_FOUND and PARSE; then *ret is as it was. */
enum edge_code keeper_keys_find(struct hsm *hsm, const struct authorities *a,
                                struct keeper_keys *ret, struct edge_error *err) EDGE_NODISCARD;

/* Drops keys of CAs that *a does not name, as a run that was cut short leaves them. They are of no
 * use, so failures do not matter, but for the answer: whether all have gone. */
bool keeper_keys_sweep(struct hsm *hsm, const struct authorities *a);

/* Drops the keys that `from` names and `kept` does not; same answer. */
bool keeper_keys_drop(struct hsm *hsm, const struct authorities *from,
                      const struct authorities *kept);

#endif
