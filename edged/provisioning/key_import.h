/* SPDX-License-Identifier: MIT */
/*
 * Hub and DPS keys that an operator gave us: from config.yaml into the key store, and found again
 * there. Worker thread (blocking).
 */
#ifndef PROVISIONING_KEY_IMPORT_H
#define PROVISIONING_KEY_IMPORT_H

#include "base/error.h"
#include "base/secret.h"
#include "config/config.h"
#include "hsm/hsm.h"
#include "provisioning/key_label.h"
#include "provisioning/state.h"

#include <stdint.h>

/* What the key of this configuration is for. Errors: INVALID when it uses no key. */
enum edge_code key_import_target(const struct config_provisioning *c,
                                 char ret[KEY_LABEL_TARGET_MAX + 1],
                                 struct edge_error *err) EDGE_NODISCARD;

/* The key for this target. key not empty (it stands in config.yaml): the one in the store that
 * signs as it does, else it is imported beside the others, which stay until it is proven. key
 * empty: the newest of this target; without one CONFIG, and the text says how to import it. */
enum edge_code key_import_ensure(struct hsm *h, const char *target, const struct secret *key,
                                 int64_t now_wall_s, uint64_t *ret_generation,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Whether *generation, a key for this target that was found before, is still the one to use; else
 * it becomes the newest. It is not when it has been removed, or a key newer than *newest has come,
 * which was the newest then (0: not known) and is brought up to date. Errors: CONFIG as above; both
 * then stay. */
enum edge_code key_import_current(struct hsm *h, const char *target, uint64_t *generation,
                                  uint64_t *newest, struct edge_error *err) EDGE_NODISCARD;

/* The key in the store that has this label's target and signs as this one does; else it is imported
 * under the label, beside the others. */
enum edge_code key_import_once(struct hsm *h, const struct key_label *label,
                               const struct secret *key, uint64_t *ret_generation,
                               struct edge_error *err) EDGE_NODISCARD;

/* Drops the keys that nothing needs: those of assignments or sent by a service that the state does
 * not name, and imported ones of a target whose newer key is the proven current one. Oldest first,
 * so that a cut leaves the newest. A failure is told in the note and harms nothing. */
void key_import_drop_unused(struct hsm *h, const struct state *s, char *note, size_t note_size);

#endif
