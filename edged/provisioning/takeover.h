/* SPDX-License-Identifier: MIT */
/*
 * What the daemon of release 1.1 left in the same state folder and TPM: the identity, so that a
 * device comes up with the hub it had without asking anybody, and the key that its modules' keys at
 * the hub were derived from, so that modules go on signing until the hub has ours. Files of 1.1 are
 * only read here, and count as hostile; takeover_clean.h removes those with secrets when nothing
 * needs them any more, and what they were taken for is then found in the key store.
 *
 *   mode                       identity                               root of the module keys
 *   dps.tpm                    cache/provisioning_backup.json,        the hub key in the TPM
 *                              hub key in the TPM
 *   dps.symmetric_key          the same file, key of the config       the device's key
 *   manual, connection string  config                                 the device's key
 *   manual.x509, dps.x509      config, or the same file               hybrid_id/, under the key of
 *                                                                     hsm/enc_keys/
 *   external                   nothing is taken over
 */
#ifndef PROVISIONING_TAKEOVER_H
#define PROVISIONING_TAKEOVER_H

#include "base/error.h"
#include "config/config.h"
#include "hsm/hsm.h"
#include "provisioning/provisioning.h"

#include <stdbool.h>
#include <stdint.h>

#define TAKEOVER_NOTE_MAX 256

struct takeover {
    bool found; /* result is an identity to be used; not proven yet */
    struct provisioning_result result;
    bool has_legacy_root; /* generation of the key that 1.1 derived the modules' keys from */
    uint64_t legacy_root;
    char note[TAKEOVER_NOTE_MAX]; /* for the log: what was taken or why not; "" when 1.1 left
                                     nothing */
};

/* Looks for what 1.1 left under homedir and takes it into the key store. To be called while there
 * is no state file of ours, on the worker thread (blocking). May be repeated: keys that an earlier
 * call took are found again by their labels. label_inputs: digest for the label of an adopted TPM
 * key (state_label_encode). What is damaged, unusable or not there goes into the note. Errors:
 * NOMEM and those of the key store that may pass; then nothing is decided, call again later. */
enum edge_code takeover_run(const struct edge_config *cfg, const char *homedir, struct hsm *h,
                            const char *label_inputs, struct takeover *ret,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
