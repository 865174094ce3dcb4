/* SPDX-License-Identifier: MIT */
/*
 * The `iotedge` command: finds the subcommand and runs it.
 */
#include "cli/command.h"

#include "base/attr.h"
#include "base/env.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/wipe.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct command commands[] = {
    {"status", "show the device's identity and condition", command_status},
    {"reprovision", "ask for the device's identity again", command_reprovision},
    {"tpm info", "show the TPM, its endorsement key and how to enroll it", command_tpm_info},
    {"tpm import-key", "put a key of the device into the TPM", command_import_key},
    {"tpm sas-token", "print a token signed in the TPM", command_sas_token},
    {"tpm remove-key", "remove an imported key", command_remove_key},
    {"tpm import-ca", "put the private key of the device CA into the TPM", command_import_ca},
    {"tpm reseal", "bind the sealed store to PCRs, or open a locked one", command_reseal},
    {"tpm accept-change", "go on with a TPM that was cleared or replaced", command_accept_change},
};

static void usage(FILE *out) {
    (void)fputs("Usage: iotedge COMMAND [OPTION]...\n\nCommands:\n", out);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(commands); i++) {
        (void)fprintf(out, "  %-17s %s\n", commands[i].words, commands[i].summary);
    }
    (void)fputs("  help              show this help\n"
                "  version           show the version\n\n"
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

static bool is_in_group(const struct command *c, const char *word) {
    size_t len = strlen(word);
    return strncmp(c->words, word, len) == 0 && c->words[len] == ' ';
}

static bool is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Help about all commands of more than one word that begin with this one. */
static bool help_on_group(const char *word) {
    bool found = false;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(commands); i++) {
        if (is_in_group(&commands[i], word)) {
            (void)printf("%s  %-17s %s\n", found ? "" : "Commands:\n", commands[i].words,
                         commands[i].summary);
            found = true;
        }
    }
    if (found) {
        (void)puts("\n'iotedge COMMAND --help' explains a command.");
    }
    return found;
}

/* Commands of more than one word that begin with this one. */
static bool list_group(const char *word) {
    bool found = false;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(commands); i++) {
        const char *words = commands[i].words;
        if (is_in_group(&commands[i], word)) {
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

/* Keys pass through some commands: no core files, locked memory where the system allows it. What
 * the daemon's parts would log is told by the commands themselves. */
static void prepare(void) {
    const struct rlimit no_core = {0, 0};
    struct edge_error err;
    env_drop_debug();
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (secret_heap_init(NULL, &err) != EDGE_OK) {
        (void)fprintf(stderr, "iotedge: %s\n", edge_error_text(&err));
    }
    log_set_level(LOG_ERROR);
}

int main(int argc, char **argv) {
    (void)wipe_openssl();
    if (argc < 2) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0 ||
        strcmp(argv[1], "version") == 0) {
        (void)puts("iotedge " EDGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc == 3 && is_help(argv[2]) && help_on_group(argv[1])) {
        return EXIT_SUCCESS;
    }
    prepare();
    for (size_t i = 0; i < EDGE_ARRAY_LEN(commands); i++) {
        int used = match(commands[i].words, argc - 1, argv + 1);
        if (used > 0) {
            return commands[i].run(argc - used, argv + used);
        }
    }
    unknown(argc - 1, argv + 1);
    return EXIT_USAGE;
}
