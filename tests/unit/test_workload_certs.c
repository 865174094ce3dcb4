/* SPDX-License-Identifier: MIT */
/*
 * The certificate routes: what is asked for, what is answered, and every way it can go wrong.
 */
#include "api/api.h"

#include "fake_clock.h"
#include "fake_exchange.h"
#include "fake_pki.h"
#include "fake_wall.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S 1700000000 /* 2023-11-14T22:13:20Z */
#define DAY_S 86400

#define KEY   "-----BEGIN PRIVATE KEY-----\nS0VZ\n-----END PRIVATE KEY-----\n"
#define CHAIN "-----BEGIN CERTIFICATE-----\nTEVBRg==\n-----END CERTIFICATE-----\n"

static const struct pki_issued issued = {
    .key_pem = {KEY, sizeof(KEY) - 1},
    .chain_pem = {CHAIN, sizeof(CHAIN) - 1},
    .not_after_wall_s = 1893553445,
};

#define ANSWER                                                                                     \
    "{\"privateKey\":{\"type\":\"key\",\"bytes\":\"-----BEGIN PRIVATE KEY-----\\nS0VZ\\n"          \
    "-----END PRIVATE KEY-----\\n\"},\"certificate\":\"-----BEGIN CERTIFICATE-----\\n"             \
    "TEVBRg==\\n-----END CERTIFICATE-----\\n\",\"expiration\":\"2030-01-02T03:04:05+00:00\"}"

static struct provisioning_status status;
static struct api api;

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return &status;
}

static int setup(void **state) {
    (void)state;
    fake_clock_install(NOW_S);
    memset(&status, 0, sizeof(status));
    status.has_result = true;
    (void)snprintf(status.result.hub, sizeof(status.result.hub), "hub.example.net");
    (void)snprintf(status.result.device_id, sizeof(status.result.device_id), "dev-01");
    api = (struct api){.pki = fake_pki(), .wall = fake_wall_new()};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    (void)fake_pki();
    wall_free(api.wall);
    fake_clock_remove();
    return 0;
}

static void call(http_handler_fn *handler, const char *body) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_params("$edgeHub", "637000000000000000");
    fake_exchange_set_body(body);
    handler(x);
}

static void server(const char *expiration) {
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"commonName\":\"gw.example.net\",\"expiration\":\"%s\"}",
                   expiration);
    call(workload_server_cert, body);
}

static void identity(const char *expiration) {
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"expiration\":\"%s\"}", expiration);
    call(workload_identity_cert, body);
}

static void assert_refused(int code, const char *text) {
    assert_int_equal(fake_exchange_status(), code);
    if (strstr(fake_exchange_text(), text) == NULL) {
        fail_msg("'%s' is not in: %s", text, fake_exchange_text());
    }
    fake_exchange_end();
}

static void test_server_certificate(void **unused) {
    (void)unused;
    server("2023-11-15T22:13:20Z");
    assert_int_equal(fake_exchange_answers(), 0);
    assert_true(fake_exchange_has_op());
    assert_string_equal(fake_pki_asked(), "server gw.example.net $edgeHub");
    assert_int_equal(fake_pki_validity_s(), DAY_S);
    fake_pki_finish_cert(&issued);
    assert_int_equal(fake_exchange_status(), 201);
    assert_string_equal(fake_exchange_text(), ANSWER);
    assert_true(fake_exchange_was_sensitive());
}

static void test_identity_certificate(void **unused) {
    (void)unused;
    static const char *const bodies[] = {"{}", "{\"expiration\":null}", "{\"other\":[1,{}]}"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        call(workload_identity_cert, bodies[i]);
        assert_true(fake_exchange_has_op());
        assert_string_equal(fake_pki_asked(), "identity $edgeHub hub.example.net dev-01");
        assert_int_equal(fake_pki_validity_s(), 7200);
        fake_pki_finish_cert(&issued);
        assert_int_equal(fake_exchange_status(), 201);
        assert_string_equal(fake_exchange_text(), ANSWER);
        assert_true(fake_exchange_was_sensitive());
        fake_exchange_end();
    }
    (void)snprintf(status.result.hub, sizeof(status.result.hub), "hub.example.net:8443");
    identity("2023-11-14T22:14:20.999+00:00");
    assert_string_equal(fake_pki_asked(), "identity $edgeHub hub.example.net dev-01");
    assert_int_equal(fake_pki_validity_s(), 60);
    fake_pki_finish_cert(&issued);
}

/* Lives above the longest are for pki.h to cut. */
static void test_expirations(void **unused) {
    (void)unused;
    static const struct {
        const char *text;
        int64_t validity_s; /* 0: 400 */
    } cases[] = {
        {"2023-11-14T22:13:21Z", 1},
        {"2023-11-14t22:13:21z", 1},
        {"2023-11-14T22:13:21.0000000Z", 1}, /* as .NET writes it */
        {"2023-11-14T22:13:21.123456789012345678901+00:00", 1},
        {"2023-11-14T22:13:20.999Z", 0},
        {"2023-11-15T03:58:21+05:45", 1},
        {"2023-11-14T10:13:21-12:00", 1},
        {"2023-11-14T22:13:21-00:00", 1},
        {"2023-11-15T22:12:21+23:59", 1},
        {"2024-02-12T22:13:20Z", 90 * DAY_S},
        {"2024-02-12T22:13:21Z", 90 * DAY_S + 1},
        {"9999-12-31T23:59:59Z", 253402300799 - NOW_S},
        {"9999-12-31T23:59:59-23:59", 253402300799 - NOW_S + 23 * 3600 + 59 * 60},
        {"2023-11-14T22:13:20Z", 0}, /* zero */
        {"2023-11-14T22:13:19Z", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"0001-01-01T00:00:00Z", 0},
        {"0000-01-01T00:00:00+23:59", 0},
        {"", 0},
        {" ", 0},
        {"tomorrow", 0},
        {"2030-01-02", 0},
        {"2030-01-02T03:04:05", 0}, /* no offset */
        {"2030-01-02 03:04:05Z", 0},
        {" 2030-01-02T03:04:05Z", 0},
        {"2030-01-02T03:04:05Z ", 0},
        {"2030-01-02T03:04Z", 0},
        {"2030-1-2T03:04:05Z", 0},
        {"2030-13-02T03:04:05Z", 0},
        {"2030-02-30T03:04:05Z", 0},
        {"2030-01-02T24:00:00Z", 0},
        {"2030-01-02T03:60:05Z", 0},
        {"2030-01-02T03:04:05+24:00", 0},
        {"2030-01-02T03:04:05+0200", 0},
        {"2030-01-02T03:04:05+02", 0},
        {"2030-01-02T03:04:05.Z", 0},
        {"2030-01-02T03:04:05,5Z", 0},
        {"+2030-01-02T03:04:05Z", 0},
        {"12030-01-02T03:04:05Z", 0},
        {"1893553445", 0},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        const unsigned before = fake_pki_ask_cnt();
        server(cases[i].text);
        if (cases[i].validity_s == 0) {
            assert_int_equal(fake_pki_ask_cnt(), before);
            assert_refused(400, "Request body is malformed\n\tcaused by: 'expiration' is ");
            identity(cases[i].text);
            assert_refused(400, "Request body is malformed\n\tcaused by: 'expiration' is ");
            continue;
        }
        assert_int_equal(fake_pki_ask_cnt(), before + 1);
        assert_int_equal(fake_pki_validity_s(), cases[i].validity_s);
        fake_pki_finish_cert(&issued);
        fake_exchange_end();
        identity(cases[i].text);
        assert_int_equal(fake_pki_validity_s(), cases[i].validity_s);
        fake_pki_finish_cert(&issued);
        fake_exchange_end();
    }
    server("2030-01-02T03:04:05Z");
    fake_pki_finish_cert(&issued);
}

static void test_malformed_bodies(void **unused) {
    (void)unused;
    static const char expiration[] = "\"expiration\":\"2030-01-02T03:04:05Z\"";
    static const char *const both[] = {"",
                                       "{",
                                       "[]",
                                       "null",
                                       "\"x\"",
                                       "7",
                                       "{} x",
                                       "{\"expiration\":7}",
                                       "{\"expiration\":[]}",
                                       "{\"commonName\":\"a\",\"expiration\":true}"};
    static const char *const bad_names[] = {"",
                                            "\"commonname\":\"a\",",
                                            "\"commonName\":null,",
                                            "\"commonName\":7,",
                                            "\"commonName\":[\"a\"],",
                                            "\"commonName\":{},",
                                            "\"commonName\":\"\\u0000\",",
                                            "\"commonName\":\"\xff\","};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(both); i++) {
        call(workload_server_cert, both[i]);
        assert_refused(400, "Request body is malformed");
        call(workload_identity_cert, both[i]);
        assert_refused(400, "Request body is malformed");
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad_names); i++) {
        char body[256];
        (void)snprintf(body, sizeof(body), "{%s%s}", bad_names[i], expiration);
        call(workload_server_cert, body);
        assert_refused(400, "Request body is malformed");
    }
    call(workload_server_cert, "{\"commonName\":\"a\"}");
    assert_refused(400, "expiration");
    call(workload_server_cert, "{\"commonName\":\"a\",\"expiration\":null}");
    assert_int_equal(fake_exchange_status(), 400);
    assert_int_equal(fake_pki_ask_cnt(), 0);
}

/* The rules for names are pki.h's. */
static void test_names_are_passed_on_and_judged(void **unused) {
    (void)unused;
    call(workload_server_cert, "{\"commonName\":\"  \",\"expiration\":\"2030-01-02T03:04:05Z\","
                               "\"more\":{\"a\":1}}");
    assert_string_equal(fake_pki_asked(), "server    $edgeHub");
    fake_pki_fail(EDGE_INVALID, "the common name is blank");
    assert_refused(400, "Could not get server cert\n\tcaused by: the common name is blank");
    fake_pki_refuse(EDGE_INVALID);
    server("2030-01-02T03:04:05Z");
    assert_refused(400, "Could not get server cert\n\tcaused by: refused at once");
    call(workload_identity_cert, "{}");
    assert_refused(400, "Could not create identity cert\n\tcaused by: refused at once");
    fake_pki_refuse(EDGE_RANGE);
    server("2030-01-02T03:04:05Z");
    assert_refused(400, "refused at once");
    server("2030-01-02T03:04:05Z");
}

static void test_refused_at_once(void **unused) {
    (void)unused;
    fake_pki_refuse(EDGE_BUSY);
    server("2030-01-02T03:04:05Z");
    assert_true(fake_exchange_retry_after() > 0);
    assert_refused(503, "Could not get server cert\n\tcaused by: the key store is busy");
    call(workload_identity_cert, "{}");
    assert_refused(503, "Could not create identity cert");
    fake_pki_refuse(EDGE_CANCELED);
    call(workload_trust_bundle, "");
    assert_refused(503, "Could not get trust bundle\n\tcaused by: the daemon is stopping");
    fake_pki_refuse(EDGE_RETRY);
    server("2030-01-02T03:04:05Z");
}

/* Modules learn what they can do something about, and nothing of our insides. */
static void test_failures(void **unused) {
    (void)unused;
    static const struct {
        enum edge_code code;
        int status;
        const char *text;
    } cases[] = {
        {EDGE_RETRY, 503, "DETAIL"},
        {EDGE_HSM, 503, "the key store is not available"},
        {EDGE_DENIED, 503, "the key store is not available"},
        {EDGE_NOT_FOUND, 503, "the key store is not available"},
        {EDGE_PARSE, 503, "the key store is not available"},
        {EDGE_CONFIG, 503, "the certificates that this device is configured with cannot be used"},
        {EDGE_TIMEOUT, 503, "did not answer in time"},
        {EDGE_CANCELED, 503, "the daemon is stopping"},
        {EDGE_CRYPTO, 500, "internal error"},
        {EDGE_IO, 500, "internal error"},
        {EDGE_NOMEM, 500, "internal error"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        server("2030-01-02T03:04:05Z");
        fake_pki_fail(cases[i].code, "DETAIL");
        assert_int_equal(fake_exchange_retry_after() > 0, cases[i].status == 503);
        assert_int_equal(strstr(fake_exchange_text(), "DETAIL") != NULL,
                         cases[i].code == EDGE_RETRY);
        assert_refused(cases[i].status, cases[i].text);
        call(workload_trust_bundle, "");
        fake_pki_fail(cases[i].code, "DETAIL");
        assert_refused(cases[i].status, "Could not get trust bundle\n\tcaused by: ");
    }
    server("2030-01-02T03:04:05Z");
    fake_pki_fail(EDGE_HSM, "x");
}

static void test_clock_not_right(void **unused) {
    (void)unused;
    static const enum wall_state states[] = {WALL_UNKNOWN, WALL_WRONG};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(states); i++) {
        fake_wall_set(api.wall, states[i], 0);
        server("1999-01-02T03:04:05Z"); /* past or not: who knows */
        assert_true(fake_exchange_retry_after() > 0);
        assert_refused(503, "Could not get server cert\n\tcaused by: the clock is not right");
        call(workload_identity_cert, "{}");
        assert_refused(503, "Could not create identity cert\n\tcaused by: the clock");
        server("nonsense");
        assert_refused(400, "Request body is malformed");
    }
    fake_wall_set(api.wall, WALL_CORRECTED, 3600);
    server("2023-11-14T23:14:20Z");
    assert_int_equal(fake_pki_validity_s(), 60);
    fake_pki_finish_cert(&issued);
}

static void test_no_identity_yet(void **unused) {
    (void)unused;
    status.has_result = false;
    call(workload_identity_cert, "{}");
    assert_true(fake_exchange_retry_after() > 0);
    assert_refused(503, "The device has no identity yet");
    server("2030-01-02T03:04:05Z"); /* needs none */
    fake_pki_finish_cert(&issued);
    assert_int_equal(fake_exchange_status(), 201);
}

static void test_client_leaves(void **unused) {
    (void)unused;
    server("2030-01-02T03:04:05Z");
    fake_exchange_leave();
    fake_pki_finish_cert(&issued); /* frees what the request held; asan would tell */
    call(workload_identity_cert, "{}");
    fake_exchange_leave();
    fake_pki_fail(EDGE_CANCELED, "cancelled");
    call(workload_trust_bundle, "");
    fake_exchange_leave();
    fake_pki_finish_bundle("x");
}

static void test_trust_bundle(void **unused) {
    (void)unused;
    call(workload_trust_bundle, "");
    assert_true(fake_exchange_has_op());
    fake_pki_finish_bundle("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n");
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(), "{\"certificate\":\"-----BEGIN CERTIFICATE-----\\n"
                                              "TUlJ\\n-----END CERTIFICATE-----\\n\"}");
}

static void test_manifest_trust_bundle(void **unused) {
    (void)unused;
    call(workload_manifest_trust_bundle, "");
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(), "{\"certificate\":\"\"}");
    assert_int_equal(fake_pki_ask_cnt(), 0);
}

static void test_answer_too_long(void **unused) {
    (void)unused;
    struct pki_issued long_chain = issued;
    const size_t len = (size_t)300 * 1024;
    char *chain = calloc(1, len);
    memset(chain, 'A', len - 1);
    long_chain.chain_pem = slice_make(chain, len);
    server("2030-01-02T03:04:05Z");
    fake_pki_finish_cert(&long_chain);
    assert_int_equal(fake_exchange_status(), 500);
    fake_exchange_end();
    call(workload_trust_bundle, "");
    memset(chain, 1, len - 1); /* control characters take six bytes each */
    fake_pki_finish_bundle(chain);
    free(chain);
    assert_int_equal(fake_exchange_status(), 500);
}

static enum edge_code one_round(void *data) {
    http_handler_fn *const *handler = data;
    call(*handler, "{\"commonName\":\"a\",\"expiration\":\"2030-01-02T03:04:05Z\"}");
    if (fake_pki_is_waiting() && *handler == workload_trust_bundle) {
        fake_pki_finish_bundle("PEM");
    } else if (fake_pki_is_waiting()) {
        fake_pki_finish_cert(&issued);
    }
    assert_int_equal(fake_exchange_answers(), 1);
    return fake_exchange_status() < 300 ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory(void **unused) {
    (void)unused;
    static http_handler_fn *const handlers[] = {workload_server_cert, workload_identity_cert,
                                                workload_trust_bundle};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(handlers); i++) {
        http_handler_fn *handler = handlers[i];
        assert_true(alloc_fail_torture(one_round, &handler) >= 2);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_server_certificate),
        T(test_identity_certificate),
        T(test_expirations),
        T(test_malformed_bodies),
        T(test_names_are_passed_on_and_judged),
        T(test_refused_at_once),
        T(test_failures),
        T(test_clock_not_right),
        T(test_no_identity_yet),
        T(test_client_leaves),
        T(test_trust_bundle),
        T(test_manifest_trust_bundle),
        T(test_answer_too_long),
        T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
