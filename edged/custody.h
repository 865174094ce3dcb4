/* SPDX-License-Identifier: MIT */
/*
 * The daemon's care for secrets, besides requests: opens the key that modules encrypt with, so that
 * none waits for it, and removes what release 1.1 left in plain files once it is safe elsewhere.
 * Loop thread.
 */
#ifndef EDGED_CUSTODY_H
#define EDGED_CUSTODY_H

#include "base/error.h"
#include "config/config.h"
#include "hsm/hsm.h"
#include "identity/module_crypt.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "pki/pki.h"
#include "provisioning/provisioning.h"

#define CUSTODY_FIRST_MS ((uint64_t)1000)               /* from the start, or from custody_poke */
#define CUSTODY_LAST_MS  ((uint64_t)6 * 60 * 60 * 1000) /* pauses double up to this */

struct custody;

/* All borrowed. */
struct custody_deps {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;
    const struct edge_config *config;
    struct module_crypt *crypt;
    struct pki *pki;
    struct provisioning *provisioning;
};

/* Looks again and again, soon at first. Errors: NOMEM. */
enum edge_code custody_start(const struct custody_deps *deps, struct custody **ret,
                             struct edge_error *err) EDGE_NODISCARD;

/* Something that it waits for may have come: an identity, the time. NULL allowed. */
void custody_poke(struct custody *c);

/* The hub has keys of our own root for every module. NULL allowed. */
void custody_modules_are_ours(struct custody *c);

/* Does nothing more; before worker_stop. NULL allowed. */
void custody_stop(struct custody *c);

/* After the worker has stopped. NULL allowed. */
void custody_free(struct custody *c);

#endif
