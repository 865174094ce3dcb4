/* SPDX-License-Identifier: MIT */
/*
 * The state file of reconcile: for which hub, device and root the module keys were last registered.
 * Blocking: worker thread.
 */
#ifndef IDENTITY_RECONCILE_STATE_H
#define IDENTITY_RECONCILE_STATE_H

#include "cloud/hub.h"
#include "hsm/hsm.h"

#include <stdbool.h>

#define RECONCILE_STATE_MAX 4096 /* bytes of the file */

struct reconcile_state {
    char hub[HUB_HOST_MAX + 1];
    char device_id[HUB_ID_MAX + 1];
    uint8_t root[HSM_FINGERPRINT_LEN];
};

bool reconcile_state_eq(const struct reconcile_state *a, const struct reconcile_state *b);

/* Errors: NOT_FOUND; PARSE for a damaged file, which has then been set aside, with its new name in
 * the text; IO, DENIED, NOMEM. */
enum edge_code reconcile_state_load(const char *dir, struct reconcile_state *ret,
                                    struct edge_error *err) EDGE_NODISCARD;
enum edge_code reconcile_state_save(const char *dir, const struct reconcile_state *state,
                                    struct edge_error *err) EDGE_NODISCARD;

/* The file's text. Pure. */
enum edge_code reconcile_state_parse(struct slice text, struct reconcile_state *ret,
                                     struct edge_error *err) EDGE_NODISCARD;
enum edge_code reconcile_state_format(const struct reconcile_state *state, struct buf *out,
                                      struct edge_error *err) EDGE_NODISCARD;

#endif
