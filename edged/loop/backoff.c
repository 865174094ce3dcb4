/* SPDX-License-Identifier: MIT */
/*
 * Jitter is drawn over the whole range between the floor and the ceiling, so that a fleet of
 * devices that lost the same peer at the same moment does not come back at the same moment. A
 * peer's wish is often one moment for all: the drawn delay begins there.
 */
#include "loop/backoff.h"

#include "base/clock.h"

#include <stdbool.h>
#include <sys/random.h>

static uint32_t (*random_fn)(void *data);
static void *random_data;

void backoff_set_random(uint32_t (*fn)(void *data), void *data) {
    random_fn = fn;
    random_data = data;
}

static uint32_t backoff_random(void) {
    if (random_fn != NULL) {
        return random_fn(random_data);
    }
    uint32_t value = 0;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) == (ssize_t)sizeof(value)) {
        return value;
    }
    /* Before the kernel's pool is ready: spread, not secrecy, is what jitter needs. */
    return (uint32_t)((clock_mono_us() * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* Uniform in 0..span. */
static uint32_t backoff_draw(uint32_t span) {
    return (uint32_t)((backoff_random() * ((uint64_t)span + 1)) >> 32);
}

void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t start_ms, uint32_t max_ms) {
    *b = (struct backoff){.min_ms = min_ms, .start_ms = start_ms, .max_ms = max_ms, .attempt = 0};
}

static uint32_t backoff_ceiling(const struct backoff *b) {
    uint64_t ceiling = b->start_ms;
    for (uint32_t i = 0; i < b->attempt && ceiling != 0 && ceiling < b->max_ms; i++) {
        ceiling *= 2;
    }
    return ceiling < b->max_ms ? (uint32_t)ceiling : b->max_ms;
}

uint32_t backoff_next(struct backoff *b, uint32_t retry_after_ms) {
    uint32_t ceiling = backoff_ceiling(b);
    if (b->attempt < UINT32_MAX) {
        b->attempt++;
    }
    uint32_t delay = b->min_ms;
    if (ceiling > b->min_ms) {
        delay += backoff_draw(ceiling - b->min_ms);
    }
    return delay > UINT32_MAX - retry_after_ms ? UINT32_MAX : delay + retry_after_ms;
}

void backoff_reset(struct backoff *b) {
    b->attempt = 0;
}

static bool backoff_is_digits(struct slice value) {
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return false;
        }
    }
    return value.len > 0;
}

uint32_t backoff_retry_after_ms(struct slice value, int64_t now_wall_s, uint32_t max_ms) {
    value = slice_trim(value);
    uint64_t seconds = 0;
    int64_t at_s = 0;
    if (backoff_is_digits(value)) {
        if (!slice_parse_u64(value, UINT32_MAX, &seconds)) {
            return max_ms;
        }
    } else if (clock_parse_http(value, &at_s)) {
        int64_t diff = 0;
        if (__builtin_sub_overflow(at_s, now_wall_s, &diff) || diff <= 0) {
            return 0;
        }
        seconds = (uint64_t)diff;
    }
    return seconds > max_ms / 1000 ? max_ms : (uint32_t)(seconds * 1000);
}
