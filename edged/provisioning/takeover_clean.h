/* SPDX-License-Identifier: MIT */
/*
 * Removes the secrets that release 1.1 left in plain files, once what they were good for is safe:
 *
 *   hsm/enc_keys/{master}   a record of the key store holds the same bytes (compared here), and
 *                           nothing else needs it any more
 *   hsm/cert_keys/          the chain is ours, and signed by the old root if that is of use
 *   hybrid_id/              the root of the modules' keys signs from the key store (tried here),
 *                           or no module needs it
 *   external_prov/id_key    our own assignment is saved
 *
 * Certificates are no secrets and stay, as does what is in cache/. Files that the configuration
 * names stay: an operator may have made 1.1's keys their own. What does not look like a file of 1.1
 * is left and named. Going back to 1.1 is then like a new installation of it. Worker thread
 * (blocking).
 */
#ifndef PROVISIONING_TAKEOVER_CLEAN_H
#define PROVISIONING_TAKEOVER_CLEAN_H

#include "base/error.h"
#include "config/config.h"
#include "hsm/hsm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAKEOVER_CLEAN_NOTE_MAX 480
#define TAKEOVER_CLEAN_MASTERS  2

/* What the caller knows to be on disk, whole. */
struct takeover_clean_facts {
    bool has_identity;     /* provisioning has a saved result: 1.1's is not read again */
    uint64_t legacy_root;  /* provisioning_legacy_root */
    bool modules_are_ours; /* the hub has keys of our root for every module */
    bool chain_is_safe;    /* there is a chain of ours or of the operator's, and where 1.1 left a
                              root, the cross certificate; or none is to be had */
    const char *master_records[TAKEOVER_CLEAN_MASTERS]; /* that may hold 1.1's master key: those of
                                                           module encryption */
};

struct takeover_clean {
    size_t removed;                     /* files */
    bool is_complete;                   /* nothing that is known to be a secret of 1.1 is left */
    char note[TAKEOVER_CLEAN_NOTE_MAX]; /* for the log: what was removed, what is left and why; ""
                                           when there is nothing to tell */
};

/* May be repeated: a second run finds nothing to do, or ends what a cut left. A file that cannot be
 * dealt with goes into the note. Errors: NOMEM, and those of hsm_record_get and hsm_identity_sign
 * that say nothing of the keys; *ret is complete also then, and nothing was removed that was not
 * safe. */
enum edge_code takeover_clean_run(const struct edge_config *cfg, const char *homedir, struct hsm *h,
                                  const struct takeover_clean_facts *facts,
                                  struct takeover_clean *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

#endif
