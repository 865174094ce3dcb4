/* SPDX-License-Identifier: MIT */
/*
 * Working on the keys without the daemon: as its user, with the state folder locked against it.
 */
#ifndef CLI_DIRECT_H
#define CLI_DIRECT_H

#include "base/error.h"
#include "config/config.h"
#include "hsm/hsm.h"

#include <stdint.h>

#define DIRECT_PATH_MAX 512

struct direct {
    char state_dir[DIRECT_PATH_MAX];
    char keys_dir[DIRECT_PATH_MAX];
    int lock_fd;
    struct hsm *hsm;
};

/* Pure: the folders below homedir. Errors: CONFIG when the path is too long. */
enum edge_code direct_paths(const struct edge_config *cfg, struct direct *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Gives up what privileges there are (owner.h), locks, opens. Errors: CONFLICT when a daemon holds
 * the folder; those of owner_become, lock_take and hsm_open. Released by direct_close, also after a
 * failure. */
enum edge_code direct_open(const struct edge_config *cfg, struct direct *ret,
                           struct edge_error *err) EDGE_NODISCARD;
void direct_close(struct direct *d);

/* The time, if it can be trusted to sign something that expires. Errors: RETRY with what is known
 * of the clock. */
enum edge_code direct_time(const struct direct *d, int64_t *ret_wall_s,
                           struct edge_error *err) EDGE_NODISCARD;

#endif
