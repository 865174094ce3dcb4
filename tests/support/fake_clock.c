/* SPDX-License-Identifier: MIT */
/*
 * A clock for tests. The wall clock is kept as an offset to the monotonic one, so that both advance
 * in one step.
 */
#include "support/fake_clock.h"

#include "base/clock.h"

#include <stdatomic.h>

#define START_US 3600000000u

static _Atomic uint64_t mono_us;
static _Atomic int64_t wall_at_zero_us;

static uint64_t read_mono(void *data) {
    (void)data;
    return atomic_load(&mono_us);
}

static int64_t read_wall(void *data) {
    (void)data;
    int64_t us = atomic_load(&wall_at_zero_us) + (int64_t)atomic_load(&mono_us);
    return us >= 0 ? us / 1000000 : -((-us + 999999) / 1000000);
}

void fake_clock_install(int64_t wall_s) {
    static const struct clock_source source = {.mono_us = read_mono, .wall_s = read_wall};
    atomic_store(&mono_us, START_US);
    fake_clock_set_wall(wall_s);
    clock_set_source(&source);
}

void fake_clock_advance_ms(uint64_t ms) {
    atomic_fetch_add(&mono_us, ms * 1000);
}

void fake_clock_set_wall(int64_t wall_s) {
    atomic_store(&wall_at_zero_us, wall_s * 1000000 - (int64_t)atomic_load(&mono_us));
}

void fake_clock_remove(void) {
    clock_set_source(0);
}
