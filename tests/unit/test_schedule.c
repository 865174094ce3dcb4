/* SPDX-License-Identifier: MIT */
/*
 * Pauses between contacts: across failures, restarts, wishes and steps of the clock.
 */
#include "loop/backoff.h"
#include "support/alloc_fail.h"
#include "support/provisioning_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_failures_back_off_and_the_services_wish_counts(void **unused) {
    (void)unused;
    policy_open();
    uint64_t last = 0;
    for (int i = 0; i < 12; i++) {
        policy_fail(SOURCE_TRANSIENT, 0);
        uint64_t delay = fake_loop_next_timer_ms();
        assert_true(delay >= last);
        assert_true(delay <= 30 * 60 * 1000);
        last = delay;
        fake_loop_advance(delay);
    }
    assert_true(last > 10 * 60 * 1000);
    policy_fail(SOURCE_TRANSIENT, 2 * 60 * 60 * 1000);
    assert_true(fake_loop_next_timer_ms() >= 2 * 60 * 60 * 1000);
    assert_int_equal(policy_status()->state, PROVISIONING_WAITING);
    assert_string_equal(policy_status()->last_error.text, "no route");
    assert_true(policy_status()->next_try_wall_s > FAKE_LOOP_WALL_S);
}

static uint32_t lowest(void *data) {
    (void)data;
    return 0;
}

/* The test's dice fall high: the range of the first pause shows. */
static void test_return_to_a_throttled_service_is_spread(void **unused) {
    (void)unused;
    struct source_outcome o = {.verdict = SOURCE_TRANSIENT, .is_throttled = true};
    policy_open();
    policy_answer(&o);
    assert_in_range(fake_loop_next_timer_ms(), 6 * 60 * 1000 - 1, 6 * 60 * 1000);
    fake_loop_advance(fake_loop_next_timer_ms());
    o.retry_after_ms = 10000; /* its wish is kept, and the pauses grow */
    policy_answer(&o);
    assert_in_range(fake_loop_next_timer_ms(), 170000 - 1, 170000);
    fake_loop_advance(fake_loop_next_timer_ms());
    backoff_set_random(lowest, NULL);
    policy_answer(&o);
    assert_in_range(fake_loop_next_timer_ms(), 10000, 13000);
}

static void test_refusal_is_retried_rarely(void **unused) {
    (void)unused;
    policy_open();
    policy_fail(SOURCE_REFUSED, 0);
    assert_true(fake_loop_next_timer_ms() >= 30000);
}

static void test_success_resets_the_delays(void **unused) {
    (void)unused;
    policy_open();
    for (int i = 0; i < 8; i++) {
        policy_fail(SOURCE_TRANSIENT, 0);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    policy_assign("a.example", 1);
    struct edge_error why = {0};
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, env.serial, &why);
    assert_true(fake_loop_next_timer_ms() <= 60000); /* the pause after the registration */
}

/* --- Pauses --- */

static void test_restart_loop_does_not_hammer(void **unused) {
    (void)unused;
    unsigned asked = 0;
    policy_open();
    asked += src.starts;
    for (int i = 0; i < 100; i++) {
        policy_restart(); /* killed while asking, each time */
        asked += src.starts;
        fake_loop_advance(5000);
    }
    assert_true(asked <= 10); /* 500 seconds */
}

static void test_pause_after_a_success_holds_across_a_restart(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    policy_restart();
    assert_int_equal(src.starts, 0);
    assert_int_equal(policy_status()->state, PROVISIONING_ASSIGNED);
    assert_string_equal(policy_status()->next_why, "start-up");
    assert_int_equal(policy_status()->next_try_wall_s, FAKE_LOOP_WALL_S + 60);
    fake_loop_advance(60000);
    assert_int_equal(src.starts, 1);
}

static void test_services_wish_holds_across_a_restart(void **unused) {
    (void)unused;
    policy_open();
    policy_fail(SOURCE_TRANSIENT, 3600 * 1000);
    policy_restart();
    assert_int_equal(src.starts, 0);
    assert_string_equal(policy_status()->last_error.text, "no route");
    provisioning_ask(env.p, "an operator asked"); /* he too waits for it */
    assert_int_equal(src.starts, 0);
    fake_loop_advance(3599 * 1000);
    assert_int_equal(src.starts, 0);
    fake_loop_advance(1000 + 360 * 1000);
    assert_int_equal(src.starts, 1);
}

/* Also when it ends within a second: the file knows whole ones only. */
static void test_kept_pause_loses_no_fraction_of_a_second(void **unused) {
    (void)unused;
    policy_open();
    backoff_set_random(lowest, NULL);
    policy_fail(SOURCE_TRANSIENT, 12900);
    uint64_t pause = fake_loop_next_timer_ms();
    assert_true(pause >= 12900 && pause % 1000 != 0);
    policy_restart();
    fake_loop_advance(pause - 1);
    assert_int_equal(src.starts, 0);
    fake_loop_advance(2001);
    assert_int_equal(src.starts, 1);
}

static void test_changed_configuration_does_not_wait_for_the_old_ones_pause(void **unused) {
    (void)unused;
    policy_open();
    for (int i = 0; i < 8; i++) {
        policy_fail(SOURCE_REFUSED, 0);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    policy_fail(SOURCE_REFUSED, 0);
    assert_true(fake_loop_next_timer_ms() > 3600 * 1000);
    env.cfg.provisioning.scope_id = (char *)"0ne22222222";
    policy_restart();
    assert_int_equal(src.starts, 1);
}

static void test_backoff_goes_on_after_a_restart(void **unused) {
    (void)unused;
    policy_open();
    for (int i = 0; i < 6; i++) {
        policy_fail(SOURCE_TRANSIENT, 0);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    policy_fail(SOURCE_TRANSIENT, 0);
    uint64_t before = fake_loop_next_timer_ms();
    fake_loop_advance(before);
    policy_restart();
    fake_loop_advance(60000);
    assert_int_equal(src.starts, 1);
    policy_fail(SOURCE_TRANSIENT, 0);
    assert_true(fake_loop_next_timer_ms() >= before);
}

static void test_first_contact_is_spread(void **unused) {
    (void)unused;
    env.cfg.provisioning.startup_spread_s = 300;
    policy_open();
    policy_assign("a.example", 1);
    fake_loop_advance(3600 * 1000);
    policy_restart();
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 0);
    assert_true(fake_loop_next_timer_ms() > 60000);
    assert_true(fake_loop_next_timer_ms() <= 300 * 1000);
    env.cfg.provisioning.scope_id = (char *)"0ne33333333";
    policy_restart(); /* changed inputs are asked for at once */
    assert_int_equal(src.starts, 1);
}

static void test_operators_wish_goes_before_our_own_pause(void **unused) {
    (void)unused;
    policy_open();
    for (int i = 0; i < 6; i++) {
        policy_fail(SOURCE_REFUSED, 0);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    policy_fail(SOURCE_REFUSED, 0);
    unsigned before = src.starts;
    fake_loop_advance(60000);
    assert_int_equal(src.starts, before);
    provisioning_ask(env.p, "an operator asked");
    assert_int_equal(src.starts, before + 1);
    provisioning_ask(env.p, "an operator asked"); /* it is under way */
    assert_int_equal(src.starts, before + 1);
    assert_true(src.base.renew);
}

/* A key may have come since the run looked for one. */
static void test_wish_during_a_registration_is_followed_after_it(void **unused) {
    (void)unused;
    policy_open();
    assert_int_equal(src.starts, 1);
    provisioning_ask(env.p, "a key was imported");
    assert_int_equal(src.starts, 1);
    policy_assign("a.example", 1);
    assert_int_equal(src.starts, 1); /* not at once: the service has just been asked */
    assert_string_equal(policy_status()->next_why, "a key was imported");
    fake_loop_advance(60000);
    assert_int_equal(src.starts, 2);
    assert_true(src.base.renew);
    policy_assign("a.example", 1);
    assert_int_equal(fake_loop_active_timers(), 0); /* once */
    fake_loop_advance(60000);
    provisioning_ask(env.p, "an operator asked");
    provisioning_ask(env.p, "a key was imported");
    policy_fail(SOURCE_REFUSED, 0);
    assert_in_range(fake_loop_next_timer_ms(), 1, 60000);
}

static void on_preview(void *data, const struct provisioning_preview *preview) {
    (void)data;
    assert_int_equal(preview->err.code, EDGE_OK);
}

static void test_wish_during_a_dry_run_is_followed_after_it(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    fake_loop_advance(60000);
    assert_int_equal(provisioning_preview(env.p, on_preview, NULL, NULL), EDGE_OK);
    provisioning_ask(env.p, "a key was imported");
    assert_int_equal(src.starts, 1);
    policy_assign("a.example", 1); /* answers the dry run */
    assert_int_equal(src.starts, 2);
    policy_assign("a.example", 1);
    assert_int_equal(fake_loop_active_timers(), 0);
}

/* Each try that needs the TPM would begin its lockout anew. */
static void test_wish_does_not_disturb_a_tpm_in_lockout(void **unused) {
    (void)unused;
    struct source_outcome o = {.verdict = SOURCE_LOCAL, .key_store = HSM_STATE_LOCKOUT};
    (void)edge_set(&o.err, EDGE_HSM, "the TPM is in lockout");
    policy_open();
    for (int i = 0; i < 8; i++) {
        policy_answer(&o);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    policy_answer(&o);
    uint64_t pause = fake_loop_next_timer_ms();
    unsigned before = src.starts;
    assert_true(pause > 3600 * 1000);
    fake_loop_advance(120000);
    provisioning_ask(env.p, "an operator asked");
    assert_int_equal(src.starts, before);
    fake_loop_advance(pause - 120000 - 1);
    assert_int_equal(src.starts, before);
    fake_loop_advance(1001);
    assert_int_equal(src.starts, before + 1);
    o.key_store = HSM_STATE_BUSY;
    policy_answer(&o);
    fake_loop_advance(1);
    provisioning_ask(env.p, "an operator asked");
    fake_loop_advance(60000);
    assert_int_equal(src.starts, before + 2);
}

/* edgeAgent of a disabled device asks every minute, for days. */
static void test_suggestions_do_not_hammer(void **unused) {
    (void)unused;
    policy_open();
    policy_fail(SOURCE_REFUSED, 0);
    fake_loop_advance(60000);
    unsigned before = src.starts;
    provisioning_suggest(env.p, "edgeAgent asked for it");
    assert_int_equal(src.starts, before + 1);
    for (int minute = 0; minute < 24 * 60; minute++) {
        if (src.done != NULL) {
            policy_fail(SOURCE_REFUSED, 0);
        }
        fake_loop_advance(60000);
        provisioning_suggest(env.p, "edgeAgent asked for it");
    }
    assert_in_range(src.starts - before, 24, 70);
}

/* --- The clock --- */

static void test_clock_not_known_yet(void **unused) {
    (void)unused;
    world.wall.state = WALL_UNKNOWN;
    policy_open();
    assert_int_equal(src.starts, 0);
    assert_int_equal(policy_status()->state, PROVISIONING_CLOCK);
    assert_non_null(strstr(policy_status()->next_why, "1970"));
    world_set_wall(WALL_PLAUSIBLE, 0);
    fake_loop_run();
    assert_int_equal(src.starts, 1);
}

static void test_clock_found_wrong_after_all(void **unused) {
    (void)unused;
    world.wall.state = WALL_UNKNOWN;
    policy_open();
    assert_int_equal(src.starts, 0);
    world_set_wall(WALL_WRONG, 0);
    fake_loop_run();
    assert_int_equal(src.starts, 1); /* the service may tell the time */
    policy_fail(SOURCE_CLOCK, 0);
    world_set_wall(WALL_WRONG, 0);
    fake_loop_run();
    assert_int_equal(src.starts, 1);
    assert_int_equal(policy_status()->state, PROVISIONING_CLOCK);
}

static void test_wrong_clock_is_waited_for(void **unused) {
    (void)unused;
    world.wall.state = WALL_WRONG;
    policy_open();
    assert_int_equal(src.starts, 1); /* the service may tell the time */
    policy_fail(SOURCE_CLOCK, 0);
    assert_int_equal(policy_status()->state, PROVISIONING_CLOCK);
    assert_non_null(strstr(policy_status()->next_why, "time service"));
    world_set_wall(WALL_SYNCED, 0);
    fake_loop_run();
    assert_int_equal(src.starts, 2);
    policy_assign("a.example", 1);
    assert_int_equal(policy_status()->state, PROVISIONING_ASSIGNED);
}

/* In 1970 no certificate is valid yet: what failed then is tried again once the time is right. */
static void test_what_failed_under_a_wrong_clock_is_tried_again(void **unused) {
    (void)unused;
    world.wall.state = WALL_WRONG;
    policy_open();
    policy_fail(SOURCE_REFUSED, 0);
    assert_int_equal(policy_status()->state, PROVISIONING_WAITING);
    world_set_wall(WALL_SYNCED, 0);
    fake_loop_run();
    assert_int_equal(src.starts, 2);
    policy_fail(SOURCE_REFUSED, 0);
    world_set_wall(WALL_SYNCED, 0);
    fake_loop_run();
    assert_int_equal(src.starts, 2);
}

static void test_pauses_follow_a_step_of_the_clock(void **unused) {
    (void)unused;
    policy_open();
    policy_fail(SOURCE_TRANSIENT, 600 * 1000);
    fake_loop_advance(300 * 1000);
    uint64_t left = fake_loop_next_timer_ms();
    fake_loop_jump_wall(86400);
    world_set_wall(WALL_PLAUSIBLE, 0);
    fake_loop_run();
    assert_true(fake_loop_next_timer_ms() >= left && fake_loop_next_timer_ms() <= left + 1);
    assert_int_equal(policy_status()->next_try_wall_s,
                     FAKE_LOOP_WALL_S + 300 + 86400 + (int64_t)(left / 1000));
    fake_loop_jump_wall(-10 * 86400);
    world_set_wall(WALL_PLAUSIBLE, 0);
    fake_loop_run();
    policy_restart(); /* what is on disk has moved along */
    assert_true(fake_loop_next_timer_ms() <= left + 1000);
}

static void test_services_wish_holds_when_the_clock_comes_right(void **unused) {
    (void)unused;
    world.wall.state = WALL_WRONG;
    policy_open();
    policy_fail(SOURCE_TRANSIENT, 600 * 1000);
    world_set_wall(WALL_SYNCED, 0);
    fake_loop_run();
    assert_int_equal(src.starts, 1);
    assert_true(fake_loop_next_timer_ms() >= 600 * 1000);
}

/* Nothing can be learnt from a clock that is known to be wrong, least of all that six hours are
 * left; and asking may bring the time. */
static void test_pause_of_the_last_run_under_a_wrong_clock(void **unused) {
    (void)unused;
    policy_open();
    policy_fail(SOURCE_TRANSIENT, 3600 * 1000);
    world.wall.state = WALL_UNKNOWN;
    fake_loop_jump_wall(-FAKE_LOOP_WALL_S);
    policy_restart();
    assert_int_equal(src.starts, 0);
    world_set_wall(WALL_WRONG, 0);
    assert_true(fake_loop_next_timer_ms() <= 60000);
    assert_true(fake_loop_next_timer_ms() >= 1000);
    /* Once it is right it counts again. */
    fake_loop_jump_wall(FAKE_LOOP_WALL_S);
    world_set_wall(WALL_SYNCED, 0);
    assert_true(fake_loop_next_timer_ms() >= 3600 * 1000);
    fake_loop_advance(3599 * 1000);
    assert_int_equal(src.starts, 0);
    fake_loop_advance(3600 * 1000);
    assert_int_equal(src.starts, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_failures_back_off_and_the_services_wish_counts),
        T(test_return_to_a_throttled_service_is_spread),
        T(test_refusal_is_retried_rarely),
        T(test_success_resets_the_delays),
        T(test_restart_loop_does_not_hammer),
        T(test_pause_after_a_success_holds_across_a_restart),
        T(test_services_wish_holds_across_a_restart),
        T(test_kept_pause_loses_no_fraction_of_a_second),
        T(test_changed_configuration_does_not_wait_for_the_old_ones_pause),
        T(test_backoff_goes_on_after_a_restart),
        T(test_first_contact_is_spread),
        T(test_operators_wish_goes_before_our_own_pause),
        T(test_wish_during_a_registration_is_followed_after_it),
        T(test_wish_during_a_dry_run_is_followed_after_it),
        T(test_wish_does_not_disturb_a_tpm_in_lockout),
        T(test_suggestions_do_not_hammer),
        T(test_clock_not_known_yet),
        T(test_clock_found_wrong_after_all),
        T(test_wrong_clock_is_waited_for),
        T(test_what_failed_under_a_wrong_clock_is_tried_again),
        T(test_pauses_follow_a_step_of_the_clock),
        T(test_services_wish_holds_when_the_clock_comes_right),
        T(test_pause_of_the_last_run_under_a_wrong_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
