/* SPDX-License-Identifier: MIT */
/*
 * What the process gives up before it touches a key.
 */
#ifndef EDGED_PRIVILEGE_H
#define EDGED_PRIVILEGE_H

#include "base/error.h"

#include <stdbool.h>

/* Refuses to run as root unless allowed, and makes the process undumpable and unable to gain
 * privileges. Errors: DENIED with the mend. */
enum edge_code privilege_harden(bool allow_root, struct edge_error *err) EDGE_NODISCARD;

#endif
