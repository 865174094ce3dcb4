/* SPDX-License-Identifier: MIT */
/*
 * One-line expectations on configuration documents.
 */
#ifndef TESTS_TEST_CONFIG_EXPECT_H
#define TESTS_TEST_CONFIG_EXPECT_H

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A complete provisioning section in one line, so that what a test adds starts in line 2. */
#define DPS                                                                                        \
    "provisioning: {source: dps, global_endpoint: 'https://dps.example', scope_id: 0ne1, "         \
    "attestation: {method: tpm}}\n"

struct outcome {
    enum edge_code code;
    struct edge_config *cfg;
    struct config_report report;
    struct edge_error err;
};

struct outcome outcome_of(const char *text);
struct outcome outcome_of_slice(struct slice text);
void outcome_clear(struct outcome *o);

/* True when the report holds a finding with this severity, place and key whose text contains
 * `part`. */
bool outcome_has(const struct outcome *o, enum config_severity severity, unsigned line,
                 unsigned column, const char *key, const char *part);

/* The document is refused, for this reason and no other. */
void expect_error(const char *text, unsigned line, unsigned column, const char *key,
                  const char *part);

/* The document is refused, for this reason among others. */
void expect_error_among(const char *text, unsigned line, unsigned column, const char *key,
                        const char *part);

/* The document is accepted with this warning and no other. */
void expect_warning(const char *text, unsigned line, unsigned column, const char *key,
                    const char *part);

/* The document is accepted without a finding. The result belongs to the caller (config_free). */
struct edge_config *expect_fine(const char *text);

/* No finding of the document contains `secret`. */
void expect_hidden(const char *text, const char *secret);

#endif
