/* SPDX-License-Identifier: MIT */
/*
 * Provisioning policy: when the source is asked and what is kept.
 */
#include "provisioning/provisioning.h"

#include "support/alloc_fail.h"
#include "support/provisioning_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_first_start(void **unused) {
    (void)unused;
    policy_open();
    assert_int_equal(src.starts, 1);
    assert_int_equal(policy_status()->state, PROVISIONING_TRYING);
    assert_false(policy_status()->has_result);
    assert_string_equal(policy_status()->registration_id, "reg-01");
    policy_assign("a.example", 1);
    assert_int_equal(env.identities, 1);
    assert_string_equal(env.last.hub, "a.example");
    assert_false(env.moved);
    assert_int_equal(policy_status()->state, PROVISIONING_ASSIGNED);
    assert_true(policy_status()->has_result);
    assert_int_equal(world.published, 1);
}

static void test_saved_identity_is_used_before_the_cloud_is_asked(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    assert_int_equal(env.identities, 1);
    assert_int_equal(env.last.key_generation, 1);
    assert_true(env.last.proven);
    assert_int_equal(src.starts, 1);
    policy_fail(SOURCE_TRANSIENT, 0);
    assert_int_equal(env.identities, 1);
    assert_int_equal(policy_status()->state, PROVISIONING_WAITING);
    assert_true(policy_status()->has_result);
}

static void test_cloud_is_not_asked_when_told_so(void **unused) {
    (void)unused;
    env.cfg.provisioning.always_reprovision_on_startup = false;
    policy_open();
    assert_int_equal(src.starts, 1); /* nothing saved: there is no other way */
    policy_assign("a.example", 1);
    policy_restart_later();
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 0);
}

static void test_changed_scope_asks_in_any_case(void **unused) {
    (void)unused;
    env.cfg.provisioning.always_reprovision_on_startup = false;
    policy_open();
    policy_assign("a.example", 1);
    env.cfg.provisioning.scope_id = (char *)"0ne11111111";
    policy_restart_later();
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 1);
}

static void test_move_is_told(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    assert_false(env.moved);
    policy_assign("b.example", 2);
    assert_true(env.moved);
    assert_string_equal(env.last.hub, "b.example");
}

static void test_interrupted_commit_is_completed_at_start(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_close();
    world_add_key(2, "b.example", "dev-01", src.inputs); /* written, then the power went */
    policy_restart_later();
    assert_string_equal(env.last.hub, "b.example");
    assert_false(env.last.proven);
    assert_true(world_has_key(1) && world_has_key(2));
}

static void test_key_store_away_at_start_is_waited_for(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    policy_close();
    world.list_code = EDGE_HSM;
    policy_restart_later();
    assert_int_equal(env.identities, 0);
    assert_int_equal(src.starts, 0); /* asking now could lose the saved identity */
    assert_int_equal(policy_status()->state, PROVISIONING_WAITING);
    world.list_code = EDGE_OK;
    fake_loop_advance(fake_loop_next_timer_ms());
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 1);
}

static void test_full_queue_is_retried(void **unused) {
    (void)unused;
    src.start_code = EDGE_BUSY;
    policy_open();
    assert_int_equal(policy_status()->state, PROVISIONING_WAITING);
    src.start_code = EDGE_OK;
    fake_loop_advance(fake_loop_next_timer_ms());
    assert_int_equal(src.starts, 1);
}

static void test_stop_while_asking_waits_for_the_source(void **unused) {
    (void)unused;
    policy_open();
    assert_non_null(src.done);
    policy_close(); /* asserts the order */
}

/* --- Same again, credentials, predecessors --- */

static void test_same_hub_and_device_again_is_nothing(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    policy_restart_later();
    uint64_t serial = env.serial;
    policy_assign("a.example", 1);
    assert_int_equal(env.identities, 1);
    assert_int_equal(env.serial, serial);
    assert_true(policy_status()->result.proven);
}

static void give_key(void) {
    env.cfg.provisioning.source = CONFIG_SOURCE_MANUAL;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_KEY;
    env.cfg.provisioning.hub_hostname = (char *)"a.example";
    env.cfg.provisioning.device_id = (char *)"dev-01";
    env.cfg.provisioning.key_line = 12;
    assert_int_equal(secret_copy(&env.cfg.provisioning.key, "a key", 5, NULL), EDGE_OK);
}

static void test_configured_key_is_imported_and_wiped(void **unused) {
    (void)unused;
    give_key();
    policy_open();
    assert_int_equal(world.imports, 1);
    assert_int_equal(env.cfg.provisioning.key.len, 0);
    assert_int_equal(policy_status()->key_line, 12);
    assert_int_equal(src.base.key_generation, 1);
    policy_assign("a.example", 1);
    assert_true(world_has_key(1));
    policy_restart();
    assert_int_equal(env.identities, 1);
    assert_int_equal(policy_status()->key_line, 0);
}

static void test_another_configured_key_is_asked_about_at_once(void **unused) {
    (void)unused;
    env.cfg.provisioning.always_reprovision_on_startup = false;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_KEY;
    env.cfg.provisioning.registration_id = (char *)"reg";
    world_add_imported(1, "dps:0ne00000000/reg", "old");
    policy_open();
    policy_assign("a.example", 1);
    policy_restart();
    assert_int_equal(src.starts, 0);
    policy_close();
    assert_int_equal(secret_copy(&env.cfg.provisioning.key, "new", 3, NULL), EDGE_OK);
    policy_restart();
    assert_int_equal(src.starts, 1);
    assert_true(world_has_key(1) && world_has_key(2));
}

/* The import runs, or is through, when something else of the state is saved: that state does not
 * name the new key yet. */
static void test_saving_while_asking_spares_the_new_key(void **unused) {
    (void)unused;
    world.takeover = (struct takeover){.found = true,
                                       .result = policy_result("a.example", 1),
                                       .has_legacy_root = true,
                                       .legacy_root = 1};
    policy_open();
    world_add_key(1, "a.example", "dev-01", src.inputs);
    fake_loop_advance(300 * 1000);
    assert_non_null(src.done);
    world_add_key(2, "b.example", "dev-01", src.inputs);
    provisioning_legacy_done(env.p);
    fake_loop_run();
    assert_true(world_has_key(2));
    policy_assign("b.example", 2);
    assert_int_equal(env.last.key_generation, 2);
    assert_true(world_has_key(2));
}

static void set_stopped(void *data) {
    *(bool *)data = true;
}

/* What ends after us may still want something. */
static void test_stopped_asks_nobody(void **unused) {
    (void)unused;
    policy_open();
    policy_assign("a.example", 1);
    fake_loop_advance(60000);
    bool stopped = false;
    provisioning_stop(env.p, set_stopped, &stopped);
    fake_loop_run();
    assert_true(stopped);
    provisioning_ask(env.p, "a key was imported");
    assert_null(src.done);
    assert_int_equal(fake_loop_active_timers(), 0);
    assert_int_equal(policy_status()->state, PROVISIONING_STOPPED);
    provisioning_free(env.p);
    env.p = NULL;
}

static void test_certificates_that_are_named(void **unused) {
    (void)unused;
    env.cfg.provisioning.source = CONFIG_SOURCE_EXTERNAL;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_EXTERNAL;
    policy_open();
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED, .result = policy_result("a.example", 0)};
    o.result.credential = PROVISIONING_CERT;
    strcpy(o.result.cert_path, "/c.pem");
    strcpy(o.result.pk_path, "/k.pem");
    policy_answer(&o);
    assert_non_null(provisioning_get_cert(env.p));
    assert_int_equal(world.certs, 1);
    policy_restart_later();
    assert_int_equal(env.identities, 1);
    assert_int_equal(env.last.credential, PROVISIONING_CERT);
    assert_non_null(provisioning_get_cert(env.p));
    policy_close();
    assert_int_equal(world.certs, 0);
}

/* A first assignment, then a second at the next start; memory may run out once anywhere. */
static enum edge_code two_lives(void *data) {
    const struct provisioning_deps deps = {
        .cloud = &env.cloud, .config = &env.cfg, .state_dir = env.dir};
    const struct provisioning_events events = {.on_identity = policy_on_identity};
    (void)data;
    world_init();
    for (uint64_t life = 1; life <= 2; life++) {
        memset(&src, 0, sizeof(src));
        env.identities = 0;
        enum edge_code code = provisioning_new(&deps, &events, &env.p, NULL);
        if (code == EDGE_OK) {
            code = provisioning_start(env.p, NULL);
        }
        if (code != EDGE_OK) {
            provisioning_free(env.p);
            env.p = NULL;
            return code;
        }
        fake_loop_run();
        while (src.done == NULL) {
            fake_loop_advance(fake_loop_next_timer_ms());
        }
        policy_assign(life == 1 ? "a.example" : "b.example", life);
        provisioning_confirm(env.p, env.serial);
        fake_loop_run();
        assert_true(env.identities > 0);
        assert_true(world_has_key(life));
        policy_close();
    }
    return EDGE_OK;
}

static enum edge_code two_lives_in_a_clean_home(void *data) {
    policy_clear_dir();
    return two_lives(data);
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(two_lives_in_a_clean_home, NULL) > 30);
}

#define T(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_first_start),
        T(test_saved_identity_is_used_before_the_cloud_is_asked),
        T(test_cloud_is_not_asked_when_told_so),
        T(test_changed_scope_asks_in_any_case),
        T(test_move_is_told),
        T(test_interrupted_commit_is_completed_at_start),
        T(test_key_store_away_at_start_is_waited_for),
        T(test_full_queue_is_retried),
        T(test_stop_while_asking_waits_for_the_source),
        T(test_same_hub_and_device_again_is_nothing),
        T(test_configured_key_is_imported_and_wiped),
        T(test_another_configured_key_is_asked_about_at_once),
        T(test_saving_while_asking_spares_the_new_key),
        T(test_stopped_asks_nobody),
        T(test_certificates_that_are_named),
        T(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
