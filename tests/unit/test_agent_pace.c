/* SPDX-License-Identifier: MIT */
/*
 * Pauses after crashes, and the end of patience.
 */
#include "agent_rig.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void crashes(void **state) {
    (void)state;
    uint64_t longest = 0;
    rig_start();
    rig_check("network azure-iot-edge; " MADE);
    for (int i = 0; i < 40; i++) {
        rig_crash(3);
        rig_check("");
        uint64_t delay_ms = 0;
        while (fake_runtime_journal(rig.engine)[0] == '\0') {
            uint64_t next_ms = fake_loop_next_timer_ms();
            delay_ms += next_ms;
            fake_loop_advance(next_ms);
        }
        assert_true(delay_ms >= AGENT_CRASH_MIN_MS && delay_ms <= AGENT_CRASH_MAX_MS);
        longest = delay_ms > longest ? delay_ms : longest;
        rig_check("network azure-iot-edge; start edgeAgent");
        if (i == 0) {
            assert_true(rig_logged("edgeAgent has ended with code 3; it is started again in "));
        }
    }
    assert_true(longest > 100000);
    fake_loop_advance(AGENT_STAYS_MS);
    rig_crash(0);
    assert_true(fake_loop_next_timer_ms() <= 2000);
    fake_loop_advance(2000);
    rig_check("network azure-iot-edge; start edgeAgent");
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_STOPPED, "another");
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_STARTED, "another");
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_LOST, NULL);
    fake_loop_advance(0);
    rig_check("");
    rig_halt();
}

static void expect_told(const char *state, const char *start) {
    char text[AGENT_TEXT_LEN];
    assert_string_equal(agent_describe(rig.agent, text, sizeof(text)), state);
    if (strncmp(text, start, strlen(start)) != 0 || (start[0] == '\0' && text[0] != '\0')) {
        fail_msg("'%s' does not begin with '%s'", text, start);
    }
}

static void tells_how_it_fares(void **state) {
    (void)state;
    assert_int_equal(rig_boot(), EDGE_OK);
    expect_told("waiting", "for the hub to accept");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_CREATE, EDGE_INVALID);
    agent_set_identity(rig.agent, HUB, "d");
    expect_told("unknown", "");
    fake_loop_advance(0);
    expect_told("missing", "its container cannot be made: ");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_CREATE, EDGE_OK);
    fake_loop_advance(LONG_MS);
    expect_told("running", "");
    rig_crash(3);
    expect_told("stopped", "has ended with code 3; trying again in ");
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_LOST, NULL);
    expect_told("unknown", "the container engine does not answer");
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_CONNECTED, NULL);
    fake_loop_advance(LONG_MS);
    expect_told("running", "");
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_LOST, NULL);
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_INSPECT_MODULE, EDGE_DENIED);
    fake_loop_advance(AGENT_TICK_MS);
    expect_told("unknown", "its container cannot be looked at: ");
    rig_halt();
}

static void gives_up(void **state) {
    (void)state;
    static const struct {
        enum agent_hub_kind kind;
        enum agent_exit code;
    } rows[] = {{AGENT_HUB_UNKNOWN, AGENT_EXIT_NO_IDENTITY},
                {AGENT_HUB_AWAY, AGENT_EXIT_NO_HUB},
                {AGENT_HUB_REFUSED, AGENT_EXIT_REFUSED},
                {AGENT_HUB_OK, AGENT_EXIT_FAILURE}};
    rig.cfg.has_max_retries = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig.cfg.max_retries = 2;
        rig.fatal_cnt = 0;
        rig.kind = rows[i].kind;
        fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_CREATE, EDGE_INVALID);
        rig_start();
        while (rig.fatal_cnt == 0) {
            fake_loop_advance(fake_loop_next_timer_ms());
        }
        assert_int_equal(rig.fatal, rows[i].code);
        assert_non_null(strstr(rig.lines, "failures in a row: 3; the daemon ends with code "));
        assert_non_null(strstr(rig.lines, "trying again")); /* not the third time */
        assert_null(strstr(strstr(strstr(rig.lines, "again") + 1, "again") + 1, "again"));
        rig.lines[0] = '\0';
        fake_loop_advance(LONG_MS);
        assert_int_equal(rig.fatal_cnt, 1);
        rig_halt();
    }
    /* Before there is an identity to be set. */
    struct edge_error err = {0};
    const struct agent_hub_answer answer = {.kind = AGENT_HUB_REFUSED, .err = &err};
    rig.cfg.max_retries = 0;
    rig.fatal_cnt = 0;
    assert_int_equal(rig_boot(), EDGE_OK);
    agent_on_hub_failure(rig.agent, &answer);
    fake_loop_advance(0);
    assert_int_equal(rig.fatal_cnt, 1);
    assert_int_equal(rig.fatal, AGENT_EXIT_REFUSED);
    agent_on_hub_failure(rig.agent, &answer);
    rig_halt();
    assert_int_equal(rig.fatal_cnt, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(crashes),
        T(tells_how_it_fares),
        T(gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
