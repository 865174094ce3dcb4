/* SPDX-License-Identifier: MIT */
/*
 * Many devices, each with a provisioning object of its own, on one loop in simulated time, with a
 * disk in memory; and the provisioning service that they share, with a quota. Linked in place of
 * loop.c, store.c and the sources, beside provisioning_world.c.
 */
#ifndef SUPPORT_SIM_FLEET_H
#define SUPPORT_SIM_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#define FLEET_DEVICES   10000u
#define FLEET_SECONDS   (7 * 60 * 60)
#define FLEET_QUOTA     1000u /* registrations that the service accepts in a minute */
#define FLEET_START_MIN 1     /* minutes over which the devices start */

struct fleet_options {
    bool saved;          /* the devices have an identity, and ask once more after the start */
    uint32_t spread_s;   /* provisioning.startup_spread */
    unsigned outage_s;   /* the service cannot be reached for so long */
    bool no_retry_after; /* its 429 come without a wish */
    uint32_t seed;
};

struct fleet_count {
    unsigned asked;
    unsigned accepted;
    unsigned refused;
};

struct fleet_result {
    struct fleet_count seconds[FLEET_SECONDS]; /* as the service sees them */
    unsigned registered;
    unsigned early;  /* requests before a Retry-After was over */
    unsigned last_s; /* second in which the last device was registered */
};

/* Runs until all devices are registered, FLEET_SECONDS at most. */
void fleet_run(const struct fleet_options *o, struct fleet_result *ret);

#endif
