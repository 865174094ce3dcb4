/* SPDX-License-Identifier: MIT */
/*
 * Module identities of this device: the hub's registry joined with our module keys. Each call is a
 * small sequence of hub requests; the answers are those of hub.h. Loop thread only.
 */
#ifndef IDENTITY_IDENTITIES_H
#define IDENTITY_IDENTITIES_H

#include "cloud/hub.h"
#include "identity/module_key.h"

/* Borrowed parts; outlives its calls. */
struct identities {
    struct hub *hub;
    struct module_keys *keys;
    struct loop *loop;
};

/* Common to all: done runs once, later; after op_cancel with HUB_LOCAL and code CANCELED. ret_op
 * may be NULL. Errors: RETRY while the device has no hub (update: in its answer), INVALID for names
 * that no hub would take, BUSY, NOMEM. */

enum edge_code identities_list(struct identities *ids, hub_done_fn *done, void *data,
                               struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Creates (authentication none), learns the generation id, derives the keys, updates with them. An
 * identity that exists already is updated instead: the call is idempotent and completes what an
 * interrupted one left behind. managed_by may be NULL: an existing identity then keeps its own. The
 * update is repeated once after a transient fault, and when the hub answers with another generation
 * id than the one the keys are for. */
enum edge_code identities_create(struct identities *ids, const char *module_id,
                                 const char *managed_by, hub_done_fn *done, void *data,
                                 struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Registers the keys of the given generation id; repeated once after a transient fault. managed_by
 * NULL leaves the member out. The answer's generation id is the hub's: when it differs from the one
 * given, the identity was created anew meanwhile and carries keys that fit nobody until the next
 * update. */
enum edge_code identities_update(struct identities *ids, const char *module_id,
                                 const char *generation_id, const char *managed_by,
                                 hub_done_fn *done, void *data, struct op *ret_op,
                                 struct edge_error *err) EDGE_NODISCARD;

enum edge_code identities_delete(struct identities *ids, const char *module_id, hub_done_fn *done,
                                 void *data, struct op *ret_op,
                                 struct edge_error *err) EDGE_NODISCARD;

#endif
