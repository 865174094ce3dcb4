/* SPDX-License-Identifier: MIT */
/*
 * Retry delays.
 */
#include "loop/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint32_t fixed(void *data) {
    return *(uint32_t *)data;
}

/* A full-period generator: the simulation is the same in each run. */
static uint32_t sequence(void *data) {
    uint64_t *x = data;
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*x >> 32);
}

static int tear_down(void **state) {
    (void)state;
    backoff_set_random(NULL, NULL);
    return 0;
}

static void test_ceiling_doubles_up_to_max(void **state) {
    (void)state;
    static const uint32_t ceilings[] = {1000, 2000, 4000, 8000, 10000, 10000};
    uint32_t random = UINT32_MAX;
    struct backoff b;
    backoff_set_random(fixed, &random);
    backoff_init(&b, 100, 1000, 10000);
    for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
        assert_int_equal(backoff_next(&b, 0), ceilings[i]);
    }
    assert_int_equal(b.attempt, 6);
    backoff_reset(&b);
    assert_int_equal(backoff_next(&b, 0), 1000);
    random = 0;
    assert_int_equal(backoff_next(&b, 0), 100);
}

static void test_extremes(void **state) {
    (void)state;
    uint32_t random = UINT32_MAX;
    struct backoff b;
    backoff_set_random(fixed, &random);
    backoff_init(&b, 0, 0, 0);
    assert_int_equal(backoff_next(&b, 0), 0);
    backoff_init(&b, 500, 100, 200); /* floor above the ceiling */
    assert_int_equal(backoff_next(&b, 0), 500);
    backoff_init(&b, 0, UINT32_MAX, UINT32_MAX);
    assert_int_equal(backoff_next(&b, 0), UINT32_MAX);
    assert_int_equal(backoff_next(&b, UINT32_MAX), UINT32_MAX);
    b.attempt = UINT32_MAX; /* as read from a file */
    assert_int_equal(backoff_next(&b, 0), UINT32_MAX);
    assert_int_equal(b.attempt, UINT32_MAX);
}

static void test_delay_begins_at_retry_after(void **state) {
    (void)state;
    uint32_t random = 0;
    struct backoff b;
    backoff_set_random(fixed, &random);
    backoff_init(&b, 100, 1000, 10000);
    assert_int_equal(backoff_next(&b, 30000), 30100);
    random = UINT32_MAX;
    assert_int_equal(backoff_next(&b, 30000), 32000);
    assert_int_equal(backoff_next(&b, 1), 4001);
    assert_int_equal(backoff_next(&b, UINT32_MAX - 1), UINT32_MAX);
}

static void test_distribution(void **state) {
    (void)state;
    enum {
        ROUNDS = 20000,
        BINS = 10
    };
    uint64_t seed = 1;
    uint64_t sum = 0;
    unsigned bins[BINS] = {0};
    backoff_set_random(sequence, &seed);
    for (size_t i = 0; i < ROUNDS; i++) {
        struct backoff b;
        backoff_init(&b, 200, 1000, 60000);
        b.attempt = 3;
        uint32_t delay = backoff_next(&b, 0);
        assert_in_range(delay, 200, 8000);
        sum += delay;
        bins[(delay - 200) * BINS / 7801]++;
    }
    assert_in_range(sum / ROUNDS, 4100 - 80, 4100 + 80);
    for (size_t i = 0; i < BINS; i++) {
        assert_in_range(bins[i], ROUNDS / BINS * 9 / 10, ROUNDS / BINS * 11 / 10);
    }
}

static void test_real_random_varies(void **state) {
    (void)state;
    struct backoff b;
    uint32_t first;
    unsigned same = 0;
    backoff_init(&b, 0, UINT32_MAX, UINT32_MAX);
    first = backoff_next(&b, 0);
    for (size_t i = 0; i < 16; i++) {
        same += backoff_next(&b, 0) == first ? 1 : 0;
    }
    assert_in_range(same, 0, 1);
}

static uint32_t parse(const char *value, int64_t now_s) {
    return backoff_retry_after_ms(slice_str(value), now_s, 3600000);
}

static void test_retry_after_header(void **state) {
    (void)state;
    assert_int_equal(parse("7", 0), 7000);
    assert_int_equal(parse(" 7 ", 0), 7000);
    assert_int_equal(parse("0", 0), 0);
    assert_int_equal(parse("3600", 0), 3600000);
    assert_int_equal(parse("3601", 0), 3600000);
    assert_int_equal(parse("99999999999999999999999999", 0), 3600000);
    assert_int_equal(parse("", 0), 0);
    assert_int_equal(parse("-1", 0), 0);
    assert_int_equal(parse("1.5", 0), 0);
    assert_int_equal(parse("soon", 0), 0);
    assert_int_equal(parse("7 8", 0), 0);
    assert_int_equal(backoff_retry_after_ms(slice_make(NULL, 0), 0, 1000), 0);
    assert_int_equal(backoff_retry_after_ms(SLICE_LIT("5"), 0, 4500), 4500);
    assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 10), 10000);
    assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT", 784111777), 0);
    assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 10), 0);
    assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT", 0), 3600000);
    assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT", INT64_MIN), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_ceiling_doubles_up_to_max, tear_down),
        cmocka_unit_test_teardown(test_extremes, tear_down),
        cmocka_unit_test_teardown(test_delay_begins_at_retry_after, tear_down),
        cmocka_unit_test_teardown(test_distribution, tear_down),
        cmocka_unit_test(test_real_random_varies),
        cmocka_unit_test(test_retry_after_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
