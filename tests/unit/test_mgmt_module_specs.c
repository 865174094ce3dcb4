/* SPDX-License-Identifier: MIT */
/*
 * Create, update and prepareupdate: what is done, in which order, and what is answered.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "modules_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define REPLACED "create m" RUNTIME_NEXT_SUFFIX "; remove m; rename m" RUNTIME_NEXT_SUFFIX
#define SETTINGS "\"config\":{\"settings\":{\"image\":\"a:1\",\"auth\":{\"password\":\"pw\"}}}"
#define BODY     "{\"name\":\"m\",\"type\":\"docker\"," SETTINGS "}"
#define NEVER    "{\"name\":\"m\",\"type\":\"docker\",\"imagePullPolicy\":\"Never\"," SETTINGS "}"
#define DETAILS(status)                                                                            \
    "{\"id\":\"m\",\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":"        \
    "\"a:1\"}},\"status\":{\"runtimeStatus\":{\"status\":\"" status "\"}}}"

static struct modules_world *const w = &modules_world;

static int setup(void **state) {
    int rc = modules_world_setup(state);
    w->config.allow_elevated = true;
    return rc;
}

static void ask(http_handler_fn *handler, const char *name, const char *query, const char *body) {
    struct http_exchange *x = fake_exchange(&w->api);
    fake_exchange_set_params(name, NULL);
    fake_exchange_set_target(query);
    fake_exchange_set_body(body);
    fake_runtime_journal_clear(w->fake);
    handler(x);
}

static void check(const char *journal, int status, const char *text) {
    fake_runtime_run(w->fake);
    assert_string_equal(fake_runtime_journal(w->fake), journal);
    assert_int_equal(fake_exchange_status(), status);
    if (text != NULL) {
        assert_string_equal(fake_exchange_text(), text);
    }
    fake_exchange_end();
}

static void test_create(void **state) {
    (void)state;
    ask(mgmt_modules_create, NULL, "/modules?api-version=x", BODY);
    assert_true(fake_exchange_detached());
    check("pull a:1; create m", 201, DETAILS("stopped"));
    assert_true(fake_exchange_was_sensitive());
    assert_string_equal(fake_runtime_last_auth(w->fake), "{\"password\":\"pw\"}");
    ask(mgmt_modules_create, NULL, "/modules?api-version=x", BODY);
    check("pull a:1; create m!", 409, NULL);
    ask(mgmt_modules_create, NULL, "/modules?api-version=x", NEVER);
    check("create m!", 409, "Could not create module m\n\tcaused by: failed by the test");
}

static void test_create_refused(void **state) {
    (void)state;
    ask(mgmt_modules_create, NULL, "/modules", "{");
    check("", 400, NULL);
    assert_non_null(strstr(fake_exchange_text(), "Request body is malformed"));
    fake_runtime_fail_call(w->fake, FAKE_RUNTIME_PULL, EDGE_NOT_FOUND);
    ask(mgmt_modules_create, NULL, "/modules", BODY);
    check("pull a:1!", 404, NULL);
}

static void test_privileges(void **state) {
    (void)state;
    w->config.allow_elevated = false;
    ask(mgmt_modules_create, NULL, "/modules", BODY);
    check("pull a:1; create m", 201, NULL);
    assert_non_null(strstr(fake_runtime_last_body(w->fake), "CAP_SETUID"));
}

static void test_prepare(void **state) {
    (void)state;
    ask(mgmt_modules_prepare_update, "m", "/", BODY);
    assert_true(fake_exchange_detached());
    check("pull a:1", 204, "");
    ask(mgmt_modules_prepare_update, "m", "/", NEVER);
    check("", 204, "");
    ask(mgmt_modules_prepare_update, "other", "/", BODY);
    check("", 400, NULL);
    ask(mgmt_modules_prepare_update, "$m", "/", BODY);
    check("", 404, NULL);
    fake_runtime_fail_call(w->fake, FAKE_RUNTIME_PULL, EDGE_DENIED);
    ask(mgmt_modules_prepare_update, "m", "/", BODY);
    check("pull a:1!", 500, NULL);
}

static void test_update(void **state) {
    static const struct {
        const char *query;
        bool start;
    } rows[] = {
        {"/m?api-version=x", false}, {"/m?start=true", true},   {"/m?start=false", false},
        {"/m?start=True", true},     {"/m?start=False", false}, {"/m?start=true&start=no", true},
    };
    (void)state;
    ask(mgmt_modules_update, "m", "/m", BODY);
    check("", 404, NULL);
    fake_runtime_add(w->fake, "1", "m", true);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        ask(mgmt_modules_update, "m", rows[i].query, BODY);
        if (rows[i].start) {
            check("pull a:1; " REPLACED "; start m", 200, DETAILS("running"));
        } else {
            check("pull a:1; " REPLACED, 200, DETAILS("stopped"));
        }
    }
}

static void test_update_refused(void **state) {
    (void)state;
    fake_runtime_add(w->fake, "1", "m", true);
    fake_runtime_add(w->fake, "2", "n", true);
    ask(mgmt_modules_update, "m", "/m?start=maybe", BODY);
    check("", 400, "The request parameter `start` is malformed");
    ask(mgmt_modules_update, "m", "/m?start=", BODY);
    check("", 400, NULL);
    ask(mgmt_modules_update, "n", "/n", BODY);
    check("", 400, NULL);
    ask(mgmt_modules_update, "m/../n", "/n", BODY);
    check("", 404, NULL);
    ask(mgmt_modules_update, "m", "/m", "null");
    check("", 400, NULL);
    fake_runtime_fail_call(w->fake, FAKE_RUNTIME_PULL, EDGE_REMOTE);
    ask(mgmt_modules_update, "m", "/m", BODY);
    check("pull a:1!", 500, NULL); /* and the old one still runs */
}

/* edgeAgent's update of itself: its container, and with it the connection, goes on the way. */
static void test_caller_is_replaced(void **state) {
    (void)state;
    fake_runtime_add(w->fake, "1", "m", true);
    ask(mgmt_modules_update, "m", "/m?start=true", BODY);
    for (unsigned i = 0; i < 3; i++) { /* look, pull, remove */
        assert_true(fake_runtime_step(w->fake));
    }
    fake_exchange_leave();
    fake_runtime_run(w->fake);
    assert_string_equal(fake_runtime_journal(w->fake), "pull a:1; " REPLACED "; start m");
    fake_exchange_end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, modules_world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_create), T(test_create_refused), T(test_privileges),         T(test_prepare),
        T(test_update), T(test_update_refused), T(test_caller_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
