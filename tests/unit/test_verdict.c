/* SPDX-License-Identifier: MIT */
/*
 * What the verdict of the hub changes.
 */
#include "support/alloc_fail.h"
#include "support/provisioning_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_previous_key_stays_until_the_hub_accepts_the_new_one(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    policy_assign("a.example", 2);
    assert_true(world_has_key(1) && world_has_key(2));
    assert_int_equal(env.last.key_generation, 2);
    assert_false(env.moved);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    assert_false(world_has_key(1));
    assert_true(world_has_key(2));
}

static void test_refused_new_key_gives_way_to_the_previous(void **unused) {
    (void)unused;
    struct edge_error why = {0};
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    policy_assign("b.example", 2);
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, env.serial, &why);
    assert_string_equal(env.last.hub, "a.example");
    assert_true(world_has_key(1) && world_has_key(2));
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    assert_true(world_has_key(1));
    assert_false(world_has_key(2));
    assert_int_equal(world.published, 1);
    assert_string_equal(policy_status()->result.hub, "a.example");
}

/* A request that was under way with the old key is refused after the hub has learnt the new one. */
static void test_late_verdict_on_a_replaced_key_means_nothing(void **unused) {
    (void)unused;
    struct edge_error why = {0};
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, 1);
    fake_loop_run();
    policy_restart_later();
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED, .result = policy_result("a.example", 2)};
    world_add_key(2, "a.example", "dev-01", src.inputs);
    source_done_fn *done = src.done;
    src.done = NULL;
    done(src.data, &o); /* written by a job that has not run yet */
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, 1, &why);
    fake_loop_run();
    assert_int_equal(env.last.key_generation, 2);
    provisioning_refuse(env.p, 1, &why);
    provisioning_confirm(env.p, 1);
    fake_loop_run();
    assert_int_equal(env.last.key_generation, 2);
    assert_true(world_has_key(1) && world_has_key(2));
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_both_keys_refused_keeps_both_and_asks_again(void **unused) {
    (void)unused;
    struct edge_error why = {0};
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    policy_assign("b.example", 2);
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, env.serial, &why);
    provisioning_refuse(env.p, env.serial, &why);
    assert_string_equal(env.last.hub, "b.example");
    assert_true(world_has_key(1) && world_has_key(2));
    unsigned before = src.starts;
    fake_loop_advance(60 * 60 * 1000);
    assert_int_equal(src.starts, before + 1);
    policy_assign("c.example", 3);
    assert_string_equal(env.last.hub, "c.example");
    assert_true(world_has_key(1) && world_has_key(3));
    assert_false(world_has_key(2));
}

static void test_confirm_is_idempotent(void **unused) {
    (void)unused;
    policy_open();
    provisioning_confirm(env.p, env.serial); /* nothing to confirm yet */
    policy_assign("a.example", 1);
    for (int i = 0; i < 3; i++) {
        provisioning_confirm(env.p, env.serial);
        fake_loop_run();
    }
    assert_true(policy_status()->result.proven);
    assert_true(world_has_key(1));
}

/* --- Refusals by the hub --- */

static void refuse(void) {
    struct edge_error why = {0};
    (void)edge_set(&why, EDGE_DENIED, "the hub said 401");
    provisioning_refuse(env.p, env.serial, &why);
    fake_loop_run();
}

static void test_refused_identity_is_asked_for_with_growing_pauses(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    uint64_t last = 0;
    for (int i = 0; i < 10; i++) {
        refuse();
        refuse(); /* once is enough */
        assert_int_equal(policy_status()->state, PROVISIONING_WAITING);
        assert_string_equal(policy_status()->next_why, "the hub refused the device");
        uint64_t delay = fake_loop_next_timer_ms();
        assert_true(delay >= last || delay >= 60000);
        last = delay;
        unsigned identities = env.identities;
        fake_loop_advance(delay);
        policy_assign("a.example", 1); /* the service has nothing else */
        assert_int_equal(env.identities, identities + 1);
        assert_false(env.last.proven); /* has to show that it works */
        assert_true(world_has_key(1));
    }
    assert_true(last > 20 * 60 * 1000);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    assert_int_equal(policy_status()->state, PROVISIONING_ASSIGNED);
    assert_true(policy_status()->result.proven);
    refuse();
    assert_true(fake_loop_next_timer_ms() <= 60000);
}

static void test_hub_that_comes_round_stops_the_asking(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    refuse();
    assert_int_equal(fake_loop_active_timers(), 1);
    provisioning_confirm(env.p, env.serial);
    assert_int_equal(fake_loop_active_timers(), 0);
    assert_int_equal(policy_status()->state, PROVISIONING_ASSIGNED);
    assert_int_equal(src.starts, 1);
}

static void test_manual_source_only_tries_the_hub_again(void **unused) {
    (void)unused;
    env.cfg.provisioning.source = CONFIG_SOURCE_MANUAL;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_X509;
    policy_open();
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED, .result = policy_result("a.example", 0)};
    o.result.credential = PROVISIONING_CERT;
    policy_answer(&o);
    assert_int_equal(env.identities, 1);
    refuse();
    assert_true(fake_loop_next_timer_ms() >= 30000);
    fake_loop_advance(fake_loop_next_timer_ms());
    policy_answer(&o);
    assert_int_equal(env.identities, 2);
    assert_int_equal(policy_status()->state, PROVISIONING_ASSIGNED);
    policy_restart(); /* nothing is asked for, so nothing has to be waited for */
    assert_int_equal(src.starts, 1);
}

/* The source is asked because of something else, and has nothing new: the hub's word is not lost.
 */
static void test_refusal_during_a_registration(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    assert_non_null(src.done);
    refuse();
    assert_int_equal(env.identities, 1);
    policy_assign("a.example", 1);
    assert_string_equal(policy_status()->next_why, "the hub refused the device");
    assert_int_equal(policy_status()->state, PROVISIONING_WAITING);
    assert_true(fake_loop_next_timer_ms() >= 60000);
    fake_loop_advance(fake_loop_next_timer_ms());
    policy_assign("a.example", 1);
    assert_int_equal(env.identities, 2);
    assert_false(env.last.proven);
}

static void test_refusal_during_a_registration_that_fails(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    refuse();
    policy_fail(SOURCE_REFUSED, 3600 * 1000);
    assert_true(fake_loop_next_timer_ms() >= 3600 * 1000); /* the service's word stands */
    fake_loop_advance(fake_loop_next_timer_ms());
    policy_assign("a.example", 1);
    assert_int_equal(env.identities, 2);
    assert_false(env.last.proven);
}

static void test_refusal_of_what_a_registration_replaces(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    refuse();
    policy_assign("b.example", 2);
    assert_int_equal(env.identities, 2);
    assert_int_equal(policy_status()->state, PROVISIONING_ASSIGNED);
    assert_int_equal(fake_loop_active_timers(), 0);
    /* Nor when the hub changes its mind meanwhile. */
    fake_loop_advance(60000);
    provisioning_ask(env.p, "an operator asked");
    refuse();
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_assign("b.example", 2);
    assert_int_equal(env.identities, 2);
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void on_preview(void *data, const struct provisioning_preview *preview) {
    (void)data;
    assert_int_equal(preview->err.code, EDGE_OK);
}

static void test_refusal_during_a_dry_run(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    assert_int_equal(provisioning_preview(env.p, on_preview, NULL, NULL), EDGE_OK);
    refuse();
    policy_assign("a.example", 1); /* answers the dry run */
    assert_string_equal(policy_status()->next_why, "the hub refused the device");
    fake_loop_advance(fake_loop_next_timer_ms());
    policy_assign("a.example", 1);
    assert_int_equal(env.identities, 2);
    assert_false(env.last.proven);
}

/* --- Certificates --- */

/* The service stores each renewal under a name of its own. */
static void test_every_renewal_brings_its_own_certificate(void **unused) {
    (void)unused;
    env.cfg.provisioning.source = CONFIG_SOURCE_EXTERNAL;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_EXTERNAL;
    policy_open();
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED, .result = policy_result("a.example", 0)};
    o.result.credential = PROVISIONING_CERT;
    strcpy(o.result.pk_path, "/k.pem");
    for (unsigned i = 1; i <= 20; i++) {
        (void)snprintf(o.result.cert_path, sizeof(o.result.cert_path), "/%u.pem", i);
        policy_answer(&o);
        assert_int_equal(env.identities, i);
        assert_string_equal(world.cert_path, o.result.cert_path);
        assert_ptr_equal(world.cert_wall, &world.wall);
        assert_non_null(provisioning_get_cert(env.p));
        assert_true(world.certs <= 2); /* the previous one may have to step in */
        provisioning_confirm(env.p, env.serial);
        fake_loop_advance(60000);
        provisioning_ask(env.p, "renewed");
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_previous_key_stays_until_the_hub_accepts_the_new_one),
        T(test_refused_new_key_gives_way_to_the_previous),
        T(test_late_verdict_on_a_replaced_key_means_nothing),
        T(test_both_keys_refused_keeps_both_and_asks_again),
        T(test_confirm_is_idempotent),
        T(test_refused_identity_is_asked_for_with_growing_pauses),
        T(test_hub_that_comes_round_stops_the_asking),
        T(test_manual_source_only_tries_the_hub_again),
        T(test_refusal_during_a_registration),
        T(test_refusal_during_a_registration_that_fails),
        T(test_refusal_of_what_a_registration_replaces),
        T(test_refusal_during_a_dry_run),
        T(test_every_renewal_brings_its_own_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
