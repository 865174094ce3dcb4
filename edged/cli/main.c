/* SPDX-License-Identifier: MIT */
/*
 * The `iotedge` command: finds the subcommand and runs it.
 */
#include "cli/command.h"

#include "base/attr.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command commands[] = {
    {"tpm info", "show the TPM, its endorsement key and how to enroll it", command_tpm_info},
};

static void usage(FILE *out) {
    (void)fputs("Usage: iotedge COMMAND [OPTION]...\n\nCommands:\n", out);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(commands); i++) {
        (void)fprintf(out, "  %-16s %s\n", commands[i].words, commands[i].summary);
    }
    (void)fputs("  help             show this help\n"
                "  version          show the version\n\n"
                "'iotedge COMMAND --help' explains a command.\n",
                out);
}

/* Number of arguments that make up the command's words, 0 when they do not. */
static int match(const char *words, int argc, char **argv) {
    int used = 0;
    for (const char *w = words; *w != '\0'; used++) {
        size_t len = strcspn(w, " ");
        if (used >= argc || strlen(argv[used]) != len || strncmp(argv[used], w, len) != 0) {
            return 0;
        }
        w += len;
        w += strspn(w, " ");
    }
    return used;
}

/* Commands of more than one word that begin with this one. */
static bool list_group(const char *word) {
    size_t len = strlen(word);
    bool found = false;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(commands); i++) {
        const char *words = commands[i].words;
        if (strncmp(words, word, len) == 0 && words[len] == ' ') {
            (void)fprintf(stderr, found ? ", '%s'" : "iotedge: did you mean '%s'", words);
            found = true;
        }
    }
    if (found) {
        (void)fputs("?\n", stderr);
    }
    return found;
}

static void unknown(int argc, char **argv) {
    (void)fprintf(stderr, "iotedge: unknown command '%s", argv[0]);
    if (argc > 1 && argv[1][0] != '-') {
        (void)fprintf(stderr, " %s", argv[1]);
    }
    (void)fputs("'\n", stderr);
    if (!list_group(argv[0])) {
        (void)fputs("Try 'iotedge --help'.\n", stderr);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0 ||
        strcmp(argv[1], "version") == 0) {
        (void)puts("iotedge " EDGE_VERSION);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(commands); i++) {
        int used = match(commands[i].words, argc - 1, argv + 1);
        if (used > 0) {
            return commands[i].run(argc - used, argv + used);
        }
    }
    unknown(argc - 1, argv + 1);
    return EXIT_USAGE;
}
