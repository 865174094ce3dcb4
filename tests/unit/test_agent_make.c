/* SPDX-License-Identifier: MIT */
/*
 * The ways from an aim to a container, and who may stand in them.
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

static void created_anew_at_the_hub(void **state) {
    (void)state;
    rig_start();
    fake_runtime_journal_clear(rig.engine);
    (void)strcpy(rig.generation, "2");
    rig.has_keys = false;
    rig_crash(1); /* as it finds out for itself, it may end */
    fake_loop_advance(2000);
    rig_check("network azure-iot-edge; start edgeAgent");
    fake_loop_advance(60000);
    rig_check(REPLACED);
    assert_string_equal(rig.put_generation, "2");
    rig_check_record("2", "A2@hub.example.net@d");
    /* Its keys were taken away. */
    rig.put_cnt = 0;
    rig.has_keys = false;
    fake_loop_advance(AGENT_CHECK_MS);
    assert_int_equal(rig.put_cnt, 1);
    rig_check("");
    /* And while it cannot be replaced, it is not forgotten that it has to be. */
    (void)strcpy(rig.generation, "3");
    fake_runtime_miss_image(rig.engine, "agent:1");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_PULL, EDGE_REMOTE);
    fake_loop_advance(AGENT_CHECK_MS);
    rig_check_record("2", "A2@hub.example.net@d");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_PULL, EDGE_OK);
    fake_loop_advance(2 * AGENT_CHECK_MS);
    rig_check_record("3", "A3@hub.example.net@d");
    /* The image that is here will do, as the container cannot work. */
    (void)strcpy(rig.generation, "4");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_PULL, EDGE_REMOTE);
    fake_loop_advance(AGENT_CHECK_MS);
    rig_check_record("4", "A4@hub.example.net@d");
    rig_halt();
}

static void without_the_hub(void **state) {
    (void)state;
    rig.kind = AGENT_HUB_AWAY;
    rig_start();
    rig_check("");
    assert_true(rig_logged("edgeAgent: its identity cannot be had from the hub: the hub says no"));
    rig.kind = AGENT_HUB_OK;
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    rig_check("network azure-iot-edge; " MADE);
    rig_halt();
    fake_runtime_remove(rig.engine, rig_agent_id());
    rig.kind = AGENT_HUB_AWAY;
    rig_start();
    rig_check("network azure-iot-edge; " MADE);
    assert_true(rig_logged("made without the hub, with its generation id of the last time"));
    rig_halt();
    fake_runtime_remove(rig.engine, rig_agent_id());
    rig.kind = AGENT_HUB_OK;
    rig.refuse = EDGE_RETRY;
    rig_start();
    rig_check("network azure-iot-edge; " MADE);
    rig_halt();
    /* The hub goes away between two questions. */
    rig.refuse = EDGE_OK;
    rig.put_kind = AGENT_HUB_AWAY;
    fake_runtime_remove(rig.engine, rig_agent_id());
    rig_start();
    rig_check("network azure-iot-edge; " MADE);
    rig_halt();
    (void)strcpy(rig.generation, "7");
    fake_runtime_remove(rig.engine, rig_agent_id());
    rig_start();
    rig_check("");
    assert_true(rig_logged("edgeAgent: the hub does not take its keys: the hub says no"));
    rig.put_kind = AGENT_HUB_UNKNOWN;
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    assert_true(rig_logged("the hub has no identity $edgeAgent for this device"));
    rig_halt();
}

static void the_hub_is_back(void **state) {
    (void)state;
    rig.kind = AGENT_HUB_REFUSED;
    rig_start();
    agent_on_hub_back(rig.agent); /* but still refuses */
    fake_loop_advance(0);
    assert_int_equal(rig.get_cnt, 2);
    rig.kind = AGENT_HUB_OK;
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_NETWORK, EDGE_REMOTE);
    agent_on_hub_back(rig.agent);
    fake_loop_advance(0);
    rig_check("network azure-iot-edge!");
    agent_on_hub_back(rig.agent); /* the hub was not what was missing */
    fake_loop_advance(0);
    rig_check("");
    rig_halt();
}

static void odd_answers_of_the_hub(void **state) {
    (void)state;
    rig.generation[0] = '\0';
    rig_start();
    rig_check("");
    assert_true(rig_logged("the hub's answer has no usable generation id"));
    (void)strcpy(rig.generation, "1");
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    fake_runtime_journal_clear(rig.engine);
    rig.kind = AGENT_HUB_UNKNOWN;
    fake_loop_advance(AGENT_CHECK_MS);
    assert_true(rig_logged("edgeAgent runs, but the hub does not know it any more"));
    rig.kind = AGENT_HUB_REFUSED;
    fake_loop_advance(AGENT_CHECK_MS);
    rig_check("");
    rig_halt();
}

/* Between the two questions it was created anew. */
static void anew_at_this_moment(void **state) {
    (void)state;
    assert_int_equal(rig_boot(), EDGE_OK);
    agent_set_identity(rig.agent, HUB, "d");
    while (!rig.call.is_open || !rig.call.is_put) {
        assert_true(rig_step());
    }
    (void)strcpy(rig.generation, "2");
    fake_loop_advance(0);
    rig_check("");
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    rig_check("network azure-iot-edge; " MADE);
    rig_check_record("2", "A2@hub.example.net@d");
    rig_halt();
}

static void a_stranger_has_the_name(void **state) {
    (void)state;
    (void)fake_runtime_add(rig.engine, "1", AGENT_NAME, false);
    rig_start();
    rig_check("network azure-iot-edge; pull agent:1; create edgeAgent!");
    assert_true(rig_logged("remove or rename that"));
    rig_halt();
}

static void images(void **state) {
    (void)state;
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_PULL, EDGE_REMOTE);
    rig_start();
    rig_check("network azure-iot-edge; pull agent:1!; create edgeAgent; start edgeAgent");
    assert_true(rig_logged("edgeAgent is made from the image 'agent:1' that is here"));
    fake_runtime_remove(rig.engine, rig_agent_id());
    fake_runtime_miss_image(rig.engine, "agent:1");
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_CONNECTED, NULL);
    fake_loop_advance(0);
    rig_check("network azure-iot-edge; pull agent:1!");
    assert_true(
        rig_logged("edgeAgent: its image 'agent:1' (agent.config.image) cannot be fetched: "));
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_PULL, EDGE_OK);
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_NETWORK, EDGE_REMOTE);
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    assert_true(rig_logged("moby_runtime.network"));
    fake_runtime_journal_clear(rig.engine);
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_NETWORK, EDGE_OK);
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    rig_check("network azure-iot-edge; " MADE);
    rig_halt();
    fake_runtime_remove(rig.engine, rig_agent_id());
    rig.cfg.agent.pull = false;
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_CREATE, EDGE_NOT_FOUND);
    rig_start();
    assert_true(rig_logged("agent.imagePullPolicy forbids to fetch an image: "));
    rig_halt();
}

/* Engines say so of a container that was removed, and of one whose network is missing. */
static void start_finds_something_missing(void **state) {
    (void)state;
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_START, EDGE_NOT_FOUND);
    rig_start();
    rig_check("network azure-iot-edge; pull agent:1; create edgeAgent; start edgeAgent!");
    assert_true(rig_logged("edgeAgent: its container cannot be started: "));
    fake_loop_advance(AGENT_FAIL_MIN_MS - 1);
    rig_check("");
    fake_runtime_remove(rig.engine, rig_agent_id());
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_CONNECTED, NULL);
    fake_loop_advance(0);
    rig_check("network azure-iot-edge; pull agent:1; create edgeAgent; start edgeAgent!");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_START, EDGE_OK);
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    rig_check("network azure-iot-edge; start edgeAgent");
    rig_halt();
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(created_anew_at_the_hub), T(without_the_hub),
        T(the_hub_is_back),         T(odd_answers_of_the_hub),
        T(anew_at_this_moment),     T(images),
        T(a_stranger_has_the_name), T(start_finds_something_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
