/* SPDX-License-Identifier: MIT */
/*
 * What an identity key that an operator gave us is for. Such a key - from config.yaml or from
 * `iotedge tpm import-key` - lies in the key store under a label of this kind, which names its
 * target; it stays until it is removed or replaced, whoever uses it meanwhile. One that an external
 * provisioning service sent has `service`: it would come again, and goes when it is not used. Pure.
 *
 *   {"kind":"imported","target":"hub:<host>/<device id>","since":<seconds>}
 *   {"kind":"imported","target":"dps:<ID scope>/<registration id>","since":<seconds>}
 *   {"kind":"imported","target":"hub:<host>/<device id>","since":<seconds>,"service":true}
 */
#ifndef PROVISIONING_KEY_LABEL_H
#define PROVISIONING_KEY_LABEL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"

#include <stdbool.h>
#include <stdint.h>

#define KEY_LABEL_TARGET_MAX 480

struct key_label {
    char target[KEY_LABEL_TARGET_MAX + 1];
    int64_t since_wall_s; /* when it was imported */
    bool is_service;      /* sent by an external service, not given by an operator */
};

/* Target texts. The host name is lower-cased, ids are kept as they are. Errors: INVALID (an empty
 * part), RANGE. */
enum edge_code key_label_target_hub(const char *host, const char *device_id,
                                    char ret[KEY_LABEL_TARGET_MAX + 1],
                                    struct edge_error *err) EDGE_NODISCARD;
enum edge_code key_label_target_dps(const char *scope_id, const char *registration_id,
                                    char ret[KEY_LABEL_TARGET_MAX + 1],
                                    struct edge_error *err) EDGE_NODISCARD;

/* Appends the label's text. */
enum edge_code key_label_encode(const struct key_label *l, struct buf *out,
                                struct edge_error *err) EDGE_NODISCARD;

/* Errors: PARSE for any label that is not of this kind, NOMEM. */
enum edge_code key_label_decode(struct slice text, struct key_label *ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* The newest of the keys (as hsm_identity_list gives them) that was imported for this target, which
 * is older than `before` (0: any). *ret_generation is 0 when there is none. Errors: NOMEM. */
enum edge_code key_label_find(const struct hsm_identity *keys, size_t cnt, const char *target,
                              uint64_t before, uint64_t *ret_generation,
                              struct edge_error *err) EDGE_NODISCARD;

#endif
