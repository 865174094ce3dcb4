/* SPDX-License-Identifier: MIT */
/*
 * Options of the commands about imported keys.
 */
#ifndef CLI_KEY_OPTIONS_H
#define CLI_KEY_OPTIONS_H

#include "cli/cli.h"
#include "cli/key_target.h"

#include <stdbool.h>

struct key_options {
    struct cli cli;
    struct key_target_options target;
    const char *input; /* --file; NULL: standard input */
    bool derive;
    bool yes;
};

/* is_import: which of the two commands; the other one's options are wrong. Exit code, or
 * CLI_GO_ON. */
int key_options_parse(int argc, char **argv, bool is_import, const char *help,
                      struct key_options *ret);

#endif
