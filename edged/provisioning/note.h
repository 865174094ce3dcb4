/* SPDX-License-Identifier: MIT */
/*
 * What is worth telling about the state on disk although things go on: sentences for the log,
 * gathered on the worker thread.
 */
#ifndef PROVISIONING_NOTE_H
#define PROVISIONING_NOTE_H

#include "base/checked.h"

/* Adds a sentence to a note of that size, after "; " when it is not the first. */
void note_add(char *note, size_t size, const char *text, const char *detail);

/* checked_read, for a file without which things go on: when it is missing or damaged, *ret is as it
 * was, and the note names the damage. Errors: DENIED, IO, NOMEM. */
enum edge_code note_read(int dirfd, const char *name, size_t max, checked_decode_fn *decode,
                         void *ret, char *note, size_t note_size,
                         struct edge_error *err) EDGE_NODISCARD;

#endif
