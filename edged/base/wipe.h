/* SPDX-License-Identifier: MIT */
/*
 * Allocator that wipes what it frees, for libraries that copy keys, tokens and bodies into memory
 * of their own. Blocks are the C library's. Any thread.
 */
#ifndef BASE_WIPE_H
#define BASE_WIPE_H

#include <stdbool.h>
#include <stddef.h>

void *wipe_malloc(size_t size);
void *wipe_calloc(size_t cnt, size_t size);
void *wipe_realloc(void *p, size_t size);
char *wipe_strdup(const char *text);
void wipe_free(void *p);

/* Makes it OpenSSL's: what its readers of keys give back keeps them otherwise. False when OpenSSL
 * has taken memory already; the first thing in a program. */
bool wipe_openssl(void);

/* Whether memory has ever been short: tells a real shortage from a limit of the library's own. */
bool wipe_has_failed(void);

#endif
