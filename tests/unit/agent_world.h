/* SPDX-License-Identifier: MIT */
/*
 * A configuration and an identity for the tests of what edgeAgent is made of.
 */
#ifndef TESTS_AGENT_WORLD_H
#define TESTS_AGENT_WORLD_H

#include "agent/agent_spec.h"

extern const struct agent_identity agent_world_identity;

/* A device named Edge.Example, whose homedir is /srv/edge, and what `more` says in YAML besides. */
struct edge_config *agent_world_config(const char *more);

/* The fingerprint for that. */
const char *agent_world_fingerprint(const struct edge_config *cfg, const struct agent_identity *id,
                                    char ret[SHA256_HEX]);

#endif
