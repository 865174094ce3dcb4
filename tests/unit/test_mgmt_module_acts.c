/* SPDX-License-Identifier: MIT */
/*
 * Start, stop, restart, removal: which call each makes and what is answered.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "modules_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct modules_world *const w = &modules_world;

static void ask(http_handler_fn *handler, const char *name) {
    struct http_exchange *x = fake_exchange(&w->api);
    fake_exchange_set_params(name, NULL);
    fake_runtime_journal_clear(w->fake);
    handler(x);
    fake_runtime_run(w->fake);
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
        fake_runtime_add(w->fake, "1", "m", true);
        ask(acts[i].handler, "m");
        assert_int_equal(fake_exchange_status(), 204);
        assert_string_equal(fake_exchange_text(), "");
        fake_exchange_end();
        bool removes = acts[i].handler == mgmt_modules_delete;
        (void)snprintf(want, sizeof(want), "%s%s m",
                       removes ? "remove m" RUNTIME_NEXT_SUFFIX "!; " : "", acts[i].what);
        assert_string_equal(fake_runtime_journal(w->fake), want);
        if (!removes) {
            fake_runtime_remove(w->fake, "1");
        }
    }
}

/* A container without our label is not there either. */
static void test_not_there(void **state) {
    static const char *const names[] = {"nobody", "foreign", "../m", "$m"};
    char want[64];
    (void)state;
    fake_runtime_add(w->fake, "1", "foreign", false);
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

int main(void) {
    const struct CMUnitTest tests[] = {MODULES_WORLD_TEST(test_done),
                                       MODULES_WORLD_TEST(test_not_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
