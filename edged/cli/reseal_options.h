/* SPDX-License-Identifier: MIT */
/*
 * Options of `iotedge tpm reseal`, and what they ask for. Pure but for the messages.
 */
#ifndef CLI_RESEAL_OPTIONS_H
#define CLI_RESEAL_OPTIONS_H

#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "provisioning/store_change.h"

#include <stdbool.h>

struct reseal_options {
    struct cli cli;
    struct cli_values also; /* "PCR=SHA256HEX" */
    const char *recovery_file;
    bool suspend, recover, abandon, show;
    bool yes;
};

/* Exit code, or CLI_GO_ON. */
int reseal_options_parse(int argc, char **argv, const char *help, struct reseal_options *ret);

/* The change without its recovery code. Errors: INVALID with what is wrong. */
enum edge_code reseal_options_change(const struct reseal_options *o, const struct edge_config *cfg,
                                     struct store_change *ret,
                                     struct edge_error *err) EDGE_NODISCARD;

#endif
