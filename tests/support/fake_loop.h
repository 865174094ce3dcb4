/* SPDX-License-Identifier: MIT */
/*
 * The loop, its timers and the worker without threads or time: a test says when things happen.
 * Linked in place of loop.c and worker.c; the op table is the real one.
 */
#ifndef SUPPORT_FAKE_LOOP_H
#define SUPPORT_FAKE_LOOP_H

#include "loop/loop.h"
#include "loop/worker.h"

#include <stdbool.h>
#include <stdint.h>

/* Fresh state; the clock starts at FAKE_LOOP_WALL_S and is installed with clock_set_source. */
#define FAKE_LOOP_WALL_S 1700000000
void fake_loop_init(void);

/* Restores the clock and asserts that nothing is left over. */
void fake_loop_clear(void);

struct loop *fake_loop(void);
struct worker *fake_worker(void);

/* Runs one thing that is due: a post, a worker job, a job's completion, something of the pump.
 * False when there is none. */
bool fake_loop_step(void);

/* Steps until there is nothing left. */
void fake_loop_run(void);

/* Fires one timer that is due now; false when there is none. */
bool fake_loop_fire(void);

/* Moves the clock, firing timers as they become due, and runs what follows from them. */
void fake_loop_advance(uint64_t ms);

/* Lets the wall clock jump. */
void fake_loop_jump_wall(int64_t s);

/* A further source of events, such as the fake HTTP client: delivers one and returns true, or
 * false. */
void fake_loop_set_pump(bool (*pump)(void *data), void *data);

/* While held, jobs stay queued. */
void fake_worker_hold(bool hold);

/* The next submissions fail with this code; OK ends it. */
void fake_worker_fail(enum edge_code code);

unsigned fake_loop_active_timers(void);
uint64_t fake_loop_next_timer_ms(
    void); /* delay of the earliest active timer, 0 when there is none */

#endif
