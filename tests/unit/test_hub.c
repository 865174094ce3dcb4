/* SPDX-License-Identifier: MIT */
#include "cloud/hub.h"

#include "support/alloc_fail.h"
#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* For hub.example, dev-01, key 0x40 to 0x5f, at the fake loop's start time. */
#define AUTHORIZATION                                                                              \
    "Authorization: SharedAccessSignature sr=hub.example%2Fdevices%2Fdev-01"                       \
    "&sig=QrurIMJdEKgCe4C%2FTLnGnkuNYs%2FuJfd8AOiBLSFRsGI%3D&se=1700000900\n"
#define ACCEPT  "Accept: application/json\n"
#define CONTENT "Content-Type: application/json\n"
#define URL     "https://hub.example/devices/dev-01/modules"
#define VERSION "?api-version=2017-11-08-preview"

struct fixture {
    struct cloud_env env;
    struct hub *hub;
    struct secret primary;
    struct secret secondary;
};

struct result {
    unsigned cnt;
    struct hub_answer answer;
    struct hub_module first;
};

static void on_answer(void *data, const struct hub_answer *answer) {
    struct result *r = data;
    r->cnt++;
    r->answer = *answer;
    if (answer->module_cnt > 0) {
        r->first = answer->modules[0];
    }
}

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){0};
    cloud_env_init(&f.env);
    assert_int_equal(hub_new(f.env.loop, f.env.http, f.env.worker, f.env.hsm, &f.hub, NULL),
                     EDGE_OK);
    assert_int_equal(hub_set_identity(f.hub, "hub.example", "dev-01", 1, NULL), EDGE_OK);
    assert_int_equal(secret_copy(&f.primary, "0123456789abcdef0123456789abcdef", 32, NULL),
                     EDGE_OK);
    assert_int_equal(secret_copy(&f.secondary, "ABCDEF0123456789ABCDEF0123456789", 32, NULL),
                     EDGE_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    secret_clear(&f->primary);
    secret_clear(&f->secondary);
    hub_free(f->hub);
    cloud_env_clear(&f->env);
    return 0;
}

static void assert_call(struct fixture *f, const char *method, const char *url, const char *headers,
                        const char *body) {
    const struct fake_http_call *call = fake_http_call_last(f->env.http);
    assert_string_equal(call->method, method);
    assert_string_equal(call->url, url);
    assert_string_equal(call->headers, headers);
    if (body == NULL) {
        assert_null(call->body);
    } else {
        assert_string_equal(call->body, body);
    }
    assert_true(call->sensitive);
    assert_int_equal(call->timeout_ms, HUB_TIMEOUT_MS);
}

static void test_list_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    char body[1024];
    (void)snprintf(body, sizeof(body), "[%s]", cloud_env_module("$edgeAgent", "9", "", "sas"));
    fake_http_queue_status(f->env.http, 200, body);
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_int_equal(r.answer.module_cnt, 1);
    assert_string_equal(r.first.module_id, "$edgeAgent");
    assert_call(f, "GET", URL VERSION, AUTHORIZATION ACCEPT, NULL);
}

static void test_get_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    fake_http_queue_status(f->env.http, 200, cloud_env_module("$edge#A%", "9", "", "sas"));
    assert_int_equal(hub_get(f->hub, "$edge#A%", on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_call(f, "GET", URL "/$edge%23A%25" VERSION, AUTHORIZATION ACCEPT, NULL);
}

static void test_create_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    const struct hub_module_spec spec = {.module_id = "tempSensor", .managed_by = "IotEdge"};
    fake_http_queue_status(f->env.http, 200,
                           cloud_env_module("tempSensor", "9", "IotEdge", "none"));
    assert_int_equal(hub_create(f->hub, &spec, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_string_equal(r.first.generation_id, "9");
    assert_call(f, "PUT", URL "/tempSensor" VERSION, AUTHORIZATION ACCEPT CONTENT,
                "{\"moduleId\":\"tempSensor\",\"managedBy\":\"IotEdge\",\"deviceId\":\"dev-01\","
                "\"authentication\":{\"type\":\"none\"}}");
}

static void test_update_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    const struct hub_module_spec spec = {
        .module_id = "tempSensor", .primary = &f->primary, .secondary = &f->secondary};
    fake_http_queue_status(f->env.http, 200, cloud_env_module("tempSensor", "9", "", "sas"));
    assert_int_equal(hub_update(f->hub, &spec, on_answer, &r, NULL, NULL), EDGE_OK);
    secret_clear(&f->primary);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_call(
        f, "PUT", URL "/tempSensor" VERSION, AUTHORIZATION ACCEPT CONTENT "If-Match: *\n",
        "{\"moduleId\":\"tempSensor\",\"deviceId\":\"dev-01\",\"authentication\":{\"type\":\"sas\","
        "\"symmetricKey\":{\"primaryKey\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\","
        "\"secondaryKey\":\"QUJDREVGMDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODk=\"}}}");
}

static void test_delete_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    fake_http_queue_status(f->env.http, 204, "");
    assert_int_equal(hub_delete(f->hub, "tempSensor", on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_int_equal(r.answer.http_status, 204);
    assert_call(f, "DELETE", URL "/tempSensor" VERSION, AUTHORIZATION ACCEPT "If-Match: *\n", NULL);
}

static void test_fresh_token_per_request(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    for (int i = 0; i < 3; i++) {
        fake_http_queue_status(f->env.http, 200, "[]");
        assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
        fake_loop_advance(1000);
    }
    assert_int_equal(fake_hsm_sign_cnt(f->env.hsm), 3);
    assert_non_null(strstr(fake_http_call_last(f->env.http)->headers, "&se=1700000902"));
}

static void test_identity(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    struct hub *hub;
    struct edge_error err;
    assert_int_equal(hub_new(f->env.loop, f->env.http, f->env.worker, f->env.hsm, &hub, NULL),
                     EDGE_OK);
    assert_int_equal(hub_list(hub, on_answer, &r, NULL, &err), EDGE_RETRY);
    assert_int_equal(hub_set_identity(hub, "no/host", "d", 1, NULL), EDGE_INVALID);
    assert_int_equal(hub_set_identity(hub, "host", "..", 1, NULL), EDGE_INVALID);
    assert_int_equal(hub_set_identity(hub, NULL, NULL, 1, NULL), EDGE_INVALID);
    assert_int_equal(hub_list(hub, on_answer, &r, NULL, &err), EDGE_RETRY);
    assert_int_equal(r.cnt, 0);
    /* A request in flight keeps the identity it began with. */
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f->hub, "other.example:8443", "dev-02", 1, NULL), EDGE_OK);
    fake_http_queue_status(f->env.http, 200, "[]");
    fake_loop_run();
    assert_call(f, "GET", URL VERSION, AUTHORIZATION ACCEPT, NULL);
    fake_http_queue_status(f->env.http, 200, "[]");
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    const struct fake_http_call *call = fake_http_call_last(f->env.http);
    assert_string_equal(call->url, "https://other.example:8443/devices/dev-02/modules" VERSION);
    assert_non_null(strstr(call->headers, "sr=other.example:8443%2Fdevices%2Fdev-02&"));
    hub_free(hub);
    hub_free(NULL);
}

static void test_bad_arguments(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    static const char *const bad[] = {NULL, "", "a/b", "..", "a b"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        const struct hub_module_spec spec = {.module_id = bad[i]};
        assert_int_equal(hub_get(f->hub, bad[i], on_answer, &r, NULL, NULL), EDGE_INVALID);
        assert_int_equal(hub_delete(f->hub, bad[i], on_answer, &r, NULL, NULL), EDGE_INVALID);
        assert_int_equal(hub_create(f->hub, &spec, on_answer, &r, NULL, NULL), EDGE_INVALID);
    }
    struct hub_module_spec spec = {.module_id = "m", .primary = &f->primary};
    assert_int_equal(hub_update(f->hub, &spec, on_answer, &r, NULL, NULL), EDGE_INVALID);
    struct secret shorter = {0};
    assert_int_equal(secret_copy(&shorter, "abc", 3, NULL), EDGE_OK);
    spec.secondary = &shorter;
    assert_int_equal(hub_update(f->hub, &spec, on_answer, &r, NULL, NULL), EDGE_INVALID);
    secret_clear(&shorter);
    fake_loop_run();
    assert_int_equal(r.cnt, 0);
}

static void test_failures_by_stage(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    fake_hsm_fail(f->env.hsm, 1, EDGE_HSM);
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_LOCAL);
    assert_int_equal(r.answer.err.code, EDGE_HSM);
    assert_int_equal(fake_http_call_cnt(f->env.http), 0);
    fake_http_refuse(f->env.http, EDGE_BUSY);
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_LOCAL);
    assert_int_equal(r.answer.err.code, EDGE_BUSY);
    static const enum edge_code codes[] = {EDGE_NET, EDGE_TIMEOUT, EDGE_RANGE, EDGE_PROTO};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        const struct fake_http_answer answer = {.code = codes[i]};
        fake_http_queue(f->env.http, &answer);
        assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
        fake_loop_run();
        assert_int_equal(r.answer.kind, HUB_TRANSIENT);
        assert_int_equal(r.answer.err.code, codes[i]);
        assert_non_null(strstr(edge_error_text(&r.answer.err), "hub.example"));
    }
    assert_int_equal(r.cnt, 2 + EDGE_ARRAY_LEN(codes));
    const struct fake_http_answer throttled = {
        .status = 429, .body = "{}", .retry_after = "17", .date = "Tue, 14 Nov 2023 22:13:20 GMT"};
    fake_http_queue(f->env.http, &throttled);
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_THROTTLED);
    assert_int_equal(r.answer.retry_after_ms, 17000);
    assert_int_equal(r.answer.date_wall_s, 1700000000);
}

/* Cancels before each step in turn; also when the answer is already there. */
static void test_cancel_at_every_step(void **state) {
    struct fixture *f = *state;
    const struct hub_module_spec spec = {
        .module_id = "tempSensor", .primary = &f->primary, .secondary = &f->secondary};
    bool completed = false;
    for (unsigned steps = 0; !completed; steps++) {
        assert_true(steps < 10);
        struct result r = {0};
        struct op op;
        fake_http_forget(f->env.http);
        fake_http_queue_status(f->env.http, 200, cloud_env_module("tempSensor", "9", "", "sas"));
        assert_int_equal(hub_update(f->hub, &spec, on_answer, &r, &op, NULL), EDGE_OK);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_loop_step();
        }
        completed = r.cnt == 1;
        op_cancel(loop_ops(f->env.loop), op);
        op_cancel(loop_ops(f->env.loop), op);
        assert_int_equal(r.cnt, completed ? 1 : 0);
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        assert_int_equal(r.answer.kind, completed ? HUB_OK : HUB_LOCAL);
        assert_int_equal(r.answer.err.code, completed ? EDGE_OK : EDGE_CANCELED);
    }
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    struct result r[2] = {{0}};
    enum edge_code codes[2];
    struct edge_error err;
    char body[1024];
    (void)snprintf(body, sizeof(body), "[%s]", cloud_env_module("$edgeAgent", "9", "", "sas"));
    fake_http_forget(f->env.http);
    fake_http_queue_status(f->env.http, 200, body);
    codes[0] = hub_list(f->hub, on_answer, &r[0], NULL, &err);
    fake_loop_run();
    fake_http_forget(f->env.http);
    fake_http_queue_status(f->env.http, 403, "{\"Message\":\"ErrorCode:IotHubQuotaExceeded;x\"}");
    codes[1] = hub_get(f->hub, "m", on_answer, &r[1], NULL, &err);
    fake_loop_run();
    fake_http_forget(f->env.http);
    for (size_t i = 0; i < 2; i++) {
        enum hub_kind good = i == 0 ? HUB_OK : HUB_THROTTLED;
        assert_int_equal(r[i].cnt, codes[i] == EDGE_OK ? 1 : 0);
        if (codes[i] == EDGE_OK && r[i].answer.kind != good) {
            assert_int_equal(r[i].answer.kind, HUB_LOCAL);
            codes[i] = r[i].answer.err.code;
        }
        assert_true(codes[i] == EDGE_OK || codes[i] == EDGE_NOMEM || codes[i] == EDGE_CRYPTO);
    }
    return codes[0] == EDGE_OK ? codes[1] : codes[0];
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_update_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fresh_token_per_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_by_stage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
