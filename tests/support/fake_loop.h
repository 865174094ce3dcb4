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

/* Runs posts and worker jobs until there are none. */
void fake_loop_run(void);

/* Moves the clock, firing timers as they become due, and runs what follows from them. */
void fake_loop_advance(uint64_t ms);

/* While held, jobs stay queued. */
void fake_worker_hold(bool hold);

/* The next submissions fail with this code; OK ends it. */
void fake_worker_fail(enum edge_code code);

unsigned fake_loop_active_timers(void);
uint64_t fake_loop_next_timer_ms(
    void); /* delay of the earliest active timer, 0 when there is none */

#endif
