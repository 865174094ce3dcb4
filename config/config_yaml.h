/* SPDX-License-Identifier: MIT */
/*
 * Reads a YAML document into a tree. Hostile documents are bounded: size, depth, number of nodes
 * with aliases expanded.
 */
#ifndef CONFIG_CONFIG_YAML_H
#define CONFIG_CONFIG_YAML_H

#include "base/error.h"
#include "base/slice.h"
#include "config/config_report.h"
#include "config/config_tree.h"

/* Parses one document by the YAML 1.2 core rules that the 1.1 daemon has: only true and false are
 * booleans, ~, null and nothing are null, "<<" is an ordinary key, of a repeated key the last wins
 * (with a warning), keys that are no strings are dropped (with a warning). An empty document gives
 * an empty mapping. On success *ret belongs to the caller. Errors: CONFIG (the reason is in the
 * report), NOMEM. */
enum edge_code config_yaml_parse(struct slice text, struct config_tree **ret,
                                 struct config_report *report,
                                 struct edge_error *err) EDGE_NODISCARD;

#endif
