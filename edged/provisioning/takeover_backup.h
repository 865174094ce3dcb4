/* SPDX-License-Identifier: MIT */
/*
 * The file in which release 1.1 kept what DPS had assigned: JSON with "hub_name" and "device_id",
 * other members count for nothing. Pure.
 */
#ifndef PROVISIONING_TAKEOVER_BACKUP_H
#define PROVISIONING_TAKEOVER_BACKUP_H

#include "base/error.h"
#include "base/slice.h"
#include "provisioning/provisioning.h"

#define TAKEOVER_BACKUP_MAX       8192 /* bytes of the file */
#define TAKEOVER_BACKUP_NODES_MAX 64

struct takeover_backup {
    char hub[PROVISIONING_HUB_MAX + 1];
    char device_id[PROVISIONING_DEVICE_MAX + 1];
};

/* *ret holds names that fit into URLs, file contents and logs. Errors: PARSE, RANGE, NOMEM. */
enum edge_code takeover_backup_decode(struct slice text, struct takeover_backup *ret,
                                      struct edge_error *err) EDGE_NODISCARD;

/* The check of such names, wherever they come from. Errors: PARSE. */
enum edge_code takeover_backup_check(struct slice hub, struct slice device_id,
                                     struct takeover_backup *ret,
                                     struct edge_error *err) EDGE_NODISCARD;

#endif
