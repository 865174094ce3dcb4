/* SPDX-License-Identifier: MIT */
/*
 * From a value of the document to a member of the configuration: its rule, the finding, the copy.
 */
#ifndef CONFIG_CONFIG_TAKE_H
#define CONFIG_CONFIG_TAKE_H

#include "config/config_doc.h"

#include <stdbool.h>

/* The reason against a value, or NULL. */
typedef const char *config_rule(struct slice value);

/* The value, or the default; false when there is neither. */
bool config_take_value(const struct config_doc *doc, const char *path, struct slice *ret);

/* Copies, in the place of what *ret holds; *ret is NULL when memory is short. */
void config_take_copy(struct config_doc *doc, struct slice value, char **ret);

/* Applies the rule and the second opinion (may be NULL), reports, copies. */
void config_take_text(struct config_doc *doc, const char *path, config_rule *rule,
                      config_rule *doubt, char **ret);

/* Reports what a parser said against the value. */
void config_take_result(struct config_doc *doc, const char *path, enum edge_code code,
                        const struct edge_error *err);

/* Fills in the provisioning section, as far as the form that it has gives a meaning to its keys. */
void config_take_provisioning(struct config_doc *doc, struct config_provisioning *p);

void config_take_network(struct config_doc *doc, struct config_network *network);
void config_network_clear(struct config_network *network);

/* Environment, createOptions and credentials; checks the whole section. */
void config_take_agent(struct config_doc *doc, struct config_agent *agent);
void config_agent_clear(struct config_agent *agent); /* wipes */

/* Releases and wipes what the provisioning section holds; idempotent. */
void config_provisioning_clear(struct config_provisioning *p);

#endif
