/* SPDX-License-Identifier: MIT */
/*
 * Keys that an operator puts into the key store and takes out again. Shared by the daemon and the
 * command line. Blocks: worker thread.
 */
#ifndef PROVISIONING_IMPORTED_H
#define PROVISIONING_IMPORTED_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "provisioning/key_label.h"

#include <stdint.h>

/* Pure: checks a target text and brings it to the form of key_label.h. Errors: INVALID, RANGE. */
enum edge_code imported_target(struct slice text, char ret[KEY_LABEL_TARGET_MAX + 1],
                               struct edge_error *err) EDGE_NODISCARD;

/* Places of the key store that imports leave free: a new assignment, or another key that
 * config.yaml names, must find room beside the identity in use. */
#define IMPORTED_ROOM 2

/* Imports a key of 1 to 64 bytes for a target. Older keys for it stay: one of them may be the
 * identity that works. Errors: RANGE when the key store is full, with the mend; those of
 * hsm_identity_import_key. */
enum edge_code imported_add(struct hsm *h, const char *target, const struct secret *key,
                            int64_t since_wall_s, uint64_t *ret_generation,
                            struct edge_error *err) EDGE_NODISCARD;

/* Removes all keys that were imported for a target for good. Errors: NOT_FOUND when there is none;
 * those of hsm_identity_list and hsm_identity_drop. */
enum edge_code imported_remove(struct hsm *h, const char *target, unsigned *ret_cnt,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
