/* SPDX-License-Identifier: MIT */
/*
 * The list of modules, member by member.
 */
#include "api/api.h"

#include "base/json.h"
#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct {
    runtime_modules_fn *done;
    void *data;
    enum edge_code code;
    char name[RUNTIME_NAME_MAX + 1];
} env;

static enum edge_code modules(struct runtime *rt, runtime_modules_fn *done, void *data,
                              struct op *ret_op, struct edge_error *err) {
    (void)rt;
    if (env.code != EDGE_OK) {
        return edge_set(err, env.code, "too many lists of modules at once");
    }
    env.done = done;
    env.data = data;
    *ret_op = (struct op){3, 1};
    return EDGE_OK;
}

static enum edge_code inspect_module(struct runtime *rt, const char *name, runtime_modules_fn *done,
                                     void *data, struct op *ret_op, struct edge_error *err) {
    assert_true(slice_to_array(slice_str(name), env.name, sizeof(env.name)));
    return modules(rt, done, data, ret_op, err);
}

static const struct runtime_ops ops = {.modules = modules, .inspect_module = inspect_module};
static struct runtime runtime = {&ops};
static struct api api;

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    api.runtime = &runtime;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    return 0;
}

static void test_whole_answer(void **unused) {
    struct cJSON *labels = NULL;
    struct runtime_module list[] = {
        {.name = "edgeHub",
         .image = "reg/hub:1",
         .image_id = "sha256:ab",
         .status = RUNTIME_STATUS_FAILED,
         .state = "exited",
         .started = "2026-11-23T20:57:06.374705508Z",
         .finished = "2026-11-23T20:58:06Z",
         .has_exit_code = true,
         .exit_code = 137},
        {.name = "fresh", .image = "i", .status = RUNTIME_STATUS_STOPPED, .state = "created"},
        {.name = "odd",
         .image = "i",
         .has_exit_code = true,
         .exit_code = 0,
         .started = "2026-11-23T20:57:06Z"},
    };
    (void)unused;
    assert_int_equal(json_parse(slice_str("{\"a.b\":\"{\\\"x\\\":\\\"\\u00e4\\\"}\",\"z\":\"\"}"),
                                &labels, NULL),
                     EDGE_OK);
    list[0].labels = labels;
    mgmt_modules_list(fake_exchange(&api));
    assert_true(fake_exchange_has_op());
    env.done(env.data, EDGE_OK, list, EDGE_ARRAY_LEN(list), NULL);
    json_free(labels);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(
        fake_exchange_text(),
        "{\"modules\":["
        "{\"id\":\"id\",\"name\":\"edgeHub\",\"type\":\"docker\",\"config\":{\"settings\":"
        "{\"image\":\"reg/hub:1\",\"imageHash\":\"sha256:ab\",\"createOptions\":{\"Labels\":"
        "{\"a.b\":\"{\\\"x\\\":\\\"\xc3\xa4\\\"}\",\"z\":\"\"}}},\"env\":[]},\"status\":"
        "{\"startTime\":\"2026-11-23T20:57:06.374705508Z\",\"exitStatus\":{\"exitTime\":"
        "\"2026-11-23T20:58:06Z\",\"statusCode\":\"137\"},\"runtimeStatus\":{\"status\":\"failed\","
        "\"description\":\"exited\"}}},"
        "{\"id\":\"id\",\"name\":\"fresh\",\"type\":\"docker\",\"config\":{\"settings\":"
        "{\"image\":\"i\",\"createOptions\":{}},\"env\":[]},\"status\":{\"runtimeStatus\":"
        "{\"status\":\"stopped\",\"description\":\"created\"}}},"
        "{\"id\":\"id\",\"name\":\"odd\",\"type\":\"docker\",\"config\":{\"settings\":"
        "{\"image\":\"i\",\"createOptions\":{}},\"env\":[]},\"status\":{\"startTime\":"
        "\"2026-11-23T20:57:06Z\",\"runtimeStatus\":{\"status\":\"unknown\"}}}]}");
}

static void test_no_modules(void **unused) {
    (void)unused;
    mgmt_modules_list(fake_exchange(&api));
    env.done(env.data, EDGE_OK, NULL, 0, NULL);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(), "{\"modules\":[]}");
}

static void test_status_words(void **unused) {
    static const char *const words[] = {
        [RUNTIME_STATUS_UNKNOWN] = "\"status\":\"unknown\"",
        [RUNTIME_STATUS_RUNNING] = "\"status\":\"running\"",
        [RUNTIME_STATUS_STOPPED] = "\"status\":\"stopped\"",
        [RUNTIME_STATUS_FAILED] = "\"status\":\"failed\"",
        [RUNTIME_STATUS_DEAD] = "\"status\":\"dead\"",
    };
    (void)unused;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(words); i++) {
        const struct runtime_module m = {
            .name = "a", .image = "i", .status = (enum runtime_status)i};
        mgmt_modules_list(fake_exchange(&api));
        env.done(env.data, EDGE_OK, &m, 1, NULL);
        assert_non_null(strstr(fake_exchange_text(), words[i]));
        if (i + 1 < EDGE_ARRAY_LEN(words)) {
            fake_exchange_end();
        }
    }
}

/* The request has nothing to be wrong about: 4xx would stop clients from trying again. */
static void test_failures(void **unused) {
    static const struct {
        enum edge_code code;
        int status;
    } rows[] = {
        {EDGE_NET, 503},       {EDGE_TIMEOUT, 503},  {EDGE_BUSY, 503},  {EDGE_REMOTE, 500},
        {EDGE_NOT_FOUND, 500}, {EDGE_INVALID, 500},  {EDGE_RANGE, 500}, {EDGE_PROTO, 500},
        {EDGE_DENIED, 500},    {EDGE_CONFLICT, 500}, {EDGE_PARSE, 500},
    };
    struct edge_error err;
    (void)unused;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        (void)edge_set(&err, rows[i].code, "nobody answers at '/run/docker.sock'");
        mgmt_modules_list(fake_exchange(&api));
        env.done(env.data, rows[i].code, NULL, 0, &err);
        assert_int_equal(fake_exchange_status(), rows[i].status);
        assert_non_null(strstr(fake_exchange_text(), "/run/docker.sock"));
        fake_exchange_end();
    }
    env.code = EDGE_BUSY;
    mgmt_modules_list(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_client_leaves(void **unused) {
    (void)unused;
    mgmt_modules_list(fake_exchange(&api));
    fake_exchange_leave();
    env.done(env.data, EDGE_OK, NULL, 0, NULL);
}

/* --- One module --- */

static void get(const char *name) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_params(name, NULL);
    mgmt_modules_get(x);
}

static void test_get(void **unused) {
    const struct runtime_module m = {
        .name = "edgeHub", .image = "i", .status = RUNTIME_STATUS_RUNNING, .state = "running"};
    (void)unused;
    get("edgeHub");
    assert_true(fake_exchange_has_op());
    assert_string_equal(env.name, "edgeHub");
    env.done(env.data, EDGE_OK, &m, 1, NULL);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(),
                        "{\"id\":\"id\",\"name\":\"edgeHub\",\"type\":\"docker\",\"config\":"
                        "{\"settings\":{\"image\":\"i\",\"createOptions\":{}},\"env\":[]},"
                        "\"status\":{\"runtimeStatus\":{\"status\":\"running\",\"description\":"
                        "\"running\"}}}");
}

static void test_get_fails(void **unused) {
    static const struct {
        enum edge_code code;
        int status;
    } rows[] = {{EDGE_NOT_FOUND, 404}, {EDGE_NET, 503},   {EDGE_TIMEOUT, 503},
                {EDGE_REMOTE, 500},    {EDGE_PARSE, 500}, {EDGE_RANGE, 500}};
    struct edge_error err;
    (void)unused;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        get("m");
        (void)edge_set(&err, rows[i].code, "so it is");
        env.done(env.data, rows[i].code, NULL, 0, &err);
        assert_int_equal(fake_exchange_status(), rows[i].status);
        assert_string_equal(fake_exchange_text(), "Could not get module\n\tcaused by: so it is");
        fake_exchange_end();
    }
    env.code = EDGE_BUSY;
    get("m");
    assert_int_equal(fake_exchange_status(), 503);
}

/* Such a name would be something else in the path of a request to the engine. */
static void test_get_odd_names(void **unused) {
    static const char *const names[] = {"", "..", "x/json?", "$edgeAgent", "a b", "\xc3\xa4", "-a"};
    (void)unused;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        get(names[i]);
        assert_int_equal(fake_exchange_status(), 404);
        assert_null(env.done);
        if (i + 1 < EDGE_ARRAY_LEN(names)) {
            fake_exchange_end();
        }
    }
}

static void test_get_client_leaves(void **unused) {
    const struct runtime_module m = {.name = "m", .image = "i"};
    (void)unused;
    get("m");
    fake_exchange_leave();
    env.done(env.data, EDGE_OK, &m, 1, NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_whole_answer), T(test_no_modules),    T(test_status_words),
        T(test_failures),     T(test_client_leaves), T(test_get),
        T(test_get_fails),    T(test_get_odd_names), T(test_get_client_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
