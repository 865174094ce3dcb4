/* SPDX-License-Identifier: MIT */
/*
 * The file in which release 1.1 looks for its last assignment, so that it finds its hub again when
 * somebody goes back to it. It then makes new keys of its own: ours cannot be had by it. Worker
 * thread (blocking).
 */
#ifndef PROVISIONING_BACKUP_H
#define PROVISIONING_BACKUP_H

#include "base/error.h"
#include "provisioning/provisioning.h"

#define BACKUP_FILE "provisioning_backup.json" /* in {homedir}/cache */

/* Writes device_id and hub_name, unless the file says so already. */
enum edge_code backup_write(const char *homedir, const struct provisioning_result *r,
                            struct edge_error *err) EDGE_NODISCARD;

#endif
