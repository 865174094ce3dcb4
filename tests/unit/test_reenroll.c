/* SPDX-License-Identifier: MIT */
/*
 * A TPM that was cleared or replaced: named, looked at rarely, and the way back is told once.
 */
#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/provisioning_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static unsigned told, with_id;

static void sink(void *data, enum log_level level, const char *line) {
    (void)data;
    (void)level;
    if (strstr(line, "accept-change") != NULL) {
        told++;
        with_id += strstr(line, "'new-id'") != NULL ? 1 : 0;
    }
}

static void fail_cleared(void) {
    struct source_outcome o = {.verdict = SOURCE_LOCAL, .key_store = HSM_STATE_CLEARED};
    (void)edge_set(&o.err, EDGE_HSM, "the TPM was cleared");
    policy_answer(&o);
}

static void test_told_once(void **unused) {
    (void)unused;
    told = with_id = 0;
    log_set_sink(sink, NULL);
    world.state = HSM_STATE_CLEARED;
    policy_open();
    for (int i = 0; i < 3; i++) {
        fail_cleared();
        assert_int_equal(policy_status()->key_store, HSM_STATE_CLEARED);
        assert_string_equal(policy_status()->next_why, "the key store: cleared");
        assert_true(fake_loop_next_timer_ms() >= 30000);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    log_set_sink(NULL, NULL);
    assert_int_equal(world.probes, 1);
    assert_int_equal(told, 1);
    assert_int_equal(with_id, 1);
}

static void test_told_without_the_id_too(void **unused) {
    (void)unused;
    told = with_id = 0;
    log_set_sink(sink, NULL);
    world.probe_code = EDGE_BUSY;
    policy_open();
    fail_cleared();
    log_set_sink(NULL, NULL);
    assert_int_equal(told, 1);
    assert_int_equal(with_id, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_told_once),
        T(test_told_without_the_id_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
