/* SPDX-License-Identifier: MIT */
/*
 * A document together with its findings: what the check passes and the builder share.
 */
#ifndef CONFIG_CONFIG_DOC_H
#define CONFIG_CONFIG_DOC_H

#include "base/attr.h"
#include "config/config.h"
#include "config/config_report.h"
#include "config/config_schema.h"
#include "config/config_tree.h"

struct config_doc {
    struct config_tree *tree;
    struct config_report *report;
    unsigned
        modes; /* bits of enum config_mode that the provisioning section can mean; 0: unknown */
};

/* Node at a dotted path, whatever it is; NULL when there is none. "" is the root. */
const struct config_node *config_doc_find(const struct config_doc *doc, const char *path);

/* Node at a path of the schema if it is there and has its row's type; otherwise NULL. */
const struct config_node *config_doc_get(const struct config_doc *doc, const char *path);

/* Value at a path of the schema, or the default: what the original's merge with its default
 * document gives, since a value of the wrong type has made the document unusable before. Borrowed
 * from the tree or the table. */
struct slice config_doc_text(const struct config_doc *doc, const char *path);
bool config_doc_bool(const struct config_doc *doc, const char *path);
/* Bit n for number n of a row of type NUMBERS; 0 without any. */
uint32_t config_doc_numbers(const struct config_doc *doc, const char *path);
uint64_t config_doc_uint(const struct config_doc *doc, const char *path);

/* Adds a finding at the value of a path, or at the nearest mapping above that is there. */
void config_doc_problem(struct config_doc *doc, enum config_severity severity, const char *path,
                        const char *fmt, ...) EDGE_PRINTF(4, 5);

/* Finds out which form the provisioning section has (doc->modes) and reports combinations that are
 * none. */
void config_mode_detect(struct config_doc *doc);

/* Types, bounds, unknown keys and missing keys of the whole document. Needs doc->modes. */
void config_walk(struct config_doc *doc);

/* Rules that concern more than one key. */
void config_check(struct config_doc *doc);

/* Checks the values that the daemon uses and stores them; cfg is complete when no error was found.
 * Short memory sets report->nomem. */
void config_build(struct config_doc *doc, struct edge_config *cfg);

/* Lays IOTEDGE_HOSTNAME and IOTEDGE_HOMEDIR over the document and warns of variables that the 1.1
 * daemon would have taken for whole sections. */
void config_env_apply(struct config_doc *doc);

#endif
