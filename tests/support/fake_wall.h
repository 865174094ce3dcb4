/* SPDX-License-Identifier: MIT */
/*
 * Stand-in for loop/wall.h: the test says what is known of the clock. Linked in place of wall.c;
 * the clock itself is that of base/clock.h.
 */
#ifndef SUPPORT_FAKE_WALL_H
#define SUPPORT_FAKE_WALL_H

#include "loop/wall.h"

#include <stdint.h>

/* PLAUSIBLE, no listeners, no hints. Freed with wall_free; out of memory ends the test. */
struct wall *fake_wall_new(void);

/* offset_s counts with WALL_CORRECTED only. Tells the listeners at once. */
void fake_wall_set(struct wall *w, enum wall_state state, int64_t offset_s);

/* Hints given so far, and the last of them. */
unsigned fake_wall_hint_cnt(const struct wall *w);
int64_t fake_wall_last_hint(const struct wall *w);

#endif
