/* SPDX-License-Identifier: MIT */
/*
 * Allocator that wipes what it frees, for a library that copies our tokens and bodies into memory
 * of its own. Blocks are the C library's. Any thread.
 */
#ifndef LOOP_WIPE_H
#define LOOP_WIPE_H

#include <stdbool.h>
#include <stddef.h>

void *wipe_malloc(size_t size);
void *wipe_calloc(size_t cnt, size_t size);
void *wipe_realloc(void *p, size_t size);
char *wipe_strdup(const char *text);
void wipe_free(void *p);

/* Whether memory has ever been short: tells a real shortage from a limit of the library's own. */
bool wipe_has_failed(void);

#endif
