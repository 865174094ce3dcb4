/* SPDX-License-Identifier: MIT */
/*
 * Start, stop, restart, removal: which call each makes and what is answered.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* Not asked by these routes; the real one would bring the real loop with it. */
const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return NULL;
}

static struct fake_runtime *fake;
static struct api api;

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    fake = fake_runtime_new(fake_loop());
    memset(&api, 0, sizeof(api));
    api.runtime = fake_runtime_get(fake);
    assert_int_equal(module_ops_new(fake_loop(), api.runtime, &api.module_ops, NULL), EDGE_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    module_ops_free(api.module_ops);
    fake_runtime_free(fake);
    fake_loop_clear();
    return 0;
}

static void ask(http_handler_fn *handler, const char *name) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_params(name, NULL);
    fake_runtime_journal_clear(fake);
    handler(x);
    fake_runtime_run(fake);
}

static const struct {
    http_handler_fn *handler;
    const char *what;
} acts[] = {
    {mgmt_modules_start, "start"},
    {mgmt_modules_stop, "stop"},
    {mgmt_modules_restart, "restart"},
    {mgmt_modules_delete, "remove"},
};

static void test_done(void **state) {
    char want[64];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(acts); i++) {
        fake_runtime_add(fake, "1", "m", true);
        ask(acts[i].handler, "m");
        assert_int_equal(fake_exchange_status(), 204);
        assert_string_equal(fake_exchange_text(), "");
        fake_exchange_end();
        (void)snprintf(want, sizeof(want), "%s m", acts[i].what);
        assert_string_equal(fake_runtime_journal(fake), want);
        if (acts[i].handler != mgmt_modules_delete) {
            fake_runtime_remove(fake, "1");
        }
    }
}

/* A container without our label is not there either. */
static void test_not_there(void **state) {
    static const char *const names[] = {"nobody", "foreign", "../m", "$m"};
    char want[64];
    (void)state;
    fake_runtime_add(fake, "1", "foreign", false);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(acts); i++) {
        for (size_t j = 0; j < EDGE_ARRAY_LEN(names); j++) {
            ask(acts[i].handler, names[j]);
            assert_int_equal(fake_exchange_status(), 404);
            (void)snprintf(want, sizeof(want), "Could not %s module", acts[i].what);
            assert_non_null(strstr(fake_exchange_text(), want));
            fake_exchange_end();
        }
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(test_done), T(test_not_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
