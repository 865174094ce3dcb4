/* SPDX-License-Identifier: MIT */
/*
 * Module keys as release 1.1 derived them, for a device that was taken over from it:
 *
 *   K = HMAC(identity key, module id || key id || generation id)
 *
 * and which modules have left that derivation, because the hub has been given our keys of them.
 * Loop thread only, except for module_legacy_sign.
 */
#ifndef IDENTITY_MODULE_LEGACY_H
#define IDENTITY_MODULE_LEGACY_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "identity/module_key.h"

#include <stdint.h>

#define MODULE_LEGACY_LEFT_MAX    2048 /* modules remembered as having left */
#define MODULE_LEGACY_CONTEXT_MAX (2 * MODULE_KEY_ID_MAX + sizeof("secondary"))

struct map;

/* Embedded; all zero is a device without old keys. */
struct module_legacy {
    uint64_t generation; /* of the identity key, 0: none */
    struct map *left;    /* names of the modules that have left; NULL while there are none */
};

/* Input of the HMAC. */
struct module_legacy_context {
    uint8_t bytes[MODULE_LEGACY_CONTEXT_MAX];
    size_t len;
};

void module_legacy_set(struct module_legacy *m, uint64_t generation);
void module_legacy_clear(struct module_legacy *m);

/* Errors: NOMEM, RANGE (too many); then the module stays. */
enum edge_code module_legacy_leave(struct module_legacy *m, struct slice module,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Generation of the identity key that the keys of this module come from; 0: they are ours. */
uint64_t module_legacy_generation(const struct module_legacy *m, struct slice module);

/* Errors: INVALID for ids that cannot have a key. */
enum edge_code module_legacy_context(const struct module_key_id *id,
                                     struct module_legacy_context *ret,
                                     struct edge_error *err) EDGE_NODISCARD;

/* Worker thread: derives one key of MODULE_KEY_LEN bytes. Errors as hsm_identity_sign. */
enum edge_code module_legacy_sign(struct hsm *h, uint64_t generation,
                                  const struct module_legacy_context *context, struct secret *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

#endif
