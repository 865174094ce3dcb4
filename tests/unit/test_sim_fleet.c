/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand devices of this policy and one provisioning service: what it sees in each minute
 * after a power outage, after an outage of its own, and when all devices are new. No minute after
 * the first may see more than the stated multiple of the quota, and no second a crowd.
 */
#include "config/config_schema.h"
#include "support/sim_fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

static struct fleet_result result;

static struct fleet_count sum(unsigned from_s, unsigned to_s, unsigned *ret_peak) {
    struct fleet_count c = {0};
    *ret_peak = 0;
    for (unsigned s = from_s; s < to_s && s < FLEET_SECONDS; s++) {
        const struct fleet_count *one = &result.seconds[s];
        c.asked += one->asked;
        c.accepted += one->accepted;
        c.refused += one->refused;
        *ret_peak = one->asked > *ret_peak ? one->asked : *ret_peak;
    }
    return c;
}

/* By the minute at first, then coarser. */
static void print_table(const char *title, unsigned from_s) {
    print_message("%s (quota %u a minute)\n", title, FLEET_QUOTA);
    print_message("   minutes  requests  accepted  refused  busiest minute  busiest second\n");
    for (unsigned s = from_s, next; s <= result.last_s; s = next) {
        unsigned peak, in_minute = 0;
        next = s + (s - from_s < 600 ? 60 : s - from_s < 3600 ? 600 : 3600);
        for (unsigned m = s; m < next; m += 60) {
            struct fleet_count c = sum(m, m + 60, &peak);
            in_minute = c.asked > in_minute ? c.asked : in_minute;
        }
        struct fleet_count c = sum(s, next, &peak);
        print_message("  %3u - %-3u %8u  %8u  %7u  %14u  %14u\n", (s - from_s) / 60,
                      (next - from_s) / 60, c.asked, c.accepted, c.refused, in_minute, peak);
    }
    print_message("  %u registered after %u s; %u came before they were asked to\n",
                  result.registered, result.last_s - from_s, result.early);
}

/* What holds after the first minute, in which nobody knows of the others. */
static void expect_calm(unsigned from_s, unsigned per_minute_max, unsigned per_second_max) {
    unsigned peak;
    for (unsigned s = from_s + 60; s < FLEET_SECONDS; s += 60) {
        assert_true(sum(s, s + 60, &peak).asked <= per_minute_max);
        assert_true(peak <= per_second_max);
    }
}

static void expect_all_by(unsigned second) {
    assert_int_equal(result.registered, FLEET_DEVICES);
    assert_true(result.last_s <= second);
    assert_int_equal(result.early, 0);
}

static uint32_t default_spread_s(void) {
    return (uint32_t)strtoul(config_schema_find("provisioning.startup_spread")->def, NULL, 10);
}

/* A region loses power; all devices start within a minute, with a saved identity and the
 * configuration's default. */
static void test_power_outage(void **unused) {
    (void)unused;
    const struct fleet_options o = {.saved = true, .spread_s = default_spread_s(), .seed = 1};
    fleet_run(&o, &result);
    print_table("10000 devices after a power outage", 0);
    for (unsigned s = 0; s < FLEET_SECONDS; s++) {
        assert_int_equal(result.seconds[s].refused, 0);
    }
    expect_calm(0, FLEET_QUOTA, 5 * FLEET_QUOTA / 60);
    expect_all_by(o.spread_s + 60 + 5);
}

/* The service cannot be reached for two hours after devices without an identity have started. */
static void test_service_outage(void **unused) {
    (void)unused;
    const struct fleet_options o = {.outage_s = 2 * 60 * 60, .seed = 2};
    fleet_run(&o, &result);
    print_table("10000 new devices after two hours without the service", o.outage_s);
    expect_calm(o.outage_s - 60, FLEET_QUOTA, 5 * FLEET_QUOTA / 60);
    expect_all_by(o.outage_s + 35 * 60);
}

/* The same with saved identities: nobody waits, so the pauses have grown longer. */
static void test_service_outage_saved(void **unused) {
    (void)unused;
    const struct fleet_options o = {
        .saved = true, .spread_s = default_spread_s(), .outage_s = 2 * 60 * 60, .seed = 5};
    fleet_run(&o, &result);
    print_table("10000 devices with an identity after two hours without the service", o.outage_s);
    expect_calm(o.outage_s - 60, FLEET_QUOTA, 5 * FLEET_QUOTA / 60);
    expect_all_by(o.outage_s + 4 * 60 * 60 + 60);
}

/* Devices without an identity start within a minute: ten times the quota, and the refused are told
 * one moment to come again. */
static void test_new_devices(void **unused) {
    (void)unused;
    const struct fleet_options o = {.seed = 3};
    fleet_run(&o, &result);
    print_table("10000 new devices at once", 0);
    expect_calm(0, 4 * FLEET_QUOTA, 8 * FLEET_QUOTA / 60);
    expect_all_by(45 * 60);
}

static void test_new_devices_told_nothing(void **unused) {
    (void)unused;
    const struct fleet_options o = {.no_retry_after = true, .seed = 4};
    fleet_run(&o, &result);
    print_table("10000 new devices at once, no Retry-After", 0);
    expect_calm(0, 4 * FLEET_QUOTA, 8 * FLEET_QUOTA / 60);
    expect_all_by(45 * 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_outage),
        cmocka_unit_test(test_service_outage),
        cmocka_unit_test(test_service_outage_saved),
        cmocka_unit_test(test_new_devices),
        cmocka_unit_test(test_new_devices_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
