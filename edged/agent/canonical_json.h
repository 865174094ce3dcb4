/* SPDX-License-Identifier: MIT */
/*
 * JSON in a form that is the same for all spellings of one value.
 */
#ifndef AGENT_CANONICAL_JSON_H
#define AGENT_CANONICAL_JSON_H

#include "base/json.h"

/* Writes a copy of the node with the members of all objects in the order of their names. */
void canonical_json_add(struct json_writer *w, const char *name, const struct cJSON *node);

#endif
