/* SPDX-License-Identifier: MIT */
/*
 * Provisioning service and hubs with a state, for one device over many simulated days: they check
 * each token against the true time and the key they know, and count. Stands behind the fake HTTP
 * client.
 */
#ifndef SUPPORT_SIM_CLOUD_H
#define SUPPORT_SIM_CLOUD_H

#include "loop/wall.h"
#include "support/fake_http_client.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_DPS_HOST "dps.example"
#define SIM_SCOPE    "0ne00000000"
#define SIM_ID       "dev-01"

struct sim_cloud {
    /* Said by the test. */
    const char *assigns; /* hub that the next registration gives */
    bool away;           /* the provisioning service cannot be reached */
    uint32_t throttle_s; /* not 0: it answers 429 with this Retry-After, seconds and date in turn */
    bool gone_is_401;    /* how a hub answers a device that was moved away: 401, else 404 */
    struct wall *wall;   /* corrected by the time in answers, as the real one is */
    /* Counted. */
    unsigned dps_requests;
    unsigned registrations;
    unsigned throttled;
    unsigned early; /* requests to the service before a Retry-After was over */
    unsigned hub_requests;
    unsigned hub_refusals;
    uint64_t gap_max_ms;  /* longest time from a refusal of a hub to the next acceptance */
    uint64_t refused_ms;  /* since when the device is refused; 0: it is not */
    uint64_t accepted_ms; /* last time it was not */
    /* Its own. */
    char hub[64]; /* where the device is registered */
    char key[64]; /* and with which key */
    char challenge[64];
    uint64_t not_before_ms;
    char body[1024];
    char date[64];
    char retry_after[64];
};

void sim_cloud_init(struct sim_cloud *c, struct http_client *http);

/* The device is to be found at another hub from now on: the one it is at does not know it any more,
 * the service assigns the other. */
void sim_cloud_move(struct sim_cloud *c, const char *hub, bool gone_is_401);

int64_t sim_cloud_true_s(void); /* what a right clock would show */

#endif
