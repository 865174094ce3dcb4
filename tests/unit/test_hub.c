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
    assert_int_equal(hub_new(&f.env.cloud, &f.hub, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f.hub, "hub.example", "dev-01", CLOUD_ENV_KEY, 1, NULL),
                     EDGE_OK);
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
    assert_int_equal(hub_new(&f->env.cloud, &hub, NULL), EDGE_OK);
    assert_int_equal(hub_list(hub, on_answer, &r, NULL, &err), EDGE_RETRY);
    assert_int_equal(hub_set_identity(hub, "no/host", "d", CLOUD_ENV_KEY, 1, NULL), EDGE_INVALID);
    assert_int_equal(hub_set_identity(hub, "host", "..", CLOUD_ENV_KEY, 1, NULL), EDGE_INVALID);
    assert_int_equal(hub_set_identity(hub, NULL, NULL, CLOUD_ENV_KEY, 1, NULL), EDGE_INVALID);
    assert_int_equal(hub_list(hub, on_answer, &r, NULL, &err), EDGE_RETRY);
    assert_int_equal(r.cnt, 0);
    /* A request in flight keeps the identity it began with. */
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(
        hub_set_identity(f->hub, "other.example:8443", "dev-02", CLOUD_ENV_KEY, 1, NULL), EDGE_OK);
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

/* --- Who we are, and what the hub thinks of it --- */

struct verdicts {
    unsigned accepted_cnt;
    unsigned refused_cnt;
    uint64_t serial;
    enum hub_kind kind;
    const struct result *waiting; /* must not have its answer yet */
};

static void on_verdict(void *data, bool accepted, const struct hub_answer *answer) {
    struct verdicts *v = data;
    v->accepted_cnt += accepted ? 1 : 0;
    v->refused_cnt += accepted ? 0 : 1;
    v->serial = answer->identity_serial;
    v->kind = answer->kind;
    if (v->waiting != NULL) {
        assert_int_equal(v->waiting->cnt, 0);
    }
}

/* The answer to hub_list (module NULL) or hub_get when the hub answers so, to each try. */
static struct result ask(struct fixture *f, const char *module, int status, const char *body) {
    struct result r = {0};
    fake_http_forget(f->env.http);
    fake_http_queue_status(f->env.http, status, body);
    fake_http_queue_status(f->env.http, status, body);
    assert_int_equal(module != NULL ? hub_get(f->hub, module, on_answer, &r, NULL, NULL)
                                    : hub_list(f->hub, on_answer, &r, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    return r;
}

static void test_verdicts(void **state) {
    struct fixture *f = *state;
    struct verdicts v = {0};
    hub_on_verdict(f->hub, on_verdict, &v);
    (void)ask(f, NULL, 500, "");
    (void)ask(f, NULL, 429, "");
    (void)ask(f, "m", 404, "{}");
    assert_int_equal(v.accepted_cnt + v.refused_cnt, 0);
    (void)ask(f, NULL, 200, "[]");
    (void)ask(f, NULL, 200, "[]");
    assert_int_equal(v.accepted_cnt, 1);
    assert_int_equal(v.serial, 1);
    /* Each refusal is told, and the first success after it. */
    (void)ask(f, NULL, 401, "");
    (void)ask(f, "m", 403, "");
    (void)ask(f, NULL, 404, "");
    struct result r = ask(f, "m", 404, "{\"Message\":\"ErrorCode:DeviceNotFound;x\"}");
    assert_true(r.answer.is_device_unknown);
    assert_int_equal(v.refused_cnt, 4);
    assert_int_equal(v.accepted_cnt, 1);
    (void)ask(f, NULL, 200, "[]");
    (void)ask(f, NULL, 200, "[]");
    assert_int_equal(v.accepted_cnt, 2);
    /* Another identity has to be accepted anew, the same one set again has not. */
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", CLOUD_ENV_KEY, 1, NULL),
                     EDGE_OK);
    (void)ask(f, NULL, 200, "[]");
    assert_int_equal(v.accepted_cnt, 2);
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", CLOUD_ENV_KEY, 9, NULL),
                     EDGE_OK);
    r = ask(f, NULL, 200, "[]");
    assert_int_equal(r.answer.identity_serial, 9);
    assert_int_equal(v.accepted_cnt, 3);
    assert_int_equal(v.serial, 9);
    /* A key that cannot sign any more is as bad as a refused one; a busy store is not. */
    fake_hsm_fail(f->env.hsm, 1, EDGE_DENIED);
    (void)ask(f, NULL, 200, "[]");
    assert_int_equal(v.refused_cnt, 5);
    assert_int_equal(v.kind, HUB_LOCAL);
    fake_hsm_fail(f->env.hsm, 1, EDGE_BUSY);
    (void)ask(f, NULL, 200, "[]");
    assert_int_equal(v.refused_cnt, 5);
    hub_on_verdict(f->hub, NULL, NULL);
    (void)ask(f, NULL, 401, "");
}

/* An answer to the identity before says nothing good about this one. */
static void test_verdict_of_the_past(void **state) {
    struct fixture *f = *state;
    struct verdicts v = {0};
    struct result r = {0};
    hub_on_verdict(f->hub, on_verdict, &v);
    v.waiting = &r;
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-02", CLOUD_ENV_KEY, 2, NULL),
                     EDGE_OK);
    fake_http_queue_status(f->env.http, 200, "[]");
    fake_loop_run();
    assert_int_equal(v.accepted_cnt, 0);
    v.waiting = NULL;
    (void)ask(f, NULL, 200, "[]");
    assert_int_equal(v.accepted_cnt, 1);
    /* A late refusal of the old one carries its serial, and this one stays accepted. */
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-03", CLOUD_ENV_KEY, 3, NULL),
                     EDGE_OK);
    fake_http_forget(f->env.http);
    fake_http_queue_status(f->env.http, 403, "");
    fake_loop_run();
    assert_int_equal(v.refused_cnt, 1);
    assert_int_equal(v.serial, 2);
}

static void test_second_try_after_401(void **state) {
    struct fixture *f = *state;
    struct verdicts v = {0};
    struct result r = {0};
    const struct hub_module_spec spec = {.module_id = "tempSensor", .managed_by = "IotEdge"};
    const struct fake_http_answer refusal = {
        .status = 401, .body = "", .date = "Wed, 15 Nov 2023 22:13:20 GMT"};
    hub_on_verdict(f->hub, on_verdict, &v);
    f->env.wall.takes_hints = true;
    fake_http_queue(f->env.http, &refusal);
    fake_http_queue_status(f->env.http, 200,
                           cloud_env_module("tempSensor", "9", "IotEdge", "none"));
    assert_int_equal(hub_create(f->hub, &spec, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_int_equal(v.refused_cnt, 0);
    assert_int_equal(v.accepted_cnt, 1);
    assert_int_equal(fake_http_call_cnt(f->env.http), 2);
    const struct fake_http_call *first = fake_http_call_get(f->env.http, 0);
    const struct fake_http_call *second = fake_http_call_get(f->env.http, 1);
    assert_string_equal(first->body, second->body);
    assert_string_equal(first->url, second->url);
    assert_non_null(strstr(first->headers, "&se=1700000900\n"));
    assert_non_null(strstr(second->headers, "&se=1700087300\n"));
    assert_int_equal(f->env.wall.hint_cnt, 1);
    /* The second 401 counts; with the clock corrected, it is not the clock's fault. */
    fake_http_forget(f->env.http);
    fake_http_queue(f->env.http, &refusal);
    fake_http_queue(f->env.http, &refusal);
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.cnt, 2);
    assert_int_equal(r.answer.kind, HUB_REFUSED);
    assert_int_equal(v.refused_cnt, 1);
    assert_int_equal(fake_http_call_cnt(f->env.http), 2);
    assert_null(strstr(edge_error_text(&r.answer.err), "ahead of"));
}

/* When no second token can be had, that is the answer. */
static void test_second_token_fails(void **state) {
    struct fixture *f = *state;
    struct verdicts v = {0};
    struct result r = {0};
    hub_on_verdict(f->hub, on_verdict, &v);
    fake_http_queue_status(f->env.http, 401, "");
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    (void)fake_loop_step();
    (void)fake_loop_step();
    f->env.wall.is_wrong = true;
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_LOCAL);
    assert_int_equal(r.answer.err.code, EDGE_RETRY);
    assert_non_null(strstr(edge_error_text(&r.answer.err), STUB_WALL_TEXT));
    assert_int_equal(v.refused_cnt, 0);
    struct edge_error err;
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, &err), EDGE_RETRY);
    assert_string_equal(edge_error_text(&err), STUB_WALL_TEXT);
}

static void renew(struct device_cert *dc) {
    dc->version += dc->get_cnt == 2 ? 1 : 0;
}

/* A request under way holds its certificate, whatever becomes of the identity meanwhile. */
static void test_certificate_is_held_as_long_as_it_is_used(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    const struct proof_source from = {.kind = PROOF_CERT, .cert = &f->env.cert};
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", &from, 2, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", &from, 3, NULL), EDGE_OK);
    assert_int_equal(f->env.cert.kept, 1);
    assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", CLOUD_ENV_KEY, 4, NULL),
                     EDGE_OK);
    assert_int_equal(f->env.cert.kept, 1);
    f->env.cert.fail = EDGE_PARSE;
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_LOCAL);
    assert_int_equal(f->env.cert.kept, 0);
}

/* tpm-dps.md 5.3: a certificate, and no token beside it. */
static void test_certificate(void **state) {
    struct fixture *f = *state;
    struct verdicts v = {0};
    const struct proof_source from = {.kind = PROOF_CERT, .cert = &f->env.cert};
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", &from, 2, NULL), EDGE_OK);
    hub_on_verdict(f->hub, on_verdict, &v);
    f->env.wall.is_wrong = true;
    struct result r = ask(f, NULL, 200, "[]");
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_int_equal(r.answer.identity_serial, 2);
    assert_call(f, "GET", URL VERSION, ACCEPT, NULL);
    assert_string_equal(fake_http_call_last(f->env.http)->cert_pem, "CHAIN");
    assert_string_equal(fake_http_call_last(f->env.http)->key_pem, "KEY");
    assert_int_equal(fake_hsm_sign_cnt(f->env.hsm), 0);
    /* The same certificate once more is of no use; another one is tried. */
    r = ask(f, NULL, 401, "{\"Message\":\"go away\"}");
    assert_int_equal(r.answer.kind, HUB_REFUSED);
    assert_string_equal(r.answer.said, "go away");
    assert_int_equal(fake_http_call_cnt(f->env.http), 1);
    f->env.cert.get_cnt = 0;
    f->env.cert.on_get = renew;
    r = ask(f, NULL, 401, "");
    assert_int_equal(r.answer.kind, HUB_REFUSED);
    assert_int_equal(fake_http_call_cnt(f->env.http), 2);
    assert_int_equal(v.refused_cnt, 2);
    f->env.cert.fail = EDGE_PARSE;
    r = ask(f, NULL, 200, "[]");
    assert_int_equal(r.answer.kind, HUB_LOCAL);
    assert_int_equal(r.answer.err.code, EDGE_PARSE);
}

static void test_bad_sources(void **state) {
    struct fixture *f = *state;
    const struct proof_source bad[] = {{.kind = PROOF_KEY}, {.kind = PROOF_CERT}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(hub_set_identity(f->hub, "other.example", "d", &bad[i], 5, NULL),
                         EDGE_INVALID);
    }
    /* Nothing has changed. */
    (void)ask(f, NULL, 200, "[]");
    assert_call(f, "GET", URL VERSION, AUTHORIZATION ACCEPT, NULL);
}

static void test_wrong_content_type(void **state) {
    struct fixture *f = *state;
    static const char *const bodies[] = {"[]", "<html>"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        struct result r = {0};
        const struct fake_http_answer answer = {
            .status = 200, .body = bodies[i], .content_type = "text/html; charset=utf-8"};
        fake_http_queue(f->env.http, &answer);
        assert_int_equal(hub_list(f->hub, on_answer, &r, NULL, NULL), EDGE_OK);
        fake_loop_run();
        assert_int_equal(r.answer.kind, i == 0 ? HUB_OK : HUB_TRANSIENT);
        assert_int_equal(r.answer.err.code, i == 0 ? EDGE_OK : EDGE_PROTO);
        assert_int_equal(strstr(edge_error_text(&r.answer.err), "content type") != NULL, i == 1);
    }
}

static void test_cancel_at_every_step_of_a_second_try(void **state) {
    struct fixture *f = *state;
    bool completed = false;
    for (unsigned steps = 0; !completed; steps++) {
        assert_true(steps < 12);
        struct result r = {0};
        struct op op;
        fake_http_forget(f->env.http);
        fake_http_queue_status(f->env.http, 401, "");
        fake_http_queue_status(f->env.http, 200, "[]");
        assert_int_equal(hub_list(f->hub, on_answer, &r, &op, NULL), EDGE_OK);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_loop_step();
        }
        completed = r.cnt == 1;
        op_cancel(loop_ops(f->env.loop), op);
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
    fake_http_queue_status(f->env.http, 401, "");
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
        cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verdict_of_the_past, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_try_after_401, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_token_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificate_is_held_as_long_as_it_is_used, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bad_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_content_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_at_every_step_of_a_second_try, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
