/* SPDX-License-Identifier: MIT */
/*
 * What is written for the next start, and what the first start of all finds.
 */
#include "support/alloc_fail.h"
#include "support/provisioning_policy.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_backup_for_release_1_1(void **unused) {
    (void)unused;
    char path[128];
    policy_open();
    policy_assign("a.example", 1);
    (void)snprintf(path, sizeof(path), "%s/cache/provisioning_backup.json", env.dir);
    assert_int_equal(access(path, R_OK), 0);
}

static void test_take_over(void **unused) {
    (void)unused;
    world_add_key(1, "a.example", "dev-01", "");
    world.takeover.found = true;
    world.takeover.result = policy_result("a.example", 1);
    world.takeover.has_legacy_root = true;
    world.takeover.legacy_root = 1;
    env.cfg.provisioning.startup_spread_s = 300;
    world.cnt = 0; /* adopted by the take-over itself, after the state was read */
    world.takeover_code = EDGE_HSM;
    policy_open();
    assert_int_equal(env.identities, 0);
    assert_int_equal(src.starts, 0); /* nothing is decided while the TPM is away */
    world.takeover_code = EDGE_OK;
    fake_loop_advance(fake_loop_next_timer_ms());
    assert_int_equal(env.identities, 1);
    assert_int_equal(provisioning_legacy_root(env.p), 1);
    world_add_key(1, "a.example", "dev-01", src.inputs);
    policy_restart();
    assert_int_equal(world.takeovers, 1);
    assert_int_equal(env.identities, 1);
    assert_int_equal(provisioning_legacy_root(env.p), 1);
    fake_loop_advance(300 * 1000);
    policy_assign("a.example", 2);
    provisioning_confirm(env.p, env.serial);
    fake_loop_run();
    assert_true(world_has_key(1) && world_has_key(2)); /* modules still sign with it */
    provisioning_legacy_done(env.p);
    fake_loop_run();
    assert_false(world_has_key(1));
    assert_int_equal(provisioning_legacy_root(env.p), 0);
}

/* What only says when to ask must not keep the device from serving. */
static void test_unreadable_pauses_count_as_absent(void **unused) {
    (void)unused;
    char path[128];
    policy_open();
    policy_assign("a.example", 1);
    policy_close();
    (void)snprintf(path, sizeof(path), "%s/contact", env.dir);
    assert_int_equal(chmod(path, 0666), 0);
    policy_restart();
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 1);
}

static void write_file(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "key", 3), 3);
    close(fd);
}

/* An earlier version kept the key of a payload in a file. */
static void test_key_of_a_payload_is_moved(void **unused) {
    (void)unused;
    struct state s = {.has_current = true, .current = policy_result("a.example", 0)};
    struct provisioning_result *r = &s.current;
    r->credential = PROVISIONING_CERT;
    (void)snprintf(r->cert_path, sizeof(r->cert_path), "%s/external-0a.cert.pem", env.dir);
    (void)snprintf(r->pk_path, sizeof(r->pk_path), "%s/external-0a.key.pem", env.dir);
    write_file(r->cert_path);
    write_file(r->pk_path);
    assert_int_equal(state_save(env.dir, &s, NULL), EDGE_OK);
    world.record_code = EDGE_HSM;
    policy_open();
    assert_int_equal(env.identities, 1);
    assert_string_equal(provisioning_get_status(env.p)->result.pk_path, r->pk_path);
    world.record_code = EDGE_OK;
    policy_restart();
    assert_int_equal(env.identities, 1);
    assert_string_equal(provisioning_get_status(env.p)->result.pk_path, "record:identity-0a");
    assert_string_equal(world.record_text, "key");
    assert_int_equal(access(r->pk_path, F_OK), -1);
    assert_int_equal(access(r->cert_path, F_OK), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_backup_for_release_1_1),
        T(test_take_over),
        T(test_key_of_a_payload_is_moved),
        T(test_unreadable_pauses_count_as_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
