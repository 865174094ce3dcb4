/* SPDX-License-Identifier: MIT */
/*
 * Becoming the user whose files the daemon works on. A command that root runs while the daemon is
 * down must leave no file behind that the daemon cannot read.
 */
#ifndef CLI_OWNER_H
#define CLI_OWNER_H

#include "base/error.h"

/* For good: user, groups and all, of the owner of HOMEDIR/edged, or of HOMEDIR while that is not
 * there. Errors: DENIED when we are neither the owner nor root, NOT_FOUND without HOMEDIR; the
 * texts name the mend. CONFLICT when the folder's owner is neither that of HOMEDIR nor the choice
 * of root: root must not be led to the files of a third. */
enum edge_code owner_become(const char *homedir, struct edge_error *err) EDGE_NODISCARD;

#endif
