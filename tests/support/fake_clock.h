/* SPDX-License-Identifier: MIT */
/*
 * A clock that stands still until told otherwise. Safe to read from any thread.
 */
#ifndef SUPPORT_FAKE_CLOCK_H
#define SUPPORT_FAKE_CLOCK_H

#include <stdint.h>

/* Replaces both clocks; the monotonic one starts at an hour. */
void fake_clock_install(int64_t wall_s);

/* Moves both clocks forward. */
void fake_clock_advance_ms(uint64_t ms);

/* Lets the wall clock jump; the monotonic one stays. */
void fake_clock_set_wall(int64_t wall_s);

/* Back to the real clocks. */
void fake_clock_remove(void);

#endif
