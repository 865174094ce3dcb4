/* SPDX-License-Identifier: MIT */
/*
 * getopt_long over a table made of the common options and those of the subcommand.
 */
#include "cli/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define OPT_OWN 256 /* the first one of its own; above all letters */

static const struct option common[] = {{"config-file", required_argument, NULL, 'c'},
                                       {"json", no_argument, NULL, 'j'},
                                       {"help", no_argument, NULL, 'h'}};

#define COMMON_CNT EDGE_ARRAY_LEN(common)

static void fill(const struct cli_options *o, struct option *table) {
    assert(o->cnt <= CLI_OPTIONS_MAX);
    for (size_t i = 0; i < COMMON_CNT; i++) {
        table[i] = common[i];
    }
    for (size_t i = 0; i < o->cnt; i++) {
        const struct cli_option *own = &o->own[i];
        table[COMMON_CNT + i] =
            (struct option){own->name, own->value != NULL ? required_argument : no_argument, NULL,
                            OPT_OWN + (int)i};
    }
}

static void take(const struct cli_option *own, const char *value) {
    if (own->value != NULL) {
        *own->value = value;
    } else {
        *own->flag = true;
    }
}

int cli_options_parse(int argc, char **argv, const struct cli_options *o, struct cli *c) {
    struct option table[COMMON_CNT + CLI_OPTIONS_MAX + 1] = {0};
    int option;
    fill(o, table);
    while ((option = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
        if (option >= OPT_OWN) {
            take(&o->own[option - OPT_OWN], optarg);
        } else if (option == 'c') {
            c->file = optarg;
        } else if (option == 'j') {
            c->json = true;
        } else if (option == 'h') {
            (void)fputs(o->help, stdout);
            return EXIT_SUCCESS;
        } else {
            return cli_misuse(c, "wrong option");
        }
    }
    if (optind >= argc) {
        return CLI_GO_ON;
    }
    return o->no_operand != NULL ? cli_misuse(c, "unexpected argument: %s", o->no_operand)
                                 : cli_misuse(c, "unexpected argument '%s'", argv[optind]);
}
