/*
 * Brings the hub's module keys in line with our root: when the root's fingerprint, the hub or the device id
 * differ from those of the last success (kept in a state file), every module identity with symmetric keys
 * gets the keys derived now. Otherwise it does nothing. Retries with backoff until done; containers are
 * never touched. Loop thread only.
 */
#ifndef IDENTITY_RECONCILE_H
#define IDENTITY_RECONCILE_H

#include "identity/identities.h"

#include <stdbool.h>

struct reconcile;

struct reconcile_events {
    /* The hub accepted (true) or refused (false: 401/403) the device's own key. */
    void (*on_device_key)(void *data, bool accepted, const struct hub_answer *answer);
    /* All module identities carry our keys; cnt were updated. */
    void (*on_done)(void *data, unsigned cnt);
    void *data;
};

/* state_dir is borrowed. */
enum edge_code reconcile_new(struct loop *l, struct worker *w, struct hsm *h, struct identities *ids,
                             const char *state_dir, const struct reconcile_events *events,
                             struct reconcile **ret, struct edge_error *err) EDGE_NODISCARD;

/* (Re)starts for an identity. need_proof: make at least one hub call even if nothing changed, because the
 * device key is new and unproven. */
enum edge_code reconcile_start(struct reconcile *r, const char *hub_host, const char *device_id,
                               bool need_proof, struct edge_error *err) EDGE_NODISCARD;
void reconcile_stop(struct reconcile *r, void (*stopped)(void *data), void *data);
void reconcile_free(struct reconcile *r);

#endif
