/* SPDX-License-Identifier: MIT */
/*
 * The key store as config.yaml describes it, and a word about its condition in the log at start.
 */
#ifndef EDGED_KEY_STORE_H
#define EDGED_KEY_STORE_H

#include "base/error.h"
#include "config/config.h"
#include "hsm/hsm.h"
#include "loop/loop.h"
#include "loop/worker.h"

/* Opens the HSM with blobs in keys_dir; does not contact the TPM. Errors as hsm_open. */
enum edge_code key_store_open(const struct edge_config *cfg, const char *keys_dir, struct hsm **ret,
                              struct edge_error *err) EDGE_NODISCARD;

/* Contacts it on the worker, so that the first module does not wait for that, and logs how it
 * stands: ready, or what is wrong and how to mend it; whether the sealed store is open, and bound
 * as the configuration wants it; and which damaged files lie aside. Nothing depends on the outcome.
 * cfg and keys_dir are borrowed until the worker has stopped. */
void key_store_warm_up(struct worker *w, struct hsm *h, const struct edge_config *cfg,
                       const char *keys_dir);

/* Calls hsm_refresh every HSM_REFRESH_MS, for the sake of other users of the TPM. */
struct key_store_refresh;

enum edge_code key_store_refresh_start(struct loop *l, struct worker *w, struct hsm *h,
                                       struct key_store_refresh **ret,
                                       struct edge_error *err) EDGE_NODISCARD;
void key_store_refresh_stop(struct key_store_refresh *r); /* before worker_stop; NULL allowed */

#endif
