/* SPDX-License-Identifier: MIT */
/*
 * Options of one subcommand. --config-file, --json and --help are understood by every one.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/cli.h"

#include <stddef.h>

/* The lines of the help text about the options of every subcommand. */
#define CLI_OPTIONS_HELP                                                                           \
    "  -c, --config-file FILE     configuration (default " CONFIG_PATH_DEFAULT ")\n"               \
    "      --json                 print one JSON object\n"                                         \
    "  -h, --help                 show this help\n"

#define CLI_VALUES_MAX 24

/* Values of an option that may be given more than once. */
struct cli_values {
    const char *items[CLI_VALUES_MAX]; /* point into argv */
    size_t cnt;
};

/* An option of its own; one of the pointers says of which kind. */
struct cli_option {
    const char *name;
    const char **value; /* points into argv afterwards */
    bool *flag;
    struct cli_values *values;
};

struct cli_options {
    const char *help; /* text for --help */
    const struct cli_option *own;
    size_t cnt;             /* at most CLI_OPTIONS_MAX */
    const char *no_operand; /* said about a word that is no option, in place of the word itself:
                               where it may be a secret; NULL: the word is shown */
};

#define CLI_OPTIONS_MAX 8

/* Sets file and json of *c and what the own options point to. Exit code, or CLI_GO_ON. */
int cli_options_parse(int argc, char **argv, const struct cli_options *o, struct cli *c);

#endif
