/* SPDX-License-Identifier: MIT */
/*
 * The hub as agent.h wants it: introduces agent/ and identity/, which do not know each other.
 */
#ifndef EDGED_AGENT_HUB_H
#define EDGED_AGENT_HUB_H

#include "agent/agent.h"
#include "identity/identities.h"

struct agent_hub {
    struct identities *ids;
    /* Of the one call that is under way. */
    agent_hub_fn *done;
    void *done_data;
};

/* For agent_deps; the data is a struct agent_hub. */
extern const struct agent_hub_ops agent_hub_ops;

/* What an answer of the hub means to edgeAgent. Borrows from it. */
struct agent_hub_answer agent_hub_read(const struct hub_answer *answer);

#endif
