/* SPDX-License-Identifier: MIT */
/*
 * The daemon's care for secrets and certificates: what it does when, and what it says.
 */
#include "custody.h"

#include "base/log.h"
#include "fake_loop.h"
#include "fake_module_crypt.h"
#include "fake_pki.h"
#include "provisioning/takeover_clean.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct {
    struct provisioning_status status;
    uint64_t legacy_root;
    unsigned clean_cnt;
    struct takeover_clean_facts facts; /* told last */
    struct takeover_clean result;
    enum edge_code clean_code;
    struct custody *custody;
    char lines[4096];
} env;

static struct edge_config cfg = {.homedir = (char *)"/home"};

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return &env.status;
}

uint64_t provisioning_legacy_root(const struct provisioning *p) {
    (void)p;
    return env.legacy_root;
}

enum edge_code takeover_clean_run(const struct edge_config *config, const char *homedir,
                                  struct hsm *h, const struct takeover_clean_facts *facts,
                                  struct takeover_clean *ret, struct edge_error *err) {
    assert_ptr_equal(config, &cfg);
    assert_string_equal(homedir, "/home");
    (void)h;
    env.clean_cnt++;
    env.facts = *facts;
    *ret = env.result;
    return env.clean_code == EDGE_OK ? EDGE_OK : edge_set(err, env.clean_code, "disk trouble");
}

static void keep(void *data, enum log_level level, const char *line) {
    size_t len = strlen(env.lines);
    (void)data;
    (void)level;
    (void)snprintf(env.lines + len, sizeof(env.lines) - len, "%s\n", line);
}

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    fake_loop_init();
    log_set_sink(keep, NULL);
    env.result.is_complete = true;
    (void)fake_pki();
    (void)fake_module_crypt();
    fake_module_crypt_set_open(false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    custody_stop(env.custody);
    if (fake_module_crypt_is_waiting()) {
        fake_module_crypt_finish(EDGE_CANCELED);
    }
    fake_worker_fail(EDGE_OK);
    fake_worker_hold(false);
    fake_loop_run();
    custody_free(env.custody);
    log_set_sink(NULL, NULL);
    fake_loop_clear();
    return 0;
}

static enum edge_code start(void) {
    const struct custody_deps deps = {.loop = fake_loop(),
                                      .worker = fake_worker(),
                                      .config = &cfg,
                                      .crypt = fake_module_crypt(),
                                      .pki = fake_pki()};
    fake_module_crypt_set_open(false);
    return custody_start(&deps, &env.custody, NULL);
}

static void start_open(void) {
    assert_int_equal(start(), EDGE_OK);
    fake_module_crypt_finish(EDGE_OK);
    fake_loop_advance(CUSTODY_FIRST_MS);
}

static void assert_said(const char *text) {
    if (strstr(env.lines, text) == NULL) {
        fail_msg("'%s' is not in: %s", text, env.lines);
    }
}

static void have_identity(void) {
    env.status.has_result = true;
}

static void test_opens_the_key_at_once(void **state) {
    (void)state;
    assert_int_equal(start(), EDGE_OK);
    assert_true(fake_module_crypt_is_waiting());
    fake_module_crypt_set_note("taken over from release 1.1");
    fake_module_crypt_finish(EDGE_OK);
    assert_said("[INFO] - The key that modules encrypt with: taken over from release 1.1");
    fake_loop_advance(60000);
    assert_false(fake_module_crypt_is_waiting());
}

static void test_failure_is_told_once_and_tried_again(void **state) {
    (void)state;
    assert_int_equal(start(), EDGE_OK);
    for (int i = 0; i < 5; i++) {
        assert_true(fake_module_crypt_is_waiting());
        fake_module_crypt_finish(EDGE_HSM);
        assert_said("[ERR!] - Modules cannot encrypt and decrypt: ");
        fake_loop_advance(CUSTODY_FIRST_MS << i);
    }
    assert_null(strstr(strchr(env.lines, '\n'), "Modules cannot"));
    fake_module_crypt_finish(EDGE_OK);
}

static void test_full_queue(void **state) {
    (void)state;
    fake_module_crypt_refuse(EDGE_BUSY);
    const struct custody_deps deps = {.loop = fake_loop(),
                                      .worker = fake_worker(),
                                      .config = &cfg,
                                      .crypt = fake_module_crypt(),
                                      .pki = fake_pki()};
    fake_module_crypt_set_open(false);
    fake_module_crypt_refuse(EDGE_BUSY);
    assert_int_equal(custody_start(&deps, &env.custody, NULL), EDGE_OK);
    fake_loop_advance(CUSTODY_FIRST_MS);
    assert_false(fake_module_crypt_is_waiting());
    fake_module_crypt_refuse(EDGE_OK);
    fake_loop_advance(2 * CUSTODY_FIRST_MS);
    assert_true(fake_module_crypt_is_waiting());
    fake_worker_fail(EDGE_BUSY);
    fake_module_crypt_finish(EDGE_OK);
    fake_loop_advance(CUSTODY_FIRST_MS);
    assert_int_equal(env.clean_cnt, 0);
    fake_worker_fail(EDGE_OK);
    fake_loop_advance(2 * CUSTODY_FIRST_MS);
    assert_int_equal(env.clean_cnt, 1);
}

/* 1.1's files go when what they were good for is elsewhere, and each time more of it is. */
static void test_cleans_with_each_set_of_facts(void **state) {
    (void)state;
    assert_int_equal(start(), EDGE_OK);
    fake_loop_advance(60000);
    assert_int_equal(env.clean_cnt, 0);
    fake_module_crypt_finish(EDGE_OK);
    fake_loop_advance(CUSTODY_FIRST_MS);
    assert_int_equal(env.clean_cnt, 1);
    assert_false(env.facts.has_identity || env.facts.chain_is_safe);
    fake_loop_advance(60000);
    assert_int_equal(env.clean_cnt, 1);

    /* Somebody may have come to vouch for the time. */
    unsigned looks = fake_pki_look_cnt();
    assert_true(looks > 0);
    fake_pki_set_ready(true);
    have_identity();
    env.legacy_root = 7;
    custody_poke(env.custody);
    fake_loop_advance(CUSTODY_FIRST_MS);
    assert_int_equal(env.clean_cnt, 2);
    assert_true(env.facts.has_identity && env.facts.chain_is_safe);
    assert_int_equal(env.facts.legacy_root, 7);
    assert_false(env.facts.modules_are_ours);

    env.legacy_root = 0;
    custody_modules_are_ours(env.custody);
    fake_loop_advance(CUSTODY_FIRST_MS);
    assert_int_equal(env.clean_cnt, 3);
    assert_true(env.facts.modules_are_ours && env.facts.legacy_root == 0);
    fake_loop_advance(4 * CUSTODY_LAST_MS);
    assert_int_equal(env.clean_cnt, 3);
    assert_int_equal(fake_pki_look_cnt(), looks);
}

static void test_says_what_was_removed_and_what_is_left(void **state) {
    (void)state;
    (void)snprintf(env.result.note, sizeof(env.result.note), "2 files left");
    env.result.is_complete = false;
    start_open();
    assert_said("[WARN] - Secrets of release 1.1: 2 files left");
    have_identity();
    custody_poke(env.custody);
    fake_loop_advance(CUSTODY_FIRST_MS);
    assert_null(strstr(strchr(env.lines, '\n'), "2 files")); /* not again */
    (void)snprintf(env.result.note, sizeof(env.result.note), "removed 2 files");
    env.result.is_complete = true;
    env.status.has_result = false;
    custody_poke(env.custody);
    fake_loop_advance(CUSTODY_FIRST_MS);
    assert_said("[INFO] - Secrets of release 1.1: removed 2 files");
}

static void test_failed_removal_is_tried_again(void **state) {
    (void)state;
    env.clean_code = EDGE_IO;
    start_open();
    assert_said("[WARN] - Secrets of release 1.1: disk trouble");
    fake_loop_advance(2 * CUSTODY_FIRST_MS);
    assert_int_equal(env.clean_cnt, 2);
    env.clean_code = EDGE_OK;
    fake_loop_advance(4 * CUSTODY_FIRST_MS);
    fake_loop_advance(60000);
    assert_int_equal(env.clean_cnt, 3);
}

static void test_stop_with_work_under_way(void **state) {
    (void)state;
    assert_int_equal(start(), EDGE_OK);
    fake_module_crypt_finish(EDGE_OK);
    fake_worker_hold(true);
    fake_loop_advance(CUSTODY_FIRST_MS);
    custody_stop(env.custody);
    custody_poke(env.custody);
    custody_stop(NULL);
    custody_poke(NULL);
    custody_modules_are_ours(NULL);
    custody_free(NULL);
}

static enum edge_code one_round(void *data) {
    (void)data;
    enum edge_code code = start();
    if (code == EDGE_OK) {
        fake_module_crypt_finish(EDGE_OK);
        fake_loop_advance(10 * CUSTODY_FIRST_MS);
    }
    fake_loop_run();
    custody_free(env.custody);
    env.custody = NULL;
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_opens_the_key_at_once),
        T(test_failure_is_told_once_and_tried_again),
        T(test_full_queue),
        T(test_cleans_with_each_set_of_facts),
        T(test_says_what_was_removed_and_what_is_left),
        T(test_failed_removal_is_tried_again),
        T(test_stop_with_work_under_way),
        T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
