/* SPDX-License-Identifier: MIT */
/*
 * The daemon as a whole: builds the subsystems in order, introduces them to each other, runs, and
 * takes them down in reverse.
 */
#ifndef EDGED_DAEMON_H
#define EDGED_DAEMON_H

#include "base/error.h"
#include "config/config.h"

/* Runs until SIGTERM, SIGINT or SIGPWR, or until edgeAgent cannot be kept running as often as
 * watchdog.max_retries says. Returns OK after an orderly stop, *ret_status is then the exit code.
 * cfg is borrowed; a key in it is wiped once the key store has it. Errors: CONFIG, IO, DENIED,
 * NOMEM while starting; later faults are states, not ends. */
enum edge_code daemon_run(struct edge_config *cfg, int *ret_status,
                          struct edge_error *err) EDGE_NODISCARD;

#endif
