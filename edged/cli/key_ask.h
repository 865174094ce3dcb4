/* SPDX-License-Identifier: MIT */
/*
 * Asking the running daemon about an imported key.
 */
#ifndef CLI_KEY_ASK_H
#define CLI_KEY_ASK_H

#include "base/error.h"
#include "base/secret.h"
#include "cli/key_target.h"
#include "config/config.h"

/* Imports the key or, NULL, removes that of the target. Errors as ask_daemon. */
enum edge_code key_ask(const struct edge_config *cfg, const struct key_target *t,
                       const struct secret *key, struct edge_error *err) EDGE_NODISCARD;

#endif
