/* SPDX-License-Identifier: MIT */
/*
 * A subcommand of `iotedge`.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/* argv[0] is the last word of the command. Returns the exit code: 0 done, 1 failure, 2 usage. */
typedef int command_fn(int argc, char **argv);

#define EXIT_USAGE 2

struct command {
    const char *words;   /* "tpm info" */
    const char *summary; /* one line for the overview */
    command_fn *run;
};

int command_status(int argc, char **argv);
int command_reprovision(int argc, char **argv);
int command_tpm_info(int argc, char **argv);
int command_import_key(int argc, char **argv);
int command_sas_token(int argc, char **argv);
int command_remove_key(int argc, char **argv);
int command_import_ca(int argc, char **argv);
int command_reseal(int argc, char **argv);
int command_accept_change(int argc, char **argv);

#endif
