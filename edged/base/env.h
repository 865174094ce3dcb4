/* SPDX-License-Identifier: MIT */
/*
 * Access to the environment, the only place that calls getenv.
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stdbool.h>

#define ENV_NAME_MAX 255 /* bytes */

/* Value or NULL; NULL too in set-user-id programs. Borrowed, valid until the environment changes.
 */
const char *env_get(const char *name);

/* Calls fn for each NAME=VALUE with a name of at most ENV_NAME_MAX bytes; stops when fn returns
 * false. */
void env_each(bool (*fn)(void *data, const char *name, const char *value), void *data);

/* Takes away what makes libraries write session keys, passwords and TPM traffic to a file or to
 * stderr. For the beginning of main. */
void env_drop_debug(void);

#endif
