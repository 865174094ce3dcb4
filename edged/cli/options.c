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
        table[COMMON_CNT + i] = (struct option){
            own->name, own->flag != NULL ? no_argument : required_argument, NULL, OPT_OWN + (int)i};
    }
}

/* False for one value too many. */
static bool take(const struct cli_option *own, const char *value) {
    if (own->flag != NULL) {
        *own->flag = true;
    } else if (own->value != NULL) {
        *own->value = value;
    } else if (own->values->cnt == CLI_VALUES_MAX) {
        return false;
    } else {
        own->values->items[own->values->cnt++] = value;
    }
    return true;
}

int cli_options_parse(int argc, char **argv, const struct cli_options *o, struct cli *c) {
    struct option table[COMMON_CNT + CLI_OPTIONS_MAX + 1] = {0};
    static char name[64]; /* what getopt's own messages begin with */
    int option;
    (void)snprintf(name, sizeof(name), "%s", c->command);
    argv[0] = name;
    fill(o, table);
    while ((option = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
        if (option >= OPT_OWN) {
            const struct cli_option *own = &o->own[option - OPT_OWN];
            if (!take(own, optarg)) {
                return cli_misuse(c, "more than %d times --%s", CLI_VALUES_MAX, own->name);
            }
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
