/* SPDX-License-Identifier: MIT */
/*
 * The status route: the report of the moment.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "fake_loop.h"
#include "fake_wall.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct provisioning_status status;

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return &status;
}

const char *provisioning_state_name(enum provisioning_state state) {
    return state == PROVISIONING_ASSIGNED ? "assigned" : "other";
}

static struct edge_config cfg;
static struct api api;

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    memset(&status, 0, sizeof(status));
    status.state = PROVISIONING_ASSIGNED;
    status.key_store = HSM_STATE_LOCKOUT;
    api = (struct api){.config = &cfg, .wall = fake_wall_new()};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    wall_free(api.wall);
    fake_loop_clear();
    return 0;
}

static void test_report(void **state) {
    (void)state;
    fake_wall_set(api.wall, WALL_WRONG, 0);
    mgmt_status(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"state\":\"assigned\""));
    assert_non_null(strstr(fake_exchange_text(), "\"clock\":{\"state\":\"wrong\""));
    assert_non_null(strstr(fake_exchange_text(), "\"state\":\"lockout\""));
    fake_exchange_end();
}

static enum edge_code one_round(void *data) {
    (void)data;
    mgmt_status(fake_exchange(&api));
    fake_exchange_end();
    return fake_exchange_status() == 200 ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(test_report), T(test_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
