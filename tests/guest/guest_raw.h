/* SPDX-License-Identifier: MIT */
/*
 * The TPM as another program sees it: a connection of its own, without our HSM layer. Fails the
 * cmocka test when something does not work.
 */
#ifndef GUEST_RAW_H
#define GUEST_RAW_H

#include <stddef.h>

struct raw_counts {
    size_t transient; /* objects loaded, of all programs where no resource manager hides them */
    size_t sessions;  /* loaded and saved, of all programs */
};

/* What is in the TPM now. */
struct raw_counts raw_count(const char *tcti);

/* TPM2_Clear by the lockout hierarchy, whose password is empty. */
void raw_clear(const char *tcti);

/* Makes keys until the TPM has no slot for another one, and leaves them there. */
void raw_fill(const char *tcti);

/* Flushes every transient object. */
void raw_flush(const char *tcti);

#endif
