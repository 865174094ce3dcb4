/* SPDX-License-Identifier: MIT */
/*
 * Which hub or enrollment a key is for, and the lines of config.yaml that use it. Pure.
 */
#ifndef CLI_KEY_TARGET_H
#define CLI_KEY_TARGET_H

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"
#include "provisioning/key_label.h"

#include <stdbool.h>

#define KEY_TARGET_PART_MAX 261 /* a host name with a port */

/* As given on the command line; NULL where not given. */
struct key_target_options {
    const char *hub, *device;
    const char *scope, *registration_id;
};

struct key_target {
    bool is_dps;
    char first[KEY_TARGET_PART_MAX + 1];  /* hub, or ID scope */
    char second[KEY_TARGET_PART_MAX + 1]; /* device id, or registration id */
    char text[KEY_LABEL_TARGET_MAX + 1];  /* as in key_label.h */
};

/* By the options, or by the configuration (NULL: none) when there are none. Errors: INVALID with
 * what is missing or too much, RANGE. */
enum edge_code key_target_choose(const struct key_target_options *o, const struct edge_config *cfg,
                                 struct key_target *ret, struct edge_error *err) EDGE_NODISCARD;

/* Appends the provisioning section that uses the key without holding it. cfg gives the endpoint. */
enum edge_code key_target_lines(const struct key_target *t, const struct edge_config *cfg,
                                struct buf *out, struct edge_error *err) EDGE_NODISCARD;

#endif
