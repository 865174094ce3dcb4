/* SPDX-License-Identifier: MIT */
/*
 * The resources route: all members, which clients require, and what may fail on the way.
 */
#include "api/api.h"

#include "base/clock.h"
#include "base/json.h"
#include "fake_exchange.h"
#include "modules_world.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct modules_world *const w = &modules_world;
static struct host_facts host;

static int setup(void **state) {
    int rc = modules_world_setup(state);
    host = (struct host_facts){.started_ms = 0};
    w->api.worker = fake_worker();
    w->api.host = &host;
    assert_int_equal(host_disks_new(fake_loop(), fake_worker(), "", &w->api.disks, NULL), EDGE_OK);
    return rc;
}

static int teardown(void **state) {
    fake_exchange_end();
    assert_int_equal(w->api.resources_cnt, 0);
    host_disks_free(w->api.disks);
    return modules_world_teardown(state);
}

static void settle(void) {
    do {
        fake_loop_run();
    } while (fake_runtime_step(w->fake));
}

static int64_t number(const struct cJSON *root, const char *name) {
    int64_t value;
    assert_int_equal(json_get_i64(root, name, &value, NULL), EDGE_OK);
    return value;
}

static void check_disks(const struct cJSON *root) {
    const struct cJSON *disks;
    struct slice text;
    assert_int_equal(json_get_array(root, "disks", &disks, NULL), EDGE_OK);
    for (const struct cJSON *d = json_first(disks); d != NULL; d = json_next(d)) {
        assert_true(number(d, "available_space") <= number(d, "total_space"));
        assert_int_equal(json_get_str(d, "name", &text, NULL), EDGE_OK);
        assert_int_equal(json_get_str(d, "file_system", &text, NULL), EDGE_OK);
        assert_int_equal(json_get_str(d, "file_type", &text, NULL), EDGE_OK);
    }
}

static void test_all_members(void **state) {
    struct cJSON *root = NULL;
    struct slice stats;
    (void)state;
    fake_runtime_add(w->fake, "1", "one", true);
    fake_runtime_add(w->fake, "2", "two", true);
    host.started_ms = clock_mono_ms();
    fake_loop_advance(7900);
    mgmt_system_resources(fake_exchange(&w->api));
    assert_true(fake_exchange_has_op());
    settle();
    assert_int_equal(fake_exchange_status(), 200);
    assert_int_equal(json_parse(slice_str(fake_exchange_text()), &root, NULL), EDGE_OK);
    assert_int_equal(number(root, "process_uptime"), 7);
    assert_true(number(root, "host_uptime") > 0);
    assert_true(number(root, "used_cpu") <= 100);
    assert_true(number(root, "used_ram") < number(root, "total_ram"));
    check_disks(root);
    assert_int_equal(json_get_str(root, "docker_stats", &stats, NULL), EDGE_OK);
    assert_true(slice_eq_str(stats, "[{\"read\":\"now\"},{\"read\":\"now\"}]"));
    assert_true(w->api.cpu.total > 0);
    json_free(root);
}

static void test_engine_away(void **state) {
    (void)state;
    fake_runtime_fail(w->fake, EDGE_NET);
    mgmt_system_resources(fake_exchange(&w->api));
    settle();
    assert_int_equal(fake_exchange_status(), 503);
    assert_non_null(strstr(fake_exchange_text(), "Could not query system resources"));
}

/* The request has nothing that could be wrong. */
static void test_engine_refuses(void **state) {
    (void)state;
    fake_runtime_fail(w->fake, EDGE_NOT_FOUND);
    mgmt_system_resources(fake_exchange(&w->api));
    settle();
    assert_int_equal(fake_exchange_status(), 500);
}

static void test_cannot_ask(void **state) {
    (void)state;
    fake_runtime_refuse(w->fake, EDGE_BUSY);
    mgmt_system_resources(fake_exchange(&w->api));
    settle();
    assert_int_equal(fake_exchange_status(), 503);
    fake_exchange_end();
    fake_worker_fail(EDGE_BUSY);
    mgmt_system_resources(fake_exchange(&w->api));
    fake_worker_fail(EDGE_OK);
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_client_leaves(void **state) {
    (void)state;
    mgmt_system_resources(fake_exchange(&w->api));
    fake_exchange_leave(); /* while the worker has it */
    settle();
    assert_int_equal(fake_runtime_open(w->fake), 0);
    fake_exchange_end();
    mgmt_system_resources(fake_exchange(&w->api));
    fake_loop_run();
    assert_int_equal(fake_runtime_open(w->fake), 1);
    fake_exchange_leave();
    settle();
}

/* A disk that hangs keeps nobody waiting for long. */
static void test_disk_hangs(void **state) {
    (void)state;
    mgmt_system_resources(fake_exchange(&w->api));
    assert_true(fake_loop_step()); /* the numbers of the machine, */
    assert_true(fake_loop_step()); /* and their way back */
    fake_worker_hold(true);
    fake_loop_advance(HOST_DISKS_WAIT_MS);
    settle();
    assert_int_equal(fake_exchange_status(), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"disks\":[]"));
    fake_exchange_end();
    fake_worker_hold(false);
    fake_loop_run();
    mgmt_system_resources(fake_exchange(&w->api));
    assert_true(fake_loop_step());
    assert_true(fake_loop_step());
    fake_worker_hold(true);
    fake_exchange_leave();
    fake_loop_advance(HOST_DISKS_WAIT_MS);
    fake_worker_hold(false);
    settle();
    host_disks_stop(w->api.disks);
    fake_exchange_end();
    mgmt_system_resources(fake_exchange(&w->api));
    settle();
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_too_many(void **state) {
    (void)state;
    w->api.resources_cnt = 4;
    mgmt_system_resources(fake_exchange(&w->api));
    assert_int_equal(fake_exchange_status(), 503);
    assert_int_equal(fake_exchange_retry_after(), 5);
    w->api.resources_cnt = 0;
}

static enum edge_code one_round(void *data) {
    (void)data;
    mgmt_system_resources(fake_exchange(&w->api));
    settle();
    enum edge_code code = fake_exchange_status() == 200 ? EDGE_OK : EDGE_NOMEM;
    fake_exchange_end();
    assert_int_equal(w->api.resources_cnt, 0);
    return code;
}

static void test_memory(void **state) {
    (void)state;
    fake_runtime_add(w->fake, "1", "one", true);
    assert_true(alloc_fail_torture(one_round, NULL) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_all_members),   T(test_engine_away), T(test_engine_refuses), T(test_cannot_ask),
        T(test_client_leaves), T(test_disk_hangs),  T(test_too_many),       T(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
