/* SPDX-License-Identifier: MIT */
/*
 * Keeps the authorities: reads them once, and at each look makes anew what has to be. The order of
 * a change is: new keys, signatures, the file, then the old keys go. A cut at any point leaves the
 * old or the new authorities, whole, and at most keys that belong to nothing, which the next start
 * drops. While the time of a look is not usable nothing is made, and nothing is taken for too old;
 * while nobody vouches for it, what cannot be made again is not given up. Worker thread.
 */
#ifndef PKI_KEEPER_H
#define PKI_KEEPER_H

#include "base/buf.h"
#include "base/error.h"
#include "hsm/hsm.h"
#include "loop/wall.h"
#include "pki/leaf.h"
#include "pki/operator.h"
#include "pki/pki.h"

#include <stdbool.h>
#include <stdint.h>

struct keeper;

/* Strings are borrowed for the object's life. */
struct keeper_config {
    struct hsm *hsm;
    const char *state_dir;
    const char *homedir;
    struct operator_files files;
    int64_t life_s;
};

enum edge_code keeper_new(const struct keeper_config *config, struct keeper **ret,
                          struct edge_error *err) EDGE_NODISCARD;
void keeper_free(struct keeper *k); /* NULL allowed */

/* Brings everything up to date. OK: something can be issued now. A failure to renew what still
 * works is logged and noted, not returned. Errors: RETRY (the clock), CONFIG (the operator's files,
 * with nothing older to use), those of the key store, IO, NOMEM. */
enum edge_code keeper_look(struct keeper *k, const struct wall_time *now,
                           struct edge_error *err) EDGE_NODISCARD;

/* After OK of keeper_look: who signs leaves. Borrowed until the next call. */
enum edge_code keeper_issuer(struct keeper *k, const struct wall_time *now,
                             struct leaf_issuer **ret, struct edge_error *err) EDGE_NODISCARD;

/* Tells that something has changed elsewhere, such as a key that has gone or come: the next look
 * looks at all of them, and tries again at once what failed. */
void keeper_doubt(struct keeper *k);

/* Appends the trust bundle; looks at the files, and makes what is missing if it can. */
enum edge_code keeper_bundle(struct keeper *k, const struct wall_time *now, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

void keeper_status(const struct keeper *k, struct pki_status *ret);

/* Changes with each change of the status. */
uint32_t keeper_serial(const struct keeper *k);

/* Authorities are usable and nothing of release 1.1 is needed any more, by a trusted time: a clock
 * that is ahead may have to be followed by new authorities, for which 1.1's root signs again. */
bool keeper_is_ready(const struct keeper *k);

/* When to look again without being asked. */
uint64_t keeper_pause_ms(const struct keeper *k, const struct wall_time *now);

#endif
