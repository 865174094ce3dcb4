/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL's error queue. Whoever calls the library leaves it empty. Any thread.
 */
#ifndef BASE_OSSL_H
#define BASE_OSSL_H

#include "base/error.h"

#include <stdbool.h>

/* Whether the queue speaks of a shortage of memory. Empties it. */
bool ossl_take_nomem(void);

/* Sets NOMEM when the queue speaks of it, else `code` with `what` and OpenSSL's number. Empties it.
 * Returns what it set. */
enum edge_code ossl_failed(enum edge_code code, const char *what, struct edge_error *err);

#endif
