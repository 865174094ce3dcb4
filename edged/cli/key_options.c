/* SPDX-License-Identifier: MIT */
/*
 * A key is no option, on purpose: every user of the machine can read the command lines of others.
 */
#include "cli/key_options.h"

#include "cli/options.h"

#define NO_KEY  "a key is never taken from the command line, but from standard input or --file"
#define NO_WORD "this command takes options only"

/* The first ones are those of both. */
#define OWN_BOTH 4
#define OWN_MAX  6

int key_options_parse(int argc, char **argv, bool is_import, const char *help,
                      struct key_options *ret) {
    struct cli_option own[OWN_MAX] = {
        {.name = "hub", .value = &ret->target.hub},
        {.name = "device", .value = &ret->target.device},
        {.name = "scope", .value = &ret->target.scope},
        {.name = "registration-id", .value = &ret->target.registration_id}};
    size_t cnt = OWN_BOTH;
    if (is_import) {
        own[cnt++] = (struct cli_option){.name = "file", .value = &ret->input};
        own[cnt++] = (struct cli_option){.name = "derive-from-group", .flag = &ret->derive};
    } else {
        own[cnt++] = (struct cli_option){.name = "yes", .flag = &ret->yes};
    }
    const struct cli_options options = {
        .help = help, .own = own, .cnt = cnt, .no_operand = is_import ? NO_KEY : NO_WORD};
    return cli_options_parse(argc, argv, &options, &ret->cli);
}
