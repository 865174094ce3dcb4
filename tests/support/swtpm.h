/* SPDX-License-Identifier: MIT */
/*
 * A private software TPM per test: own state directory and own Unix socket, so that tests run in
 * parallel. Fails the cmocka test when something does not work.
 */
#ifndef SUPPORT_SWTPM_H
#define SUPPORT_SWTPM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct swtpm {
    char dir[64];
    char tcti[128]; /* for TctiLdr and for the tpm2 tools */
    pid_t pid;
};

/* Starts a blank TPM; with `manufactured` one that swtpm_setup prepared with EK, EK certificate and
 * platform certificate. */
struct swtpm *swtpm_new(bool manufactured);
void swtpm_free(struct swtpm *s); /* stops and removes; NULL allowed */

/* Power cycle without an orderly shutdown (kill -9), or with one. */
void swtpm_reset(struct swtpm *s, bool orderly);

/* Only one half of it. */
void swtpm_stop(struct swtpm *s);
void swtpm_start(struct swtpm *s);

/* Runs a shell command with TPM2TOOLS_TCTI set and the state directory as $D; returns its exit
 * code. The TPM serves one client at a time: no context may be open. */
int swtpm_sh(struct swtpm *s, const char *script);

/* The same, with what it prints to stdout. */
int swtpm_sh_out(struct swtpm *s, const char *script, char *out, size_t size);

#endif
