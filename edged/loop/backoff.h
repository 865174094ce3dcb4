/* SPDX-License-Identifier: MIT */
/*
 * Retry delays: exponential with full jitter (each delay is uniform between min_ms and the current
 * ceiling, which doubles with each failure), beginning at a peer's Retry-After. Pure arithmetic, no
 * timer.
 */
#ifndef LOOP_BACKOFF_H
#define LOOP_BACKOFF_H

#include "base/slice.h"

#include <stdint.h>

struct backoff {
    uint32_t min_ms;   /* no delay below */
    uint32_t start_ms; /* ceiling of the first delay */
    uint32_t max_ms;   /* ceiling of all */
    uint32_t attempt;  /* failures so far */
};

void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t start_ms, uint32_t max_ms);

/* Next delay, ms; counts one failure. retry_after_ms: the peer's wish, 0 for none; the delay comes
 * on top of it. */
uint32_t backoff_next(struct backoff *b, uint32_t retry_after_ms);
void backoff_reset(struct backoff *b);

/* Parses a Retry-After value (RFC 9110 section 10.2.3: seconds or HTTP-date) into ms from now,
 * clamped to max_ms. 0 when absent or malformed. */
uint32_t backoff_retry_after_ms(struct slice value, int64_t now_wall_s, uint32_t max_ms);

/* Test seam: random 32 bits; NULL restores the real source. */
void backoff_set_random(uint32_t (*fn)(void *data), void *data);

#endif
