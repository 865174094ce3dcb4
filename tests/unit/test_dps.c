/* SPDX-License-Identifier: MIT */
#include "cloud/dps.h"

#include "base/clock.h"
#include "support/alloc_fail.h"
#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define EK_B64      "4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eE="
#define TOKEN(text) (&(const struct proof){.token = (text)})
#define SRK_B64     "UVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVE="

struct fixture {
    struct cloud_env env;
    struct dps dps;
    struct hsm_attestation keys;
};

struct result {
    unsigned cnt;
    struct dps_answer answer;
    char blob[64];
};

static void on_answer(void *data, const struct dps_answer *answer) {
    struct result *r = data;
    r->cnt++;
    r->answer = *answer;
    assert_true(slice_to_array(answer->blob, r->blob, sizeof(r->blob)));
    r->answer.blob = slice_str(r->blob);
}

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){0};
    cloud_env_init(&f.env);
    f.dps = (struct dps){.cloud = &f.env.cloud,
                         .endpoint = "https://global.azure-devices-provisioning.net",
                         .scope_id = "0ne00000000",
                         .registration_id = "Dev-01"};
    assert_int_equal(hsm_attestation_get(f.env.hsm, &f.keys, NULL), EDGE_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    cloud_env_clear(&f->env);
    return 0;
}

static void test_first_leg_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    fake_http_queue_status(f->env.http, 401, "{\"authenticationKey\":\"YmxvYiBieXRlcw==\"}");
    assert_int_equal(dps_register(&f->dps, &f->keys, NULL, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.answer.kind, DPS_CHALLENGE);
    assert_string_equal(r.blob, "blob bytes");
    const struct fake_http_call *call = fake_http_call_last(f->env.http);
    assert_string_equal(call->method, "PUT");
    assert_string_equal(call->url,
                        "https://global.azure-devices-provisioning.net/0ne00000000/registrations/"
                        "Dev-01/register?api-version=2021-06-01");
    assert_string_equal(call->headers,
                        "Accept: application/json\nContent-Type: application/json\n");
    assert_string_equal(call->body,
                        "{\"registrationId\":\"Dev-01\",\"tpm\":{\"endorsementKey\":\"" EK_B64
                        "\",\"storageRootKey\":\"" SRK_B64 "\"}}");
    assert_int_equal(call->timeout_ms, DPS_TIMEOUT_MS);
}

static void test_second_leg_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    const struct fake_http_answer answer = {
        .status = 202,
        .body = "{\"operationId\":\"4.dd\",\"status\":\"assigning\"}",
        .retry_after = "3",
        .date = "Tue, 14 Nov 2023 22:13:20 GMT"};
    fake_http_queue(f->env.http, &answer);
    assert_int_equal(dps_register(&f->dps, &f->keys, TOKEN("SharedAccessSignature x"), on_answer,
                                  &r, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, DPS_ASSIGNING);
    assert_string_equal(r.answer.operation_id, "4.dd");
    assert_int_equal(r.answer.retry_after_ms, 3000);
    assert_int_equal(r.answer.date_wall_s, 1700000000);
    const struct fake_http_call *call = fake_http_call_last(f->env.http);
    assert_string_equal(call->headers, "Accept: application/json\nContent-Type: application/json\n"
                                       "Authorization: SharedAccessSignature x\n");
    assert_non_null(strstr(call->body, "\"tpm\""));
}

static void test_poll_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    f->dps.endpoint = "https://127.0.0.1:8443/";
    f->dps.registration_id = "a/b c$@:=";
    fake_http_queue_status(f->env.http, 200, "{\"status\":\"disabled\"}");
    assert_int_equal(dps_operation(&f->dps, "4.dd~:x", TOKEN("token"), on_answer, &r, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, DPS_DISABLED);
    const struct fake_http_call *call = fake_http_call_last(f->env.http);
    assert_string_equal(call->method, "GET");
    assert_string_equal(call->url,
                        "https://127.0.0.1:8443/0ne00000000/registrations/a%2Fb%20c$@:%3D/"
                        "operations/4.dd~:x?api-version=2021-06-01");
    assert_string_equal(call->headers, "Accept: application/json\nAuthorization: token\n");
    assert_null(call->body);
}

/* Symmetric key and certificate: the body names the device and nothing else; a certificate stands
 * instead of the token. */
static void test_register_without_tpm(void **state) {
    struct fixture *f = *state;
    const struct http_client_identity identity = {SLICE_LIT("CHAIN"), SLICE_LIT("KEY")};
    const struct proof proofs[] = {{.token = "SharedAccessSignature x"}, {.identity = &identity}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(proofs); i++) {
        struct result r = {0};
        fake_http_queue_status(f->env.http, 202,
                               "{\"operationId\":\"4\",\"status\":\"assigning\"}");
        assert_int_equal(dps_register(&f->dps, NULL, &proofs[i], on_answer, &r, NULL, NULL),
                         EDGE_OK);
        fake_loop_run();
        assert_int_equal(r.answer.kind, DPS_ASSIGNING);
        const struct fake_http_call *call = fake_http_call_last(f->env.http);
        assert_string_equal(call->body, "{\"registrationId\":\"Dev-01\"}");
        assert_int_equal(strstr(call->headers, "Authorization: ") != NULL, i == 0);
        assert_int_equal(call->cert_pem != NULL, i == 1);
        /* A 401 now is no challenge. */
        fake_http_queue_status(f->env.http, 401, "{\"authenticationKey\":\"YmxvYg==\"}");
        assert_int_equal(dps_operation(&f->dps, "4", &proofs[i], on_answer, &r, NULL, NULL),
                         EDGE_OK);
        fake_loop_run();
        assert_int_equal(r.answer.kind, DPS_REFUSED);
        call = fake_http_call_last(f->env.http);
        assert_int_equal(call->cert_pem != NULL, i == 1);
    }
    assert_string_equal(fake_http_call_last(f->env.http)->key_pem, "KEY");
}

static void test_lookup_on_the_wire(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    fake_http_queue_status(f->env.http, 200,
                           "{\"registrationId\":\"Dev-01\",\"status\":\"assigned\","
                           "\"assignedHub\":\"h.example\",\"deviceId\":\"d\"}");
    assert_int_equal(dps_lookup(&f->dps, NULL, TOKEN("t"), on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, DPS_ASSIGNED);
    assert_string_equal(r.answer.hub, "h.example");
    const struct fake_http_call *call = fake_http_call_last(f->env.http);
    assert_string_equal(call->method, "POST");
    assert_string_equal(call->url,
                        "https://global.azure-devices-provisioning.net/0ne00000000/registrations/"
                        "Dev-01?api-version=2021-06-01");
    assert_string_equal(call->body, "{\"registrationId\":\"Dev-01\"}");
    fake_http_queue_status(f->env.http, 401, "{\"authenticationKey\":\"YmxvYiBieXRlcw==\"}");
    assert_int_equal(dps_lookup(&f->dps, &f->keys, NULL, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, DPS_CHALLENGE);
    assert_non_null(strstr(fake_http_call_last(f->env.http)->body, "\"tpm\""));
}

static void test_hint_for_the_clock(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    const struct fake_http_answer answer = {.status = 401, .date = "Wed, 15 Nov 2023 22:13:20 GMT"};
    fake_http_queue(f->env.http, &answer);
    assert_int_equal(dps_operation(&f->dps, "4", TOKEN("t"), on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(f->env.wall.hint_cnt, 1);
    assert_int_equal(f->env.wall.hint_wall_s, 1700086400);
    assert_int_equal(r.answer.kind, DPS_REFUSED);
    assert_non_null(strstr(edge_error_text(&r.answer.err), "behind"));
}

static void test_date_needs_tls(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    const struct fake_http_answer answer = {.status = 500,
                                            .date = "Tue, 14 Nov 2023 22:13:20 GMT",
                                            .no_tls = true,
                                            .retry_after = "999999"};
    fake_http_queue(f->env.http, &answer);
    assert_int_equal(dps_operation(&f->dps, "4", TOKEN("t"), on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.date_wall_s, 0);
    assert_int_equal(r.answer.retry_after_ms, DPS_RETRY_AFTER_MAX_MS);
}

static void test_transport_failures(void **state) {
    struct fixture *f = *state;
    static const enum edge_code codes[] = {EDGE_NET, EDGE_TIMEOUT, EDGE_RANGE, EDGE_PROTO,
                                           EDGE_NOMEM};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        struct result r = {0};
        const struct fake_http_answer answer = {.code = codes[i]};
        fake_http_queue(f->env.http, &answer);
        assert_int_equal(dps_operation(&f->dps, "4", TOKEN("t"), on_answer, &r, NULL, NULL),
                         EDGE_OK);
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        assert_int_equal(r.answer.kind, DPS_TRANSIENT);
        assert_int_equal(r.answer.code, codes[i]);
        assert_int_equal(r.answer.err.code, codes[i]);
        assert_int_equal(r.answer.http_status, 0);
        assert_non_null(
            strstr(edge_error_text(&r.answer.err), "global.azure-devices-provisioning.net"));
    }
}

static void test_refused_calls(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    struct hsm_attestation none = {0};
    assert_int_equal(dps_register(&f->dps, NULL, NULL, on_answer, &r, NULL, NULL), EDGE_INVALID);
    assert_int_equal(dps_lookup(&f->dps, NULL, TOKEN(NULL), on_answer, &r, NULL, NULL),
                     EDGE_INVALID);
    assert_int_equal(dps_register(&f->dps, &none, NULL, on_answer, &r, NULL, NULL), EDGE_INVALID);
    none = f->keys;
    none.ek_len = HSM_PUBLIC_MAX + 1;
    assert_int_equal(dps_register(&f->dps, &none, NULL, on_answer, &r, NULL, NULL), EDGE_INVALID);
    assert_int_equal(dps_operation(&f->dps, "", TOKEN("t"), on_answer, &r, NULL, NULL),
                     EDGE_INVALID);
    assert_int_equal(dps_operation(&f->dps, "4", NULL, on_answer, &r, NULL, NULL), EDGE_INVALID);
    fake_http_refuse(f->env.http, EDGE_BUSY);
    assert_int_equal(dps_register(&f->dps, &f->keys, NULL, on_answer, &r, NULL, NULL), EDGE_BUSY);
    char huge[6000];
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(dps_operation(&f->dps, huge, TOKEN("t"), on_answer, &r, NULL, NULL),
                     EDGE_RANGE);
    fake_loop_run();
    assert_int_equal(r.cnt, 0);
    assert_int_equal(fake_http_call_cnt(f->env.http), 0);
}

static void test_cancel(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    struct op op;
    assert_int_equal(dps_register(&f->dps, &f->keys, TOKEN("t"), on_answer, &r, &op, NULL),
                     EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.cnt, 0);
    op_cancel(loop_ops(f->env.loop), op);
    op_cancel(loop_ops(f->env.loop), op);
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.answer.kind, DPS_TRANSIENT);
    assert_int_equal(r.answer.code, EDGE_CANCELED);
    op_cancel(loop_ops(f->env.loop), op);
}

static void test_audience(void **state) {
    struct fixture *f = *state;
    struct buf out;
    buf_init(&out, 256);
    assert_int_equal(dps_audience(&f->dps, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "0ne00000000/registrations/Dev-01");
    buf_clear(&out);
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    static const char *const bodies[] = {
        "{\"authenticationKey\":\"YmxvYiBieXRlcw==\"}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\",\"deviceId\":\"d\","
        "\"tpm\":{\"authenticationKey\":\"YmxvYiBieXRlcw==\"}}}"};
    struct result r[2] = {{0}};
    enum edge_code codes[2];
    struct edge_error err;
    fake_http_forget(f->env.http);
    fake_http_queue_status(f->env.http, 401, bodies[0]);
    codes[0] = dps_register(&f->dps, &f->keys, NULL, on_answer, &r[0], NULL, &err);
    fake_loop_run();
    fake_http_forget(f->env.http);
    fake_http_queue_status(f->env.http, 200, bodies[1]);
    codes[1] = dps_operation(&f->dps, "4", TOKEN("t"), on_answer, &r[1], NULL, &err);
    fake_loop_run();
    fake_http_forget(f->env.http);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(r[i].cnt, codes[i] == EDGE_OK ? 1 : 0);
        if (codes[i] == EDGE_OK && r[i].answer.code != EDGE_OK) {
            assert_int_equal(r[i].answer.kind, DPS_TRANSIENT);
            codes[i] = r[i].answer.code;
        }
        assert_true(codes[i] == EDGE_OK || codes[i] == EDGE_NOMEM);
    }
    return codes[0] == EDGE_OK ? codes[1] : codes[0];
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_leg_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_leg_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_register_without_tpm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lookup_on_the_wire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hint_for_the_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_date_needs_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transport_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_audience, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
