/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands share: configuration, output, errors, questions.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"

#include <stdbool.h>

#define CLI_GO_ON (-1) /* instead of an exit code */

/* A run of one subcommand. */
struct cli {
    const char *command; /* "iotedge status" */
    const char *file;    /* of --config-file */
    bool json;           /* one JSON object instead of text */
};

/* Loads the configuration; problems go to stderr. Exit code, or CLI_GO_ON. The caller frees. */
int cli_load(const struct cli *c, struct edge_config **ret);

/* The work of a subcommand. Appends what is to be printed to out, which is sensitive. */
typedef enum edge_code cli_work_fn(const void *options, const struct edge_config *cfg,
                                   struct buf *out, struct edge_error *err);

/* Loads the configuration, does the work, prints what came of it. Exit code. */
int cli_run(const struct cli *c, cli_work_fn *work, const void *options);

/* Appends a line with the answer of the daemon: all of it with --json, else the text of one member.
 * Errors: PARSE, NOT_FOUND, NOMEM. */
enum edge_code cli_answer(const struct cli *c, struct slice json, const char *member,
                          struct buf *out, struct edge_error *err) EDGE_NODISCARD;

/* Writes to standard output; exit code. */
int cli_print(const struct cli *c, const struct buf *out);

/* Says what went wrong: to stderr, and as {"error":{"code":..., "message":...}} with --json. Exit
 * code 1. */
int cli_fail(const struct cli *c, const struct edge_error *err);

/* Says what is wrong with the arguments. Exit code 2. */
int cli_misuse(const struct cli *c, const char *fmt, ...) EDGE_PRINTF(2, 3);

/* Asks on the terminal, unless `yes`. Errors: CANCELED for any answer but "yes", INVALID when there
 * is no terminal to ask on. */
enum edge_code cli_confirm(const char *question, bool yes, struct edge_error *err) EDGE_NODISCARD;

#endif
