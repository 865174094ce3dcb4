/* SPDX-License-Identifier: MIT */
/*
 * Brings the hub's module keys in line with our root: when the root's fingerprint, the hub or the
 * device id differ from those of the last success (kept in a state file), every module identity
 * with symmetric keys or without any gets the keys derived now. Otherwise the hub is not asked.
 * Retries with backoff until done. When the hub refuses the device, nothing more is tried until the
 * next reconcile_start; who wants to know listens with hub_on_verdict. Containers are never
 * touched. Loop thread only.
 */
#ifndef IDENTITY_RECONCILE_H
#define IDENTITY_RECONCILE_H

#include "identity/identities.h"

#include <stdbool.h>

#define RECONCILE_RETRY_MIN_MS   5000
#define RECONCILE_RETRY_START_MS 10000
#define RECONCILE_RETRY_MAX_MS   1800000
#define RECONCILE_FILE           "reconciled" /* in the state directory */

struct reconcile;

/* Called on the loop, never from within reconcile_start or reconcile_stop. They may call both. */
struct reconcile_events {
    /* All module identities carry our keys; cnt were updated, 0 when nothing had changed. */
    void (*on_done)(void *data, unsigned cnt);
    /* May be NULL. The hub could not be asked for the identities, or refuses the device. Also when
     * another start was meanwhile; must not call back. */
    void (*on_failed)(void *data, const struct hub_answer *answer);
    void *data;
};

/* state_dir is borrowed. Errors: NOMEM. */
enum edge_code reconcile_new(struct loop *l, struct worker *w, struct hsm *h,
                             struct identities *ids, const char *state_dir,
                             const struct reconcile_events *events, struct reconcile **ret,
                             struct edge_error *err) EDGE_NODISCARD;

/* (Re)starts for an identity, which the hub client (hub_set_identity) has already. need_proof: make
 * at least one hub call even if nothing changed, because the credential is new and unproven.
 * Errors: INVALID (names, or after reconcile_stop). */
enum edge_code reconcile_start(struct reconcile *r, const char *hub_host, const char *device_id,
                               bool need_proof, struct edge_error *err) EDGE_NODISCARD;

/* Cancels what is in flight, then stopped() runs, later. No event comes after this call. */
void reconcile_stop(struct reconcile *r, void (*stopped)(void *data), void *data);
void reconcile_free(struct reconcile *r); /* never started, or after stopped(); NULL allowed */

#endif
