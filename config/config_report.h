/* SPDX-License-Identifier: MIT */
/*
 * Collects the findings of one document, so that an operator sees all of them at once.
 */
#ifndef CONFIG_CONFIG_REPORT_H
#define CONFIG_CONFIG_REPORT_H

#include "base/attr.h"
#include "base/slice.h"
#include "config/config.h"

#include <stddef.h>

/* Longest text that config_report_quote writes, with its NUL. */
#define CONFIG_QUOTE_MAX 40

/* Adds one finding; line and column 0 when it has no place in the document. Control bytes and
 * broken UTF-8 become
 * '?', over-long text is cut. Above CONFIG_PROBLEMS_MAX only the counters go on. Short memory sets
 * report->nomem. */
void config_report_add(struct config_report *report, enum config_severity severity, unsigned line,
                       unsigned column, const char *key, const char *fmt, ...) EDGE_PRINTF(6, 7);

/* Writes the dotted path of a key below `parent` ("" for the top). Odd or very long names are shown
 * by their first letters only: they may be a value that lost its key. */
void config_report_path(char *out, size_t out_size, const char *parent, struct slice name);

/* Puts the findings in the order of the document; those without a place come first. */
void config_report_sort(struct config_report *report);

/* Writes 'value' with its quotes when it is short and of harmless characters, otherwise "this
 * value": what an operator pasted into the wrong place may be a key. Returns out. */
const char *config_report_quote(struct slice value, char out[CONFIG_QUOTE_MAX]);

#endif
