/* SPDX-License-Identifier: MIT */
/*
 * The key store as config.yaml describes it, for the daemon and for the command line. Pure.
 */
#ifndef PROVISIONING_HSM_SETTINGS_H
#define PROVISIONING_HSM_SETTINGS_H

#include "config/config.h"
#include "hsm/hsm.h"

/* How the key store is to be opened or, keys_dir NULL, looked at. Borrows from both. */
struct hsm_config hsm_settings(const struct edge_config *cfg, const char *keys_dir);

#endif
