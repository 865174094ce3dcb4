/* SPDX-License-Identifier: MIT */
/*
 * The condition of a device whose daemon does not run, as far as its files tell.
 */
#ifndef CLI_OFFLINE_H
#define CLI_OFFLINE_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"

/* Appends the report of provisioning/report.h. Changes nothing: damaged files are named, not set
 * aside. why: note of the report. Errors: DENIED when the files are not for this user, IO, NOMEM.
 */
enum edge_code offline_report(const struct edge_config *cfg, const char *why, struct buf *out,
                              struct edge_error *err) EDGE_NODISCARD;

#endif
