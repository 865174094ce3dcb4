/* SPDX-License-Identifier: MIT */
/*
 * Makes the n-th allocation of our own code, of OpenSSL or of cJSON fail. Linked into every unit
 * test; without effect until armed. Counts the allocations of all threads.
 */
#ifndef SUPPORT_ALLOC_FAIL_H
#define SUPPORT_ALLOC_FAIL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Lets the n-th allocation from now fail (1: the next one), once. */
void alloc_fail_arm(size_t n);

/* Back to normal. True when an allocation has failed since alloc_fail_arm. */
bool alloc_fail_disarm(void);

/* Runs fn once as it is, so that one-time set-up of libraries is done and its memory is not
 * counted; then again and again with allocation 1, 2, 3, ... failing, until a run meets no failure.
 * That run must return EDGE_OK, as must the first; one with a failure may, if it can do without. fn
 * must leave everything as it found it. Fails the cmocka test otherwise, and on leaks when
 * LeakSanitizer is in. Returns the number of allocations that failed. */
size_t alloc_fail_torture(enum edge_code (*fn)(void *data), void *data);

/* For libraries that take an allocator (uv_replace_allocator, curl_global_init_mem): the same
 * count. */
void *alloc_fail_malloc(size_t size);
void *alloc_fail_calloc(size_t cnt, size_t size);
void *alloc_fail_realloc(void *ptr, size_t size);
char *alloc_fail_strdup(const char *text);

#endif
