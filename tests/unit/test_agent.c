/* SPDX-License-Identifier: MIT */
/*
 * What is seen of edgeAgent, and what is done about it.
 */
#include "agent_rig.h"

#include "base/log.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void first_start(void **state) {
    (void)state;
    assert_int_equal(rig_boot(), EDGE_OK);
    fake_loop_advance(LONG_MS);
    rig_check(""); /* not without an identity */
    agent_set_identity(rig.agent, HUB, "d");
    agent_set_identity(rig.agent, HUB, "d");
    fake_loop_advance(0);
    rig_check("network azure-iot-edge; " MADE);
    assert_int_equal(rig.get_cnt, 1);
    assert_int_equal(rig.put_cnt, 1);
    assert_string_equal(rig.put_generation, "1");
    rig_check_record("1", "A1@hub.example.net@d");
    fake_loop_advance(LONG_MS);
    rig_check("");
    assert_true(rig.get_cnt >= 3); /* the generation id is looked at again */
    assert_int_equal(rig.put_cnt, 1);
    rig_halt();
    rig_start(); /* it runs */
    fake_loop_advance(1000);
    rig_check("");
    assert_int_equal(rig.put_cnt, 0);
    rig_halt();
}

static void never_pulled(void **state) {
    (void)state;
    rig.cfg.agent.pull = false;
    rig_start();
    rig_check("network azure-iot-edge; create edgeAgent; start edgeAgent");
    rig_halt();
}

static void one_of_an_earlier_daemon(void **state) {
    (void)state;
    rig_furnish(true);
    rig_start();
    fake_loop_advance(1000);
    rig_check("");
    rig_check_record("1", "A1@hub.example.net@d");
    rig.config_tag = 'B';
    rig_halt();
    rig_start();
    rig_check(REPLACED);
    rig_check_record("1", "B1@hub.example.net@d");
    rig_halt();
}

static void stopped_when_we_come(void **state) {
    (void)state;
    rig_furnish(false);
    rig_start();
    rig_check("network azure-iot-edge; start edgeAgent");
    rig_halt();
    fake_runtime_set_state(rig.engine, AGENT_NAME, RUNTIME_STATUS_STOPPED, "paused", 0);
    rig_start();
    fake_loop_advance(1000);
    rig_check(""); /* somebody wants it so */
    rig_halt();
    fake_runtime_set_state(rig.engine, AGENT_NAME, RUNTIME_STATUS_FAILED, "exited", 1);
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_NETWORK, EDGE_INVALID);
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_START, EDGE_INVALID);
    rig_start();
    rig_check("network azure-iot-edge!; start edgeAgent!");
    assert_true(rig_logged("edgeAgent: its container cannot be started: "));
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_START, EDGE_OK);
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    rig_check("network azure-iot-edge!; start edgeAgent");
    rig_halt();
}

static void unusable(void **state) {
    (void)state;
    rig_furnish(false);
    fake_runtime_set_state(rig.engine, AGENT_NAME, RUNTIME_STATUS_STOPPED, "removing", 0);
    rig_start();
    fake_loop_advance(2000);
    rig_check("");
    fake_runtime_set_state(rig.engine, AGENT_NAME, RUNTIME_STATUS_DEAD, "dead", 0);
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_REMOVE, EDGE_REMOTE);
    fake_loop_advance(2000);
    rig_check("remove edgeAgent.edged-next!");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_REMOVE, EDGE_OK);
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    rig_check("remove edgeAgent.edged-next!; remove edgeAgent; network azure-iot-edge; " MADE);
    rig_halt();
}

static void specification_changed(void **state) {
    (void)state;
    rig_start();
    fake_runtime_journal_clear(rig.engine);
    rig_crash(1);
    rig_halt();
    rig.config_tag = 'B';
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_PULL, EDGE_REMOTE);
    rig_start();
    fake_loop_advance(0);
    /* The old one is better than none. */
    rig_check("network azure-iot-edge; pull agent:1!; network azure-iot-edge; start edgeAgent");
    rig_check_record("1", "A1@hub.example.net@d");
    fake_runtime_fail_call(rig.engine, FAKE_RUNTIME_PULL, EDGE_OK);
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    rig_check(REPLACED);
    rig_check_record("1", "B1@hub.example.net@d");
    rig.build_code = EDGE_INVALID;
    rig_halt();
    rig_start();
    rig_check("");
    assert_true(rig_logged("its container cannot be compared with what it should be"));
    fake_runtime_remove(rig.engine, rig_agent_id());
    fake_loop_advance(AGENT_TICK_MS);
    assert_true(rig_logged("its container cannot be described"));
    rig_halt();
}

static void engine_is_away(void **state) {
    (void)state;
    rig.cfg.has_max_retries = true;
    fake_runtime_fail(rig.engine, EDGE_NET);
    rig_start();
    fake_loop_advance(LONG_MS);
    assert_int_equal(rig.fatal_cnt, 0);
    assert_string_equal(rig.lines, "");
    fake_runtime_fail(rig.engine, EDGE_OK);
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_CONNECTED, NULL);
    fake_loop_advance(0);
    rig_check("network azure-iot-edge; " MADE);
    fake_runtime_refuse(rig.engine, EDGE_NET);
    agent_on_engine_event(rig.agent, RUNTIME_EVENT_CONNECTED, NULL);
    fake_loop_advance(0);
    fake_runtime_refuse(rig.engine, EDGE_OK);
    assert_int_equal(rig.fatal_cnt, 0);
    rig_halt();
}

static void on_update(void *data, enum edge_code code, const struct edge_error *err) {
    (void)err;
    assert_int_equal(code, EDGE_OK);
    *(unsigned *)data += 1;
}

/* Nothing is made, started or replaced while edgeAgent replaces itself. */
static void updates_itself(void **state) {
    (void)state;
    unsigned done = 0;
    const struct module_order order = {
        .change = MODULE_UPDATE,
        .name = AGENT_NAME,
        .image = "agent:2",
        .pull = true,
        .start = true,
        .create_body = SLICE_LIT("{\"Image\":\"agent:2\",\"Labels\":{\"" RUNTIME_OWNER_LABEL
                                 "\":\"" RUNTIME_OWNER_VALUE "\"}}")};
    rig_start();
    fake_runtime_journal_clear(rig.engine);
    char old[RUNTIME_ID_LEN + 1];
    (void)snprintf(old, sizeof(old), "%s", rig_agent_id());
    assert_int_equal(module_ops_run(rig.ops, &order, on_update, &done, NULL), EDGE_OK);
    while (done == 0) {
        agent_on_engine_event(rig.agent, RUNTIME_EVENT_STOPPED, old);
        assert_true(rig_step());
    }
    fake_loop_advance(0);
    fake_loop_advance(LONG_MS);
    rig_check("pull agent:2; create edgeAgent.edged-next; remove edgeAgent; "
              "rename edgeAgent.edged-next; start edgeAgent");
    rig_halt();
    rig_start(); /* nor is it undone after that */
    fake_loop_advance(LONG_MS);
    rig_check("");
    rig_halt();
}

static void another_identity(void **state) {
    (void)state;
    assert_int_equal(rig_boot(), EDGE_OK);
    agent_set_identity(rig.agent, HUB, "other");
    while (!rig.call.is_open) {
        assert_true(rig_step());
    }
    agent_set_identity(rig.agent, "", "");
    fake_loop_advance(LONG_MS);
    rig_check("");
    agent_set_identity(rig.agent, HUB, "other");
    while (!rig.call.is_open) {
        assert_true(rig_step());
    }
    agent_set_identity(rig.agent, HUB, "d");
    fake_loop_advance(0);
    rig_check("network azure-iot-edge; " MADE);
    rig_check_record("1", "A1@hub.example.net@d");
    char name[MOVED_TEXT_LEN + 1];
    memset(name, 'x', sizeof(name));
    name[MOVED_TEXT_LEN] = '\0';
    agent_set_identity(rig.agent, name, "d");
    assert_true(rig_logged("too long"));
    fake_loop_advance(LONG_MS);
    rig_check("");
    rig_halt();
}

static void trouble_with_the_record(void **state) {
    (void)state;
    tmpdir_write(rig.dir, AGENT_RECORD_FILE, "junk", 4, 0600);
    rig_start();
    assert_true(rig_logged("how edgeAgent was made is not known any more"));
    rig_check("network azure-iot-edge; " MADE);
    rig_check_record("1", "A1@hub.example.net@d");
    rig_halt();
    fake_worker_fail(EDGE_BUSY);
    rig_start();
    assert_true(rig_logged("it cannot be read how it was made"));
    fake_worker_fail(EDGE_OK);
    fake_loop_advance(AGENT_FAIL_MAX_MS);
    fake_worker_fail(EDGE_BUSY);
    (void)strcpy(rig.generation, "2");
    fake_loop_advance(AGENT_CHECK_MS);
    assert_true(rig_logged("how edgeAgent was made cannot be saved"));
    fake_worker_fail(EDGE_OK);
    rig_halt();
    rig_start(); /* the label tells as much */
    fake_loop_advance(1000);
    rig_check_record("2", "A2@hub.example.net@d");
    rig_halt();
}

static void removed_meanwhile(void **state) {
    (void)state;
    rig_furnish(false);
    assert_int_equal(rig_boot(), EDGE_OK);
    agent_set_identity(rig.agent, HUB, "d");
    while (strcmp(fake_runtime_journal(rig.engine), "network azure-iot-edge") != 0) {
        assert_true(rig_step());
    }
    fake_runtime_remove(rig.engine, rig_agent_id());
    fake_loop_advance(0);
    rig_check("network azure-iot-edge; start edgeAgent!; network azure-iot-edge; " MADE);
    rig_halt();
}

static void stop_anywhere(void **state) {
    (void)state;
    for (int steps = 0; steps < 30; steps++) {
        assert_int_equal(rig_boot(), EDGE_OK);
        agent_set_identity(rig.agent, HUB, "d");
        for (int i = 0; i < steps; i++) {
            (void)rig_step();
        }
        rig_halt();
        char id[RUNTIME_ID_LEN + 1];
        if (fake_runtime_id_of(rig.engine, AGENT_NAME, id)) {
            fake_runtime_remove(rig.engine, id);
        }
    }
}

static enum edge_code life(void *data) {
    (void)data;
    enum edge_code code = rig_boot();
    if (code != EDGE_OK) {
        return code;
    }
    fake_runtime_set_state(rig.engine, AGENT_NAME, RUNTIME_STATUS_STOPPED, "exited", 0);
    agent_set_identity(rig.agent, HUB, "d");
    fake_loop_advance(LONG_MS);
    assert_non_null(strstr(fake_runtime_journal(rig.engine), "start edgeAgent")); /* some time */
    fake_runtime_journal_clear(rig.engine);
    rig_halt();
    (void)remove(tmpdir_join(rig.dir, AGENT_RECORD_FILE));
    return EDGE_OK;
}

static void out_of_memory(void **state) {
    (void)state;
    rig_furnish(false);
    log_set_level(LOG_OFF);
    assert_true(alloc_fail_torture(life, NULL) > 0);
    log_set_level(LOG_INFO);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(first_start),
        T(never_pulled),
        T(one_of_an_earlier_daemon),
        T(stopped_when_we_come),
        T(unusable),
        T(specification_changed),
        T(engine_is_away),
        T(updates_itself),
        T(another_identity),
        T(trouble_with_the_record),
        T(removed_meanwhile),
        T(stop_anywhere),
        T(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
