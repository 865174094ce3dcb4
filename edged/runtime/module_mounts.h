/* SPDX-License-Identifier: MIT */
/*
 * What a module has mounted.
 */
#ifndef RUNTIME_MODULE_MOUNTS_H
#define RUNTIME_MODULE_MOUNTS_H

#include <stdbool.h>

struct cJSON;

/* Whether this file of the host is among them. The engine tells of mounts by path; a path that
 * leads to the same file by another way, as /var/run does to /run, counts as well. `mounts` is that
 * of struct runtime_module, and may be NULL. */
bool module_mounts_have(const struct cJSON *mounts, const char *path);

#endif
