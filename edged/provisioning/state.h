/* SPDX-License-Identifier: MIT */
/*
 * The saved result on disk. Two lines: the SHA-256 of the second in hex, and JSON. Written whole by
 * rename; a damaged file is set aside and rebuilt from the labels of the identity keys. Worker
 * thread (blocking), except for the pure functions. Format 2 adds what a result's credential is;
 * format 1 is read.
 */
#ifndef PROVISIONING_STATE_H
#define PROVISIONING_STATE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mac.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "provisioning/provisioning.h"

#include <stdbool.h>
#include <stdint.h>

#define STATE_FILE      "provisioning"
#define STATE_SIZE_MAX  8192
#define STATE_INPUT_LEN SHA256_HEX

struct state {
    bool has_current;
    bool has_previous;
    struct provisioning_result current;
    struct provisioning_result previous; /* last identity the hub is known to have accepted */
    char inputs[STATE_INPUT_LEN];        /* digest of what in config.yaml the result depends on */
    uint64_t seen; /* newest key generation that has been current; only a newer key can be one whose
                      commit was interrupted */
    uint64_t legacy_root; /* key that the daemon before us derived module keys from; 0: none */
};

/* Reads the state and completes it from the identity keys at hand: a key that is newer than the
 * saved result is one whose commit was interrupted, and becomes current; a result whose key is gone
 * is forgotten. *ret_note (of note_size bytes, "" when nothing is odd) says what was found damaged
 * or completed, for the log. A missing file is an empty state. Errors: DENIED, IO, NOMEM and those
 * of hsm_identity_list. */
enum edge_code state_load(const char *dir, struct hsm *h, struct state *ret, char *ret_note,
                          size_t note_size, struct edge_error *err) EDGE_NODISCARD;

enum edge_code state_save(const char *dir, const struct state *s,
                          struct edge_error *err) EDGE_NODISCARD;

/* Pure: file content to and from the structure. */
enum edge_code state_encode(const struct state *s, struct buf *out,
                            struct edge_error *err) EDGE_NODISCARD;
enum edge_code state_decode(struct slice text, struct state *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Pure: the label of an identity key, which carries hub and device id. */
enum edge_code state_label_encode(const struct provisioning_result *r, const char *inputs,
                                  struct buf *out, struct edge_error *err) EDGE_NODISCARD;
enum edge_code state_label_decode(struct slice label, struct provisioning_result *ret,
                                  char ret_inputs[STATE_INPUT_LEN],
                                  struct edge_error *err) EDGE_NODISCARD;

/* Pure: whether an identity key of this generation is named by the state. */
bool state_uses(const struct state *s, uint64_t generation);

/* Pure: whether both say the same hub and device, under the same credential. */
bool state_is_same(const struct provisioning_result *a, const struct provisioning_result *b);

/* Pure: makes the identity with this result current. The one it replaces stays as previous if the
 * hub had accepted it; otherwise the earlier previous stays. */
void state_advance(struct state *s, const struct provisioning_result *r);

#endif
