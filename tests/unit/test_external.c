/* SPDX-License-Identifier: MIT */
#include "cloud/external.h"

#include "support/alloc_fail.h"
#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY_BODY                                                                                   \
    "{\"hubName\":\"hub.example\",\"deviceId\":\"dev-01\",\"credentials\":{\"authType\":"          \
    "\"symmetric-key\",\"source\":\"payload\",\"key\":\"c2VjcmV0\"}}"

struct fixture {
    struct cloud_env env;
    struct external x;
};

struct result {
    unsigned cnt;
    struct external_answer answer;
    char key[64];
};

static void on_answer(void *data, const struct external_answer *answer) {
    struct result *r = data;
    r->cnt++;
    r->answer = *answer;
    assert_true(slice_to_array(answer->key, r->key, sizeof(r->key)));
}

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){0};
    cloud_env_init(&f.env);
    f.x = (struct external){&f.env.cloud, "http://127.0.0.1:9999"};
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    cloud_env_clear(&((struct fixture *)*state)->env);
    return 0;
}

static void test_get_on_the_wire(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *endpoint;
        const char *url;
        const char *unix_path;
    } cases[] = {
        {"http://127.0.0.1:9999", "http://127.0.0.1:9999", NULL},
        {"http://prov.local/", "http://prov.local", NULL},
        {"unix:///run/prov.sock", "http://localhost", "/run/prov.sock"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        struct result r = {0};
        char url[256];
        f->x.endpoint = cases[i].endpoint;
        fake_http_queue_status(f->env.http, 200, KEY_BODY);
        assert_int_equal(external_get(&f->x, on_answer, &r, NULL, NULL), EDGE_OK);
        assert_int_equal(r.cnt, 0);
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        assert_int_equal(r.answer.kind, EXTERNAL_OK);
        assert_int_equal(r.answer.code, EDGE_OK);
        assert_string_equal(r.answer.hub, "hub.example");
        assert_string_equal(r.key, "secret");
        const struct fake_http_call *call = fake_http_call_last(f->env.http);
        assert_string_equal(call->method, "GET");
        (void)snprintf(url, sizeof(url), "%s/device/provisioninginformation?api-version=2019-04-10",
                       cases[i].url);
        assert_string_equal(call->url, url);
        assert_string_equal(call->headers, "Accept: application/json\n");
        assert_null(call->body);
        assert_true(call->sensitive);
        assert_int_equal(call->plain_http, cases[i].unix_path == NULL);
        if (cases[i].unix_path == NULL) {
            assert_null(call->unix_path);
        } else {
            assert_string_equal(call->unix_path, cases[i].unix_path);
        }
        assert_int_equal(call->timeout_ms, EXTERNAL_TIMEOUT_MS);
    }
}

static void test_reprovision_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    fake_http_queue_status(f->env.http, 200, "");
    assert_int_equal(external_reprovision(&f->x, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, EXTERNAL_OK);
    const struct fake_http_call *call = fake_http_call_last(f->env.http);
    assert_string_equal(call->method, "POST");
    assert_string_equal(call->url,
                        "http://127.0.0.1:9999/device/reprovision?api-version=2019-04-10");
    fake_http_queue_status(f->env.http, 500, "{\"message\":\"not now\"}");
    assert_int_equal(external_reprovision(&f->x, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, EXTERNAL_TRANSIENT);
    assert_string_equal(r.answer.said, "not now");
}

static void test_bad_endpoints(void **state) {
    struct fixture *f = *state;
    static const char *const bad[] = {
        NULL,         "",           "https://prov.local", "http://",    "http:///", "http://a/b",
        "http://a//", "http://a:0", "http://u@a",         "http://a?b", "unix://",  "unix://run/x",
        "HTTP://a",   "tcp://a"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct result r = {0};
        struct edge_error err;
        f->x.endpoint = bad[i];
        assert_int_equal(external_get(&f->x, on_answer, &r, NULL, &err), EDGE_INVALID);
        assert_int_equal(external_reprovision(&f->x, on_answer, &r, NULL, &err), EDGE_INVALID);
    }
    assert_int_equal(fake_http_call_cnt(f->env.http), 0);
}

static void test_transport_failures(void **state) {
    struct fixture *f = *state;
    static const enum edge_code codes[] = {EDGE_NET, EDGE_TIMEOUT, EDGE_RANGE, EDGE_PROTO,
                                           EDGE_NOMEM};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        struct result r = {0};
        const struct fake_http_answer answer = {.code = codes[i]};
        fake_http_queue(f->env.http, &answer);
        assert_int_equal(external_get(&f->x, on_answer, &r, NULL, NULL), EDGE_OK);
        fake_loop_run();
        assert_int_equal(r.answer.kind, EXTERNAL_TRANSIENT);
        assert_int_equal(r.answer.code, codes[i]);
        assert_int_equal(r.answer.err.code, codes[i]);
        assert_non_null(strstr(edge_error_text(&r.answer.err), "127.0.0.1:9999"));
    }
    struct result r = {0};
    fake_http_refuse(f->env.http, EDGE_BUSY);
    assert_int_equal(external_get(&f->x, on_answer, &r, NULL, NULL), EDGE_BUSY);
    assert_int_equal(r.cnt, 0);
}

/* What comes without TLS says nothing about the time. */
static void test_no_hint_for_the_clock(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    const struct fake_http_answer answer = {.status = 429,
                                            .date = "Tue, 14 Nov 2023 23:13:20 GMT",
                                            .no_tls = true,
                                            .retry_after = "30"};
    fake_http_queue(f->env.http, &answer);
    assert_int_equal(external_get(&f->x, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(f->env.wall.hint_cnt, 0);
    assert_int_equal(r.answer.kind, EXTERNAL_TRANSIENT);
    assert_int_equal(r.answer.retry_after_ms, 30000);
}

static void test_cancel(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    struct op op;
    assert_int_equal(external_get(&f->x, on_answer, &r, &op, NULL), EDGE_OK);
    fake_loop_run();
    op_cancel(loop_ops(f->env.loop), op);
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.answer.kind, EXTERNAL_TRANSIENT);
    assert_int_equal(r.answer.code, EDGE_CANCELED);
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    struct result r = {0};
    struct edge_error err;
    fake_http_forget(f->env.http);
    fake_http_queue_status(f->env.http, 200, KEY_BODY);
    enum edge_code code = external_get(&f->x, on_answer, &r, NULL, &err);
    fake_loop_run();
    fake_http_forget(f->env.http);
    assert_int_equal(r.cnt, code == EDGE_OK ? 1 : 0);
    if (code == EDGE_OK && r.answer.code != EDGE_OK) {
        assert_int_equal(r.answer.kind, EXTERNAL_TRANSIENT);
        code = r.answer.code;
    }
    assert_true(code == EDGE_OK || code == EDGE_NOMEM);
    return code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reprovision_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_endpoints, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transport_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_hint_for_the_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
