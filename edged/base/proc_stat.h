/* SPDX-License-Identifier: MIT */
/*
 * The one field of /proc/PID/stat (proc(5)) that we need. Pure.
 */
#ifndef BASE_PROC_STAT_H
#define BASE_PROC_STAT_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Start time in clock ticks after boot, which together with its number names a process. False when
 * the text is malformed or cut before the end of the field. */
bool proc_stat_start_time(struct slice text, uint64_t *ret);

#endif
