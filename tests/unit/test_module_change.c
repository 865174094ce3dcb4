/* SPDX-License-Identifier: MIT */
/*
 * From a change to its answer: statuses, texts, callers that leave.
 */
#include "api/module_change.h"

#include "api/api.h"
#include "fake_exchange.h"
#include "modules_world.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct modules_world *const w = &modules_world;

static void run(int status, const char *json) {
    const struct module_order order = {.change = MODULE_START, .name = "m"};
    struct http_exchange *x = fake_exchange(&w->api);
    struct buf body;
    buf_init(&body, 64);
    if (json != NULL) {
        assert_int_equal(buf_append_str(&body, json, NULL), EDGE_OK);
    }
    module_change_run(x, &order, "start", status, json != NULL ? &body : NULL);
    buf_clear(&body);
}

static void test_answers(void **state) {
    (void)state;
    fake_runtime_add(w->fake, "1", "m", true);
    run(204, NULL);
    assert_true(fake_exchange_detached());
    assert_int_equal(fake_exchange_answers(), 0);
    fake_runtime_run(w->fake);
    assert_int_equal(fake_exchange_status(), 204);
    assert_string_equal(fake_exchange_text(), "");
    fake_exchange_end();
    run(201, "{\"a\":1}");
    fake_runtime_run(w->fake);
    assert_int_equal(fake_exchange_status(), 201);
    assert_string_equal(fake_exchange_text(), "{\"a\":1}");
    fake_exchange_end();
}

static void test_failures(void **state) {
    static const struct {
        enum edge_code code;
        int status;
    } rows[] = {
        {EDGE_NOT_FOUND, 404}, {EDGE_CONFLICT, 409}, {EDGE_EXISTS, 409},   {EDGE_INVALID, 400},
        {EDGE_REMOTE, 500},    {EDGE_DENIED, 500},   {EDGE_NET, 503},      {EDGE_TIMEOUT, 503},
        {EDGE_BUSY, 503},      {EDGE_PROTO, 500},    {EDGE_CANCELED, 503}, {EDGE_PARSE, 500},
        {EDGE_RANGE, 500},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        fake_runtime_fail(w->fake, rows[i].code);
        run(201, "{}");
        fake_runtime_run(w->fake);
        assert_int_equal(fake_exchange_status(), rows[i].status);
        assert_string_equal(fake_exchange_text(),
                            "Could not start module m\n\tcaused by: failed by the test");
        fake_exchange_end();
    }
    fake_runtime_refuse(w->fake, EDGE_BUSY);
    run(204, NULL);
    assert_int_equal(fake_exchange_status(), 503);
    fake_exchange_end();
}

/* The work goes on. */
static void test_caller_leaves(void **state) {
    (void)state;
    fake_runtime_add(w->fake, "1", "m", true);
    run(204, NULL);
    fake_exchange_leave();
    fake_runtime_run(w->fake);
    assert_string_equal(fake_runtime_journal(w->fake), "start m");
    fake_runtime_remove(w->fake, "1");
    run(204, NULL);
    fake_exchange_leave();
    fake_runtime_run(w->fake);
    assert_string_equal(fake_runtime_journal(w->fake), "start m; start m!");
}

static void test_names(void **state) {
    static const char next_name[] = "m" RUNTIME_NEXT_SUFFIX;
    static const char *const odd[] = {"",    ".",    "..", "a/b",    "$edgeAgent", "%24edgeAgent",
                                      "a?b", "a\nb", "_a", next_name};
    char longest[RUNTIME_MODULE_MAX + 2];
    char name[RUNTIME_NAME_MAX + 1];
    (void)state;
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 0; i < EDGE_ARRAY_LEN(odd) + 1; i++) {
        struct http_exchange *x = fake_exchange(&w->api);
        longest[sizeof(longest) - 1] = '\0';
        fake_exchange_set_params(i < EDGE_ARRAY_LEN(odd) ? odd[i] : longest, NULL);
        assert_false(module_change_name(x, "stop", name));
        assert_int_equal(fake_exchange_status(), 404);
        assert_string_equal(fake_exchange_text(), "Could not stop module\n\tcaused by: no module "
                                                  "can have the name in the path");
        fake_exchange_end();
    }
    longest[RUNTIME_MODULE_MAX] = '\0';
    struct http_exchange *x = fake_exchange(&w->api);
    fake_exchange_set_params(longest, NULL);
    assert_true(module_change_name(x, "stop", name));
    assert_string_equal(name, longest);
}

static enum edge_code one_round(void *data) {
    (void)data;
    run(204, NULL);
    int status = fake_exchange_status();
    assert_int_equal(fake_exchange_answers(), 1);
    return status == 503 ? EDGE_OK : EDGE_NOMEM;
}

static void test_memory_is_short(void **state) {
    (void)state;
    fake_runtime_refuse(w->fake, EDGE_BUSY);
    assert_true(alloc_fail_torture(one_round, NULL) >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MODULES_WORLD_TEST(test_answers),         MODULES_WORLD_TEST(test_failures),
        MODULES_WORLD_TEST(test_caller_leaves),   MODULES_WORLD_TEST(test_names),
        MODULES_WORLD_TEST(test_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
