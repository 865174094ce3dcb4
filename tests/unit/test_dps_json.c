/* SPDX-License-Identifier: MIT */
#include "cloud/dps_json.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000

static const struct dps dps = {.endpoint = "https://global.azure-devices-provisioning.net",
                               .scope_id = "0ne00000000",
                               .registration_id = "Dev-01"};

static void read_reply(enum dps_json_leg leg, const struct reply *reply, struct dps_answer *ret) {
    struct buf blob;
    buf_init(&blob, HSM_BLOB_MAX);
    dps_json_answer(&dps, leg, reply, ret, &blob);
    if (ret->kind == DPS_ASSIGNED && ret->blob.len > 0) {
        assert_true(slice_eq_str(ret->blob, "blob bytes"));
    }
    buf_clear(&blob);
}

static struct dps_answer read_text(enum dps_json_leg leg, int status, const char *body) {
    const struct reply reply = {.status = status, .body = slice_str(body), .now_wall_s = NOW};
    struct dps_answer answer;
    read_reply(leg, &reply, &answer);
    return answer;
}

static void assert_text(const struct dps_answer *a, const char *part) {
    if (strstr(edge_error_text(&a->err), part) == NULL) {
        fail_msg("'%s' does not say '%s'", edge_error_text(&a->err), part);
    }
}

static void test_register_body(void **state) {
    (void)state;
    struct hsm_attestation keys = {.ek_len = 3, .srk_len = 4};
    memcpy(keys.ek, "\x01\x3a\xff", 3);
    memcpy(keys.srk, "abcd", 4);
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(dps_json_register(&dps, &keys, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out),
                        "{\"registrationId\":\"Dev-01\",\"tpm\":{\"endorsementKey\":\"ATr/\","
                        "\"storageRootKey\":\"YWJjZA==\"}}");
    buf_clear(&out);
    buf_init(&out, 20);
    assert_int_equal(dps_json_register(&dps, &keys, &out, NULL), EDGE_RANGE);
    buf_clear(&out);
}

static void test_register_body_without_tpm(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(dps_json_register(&dps, NULL, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "{\"registrationId\":\"Dev-01\"}");
    buf_clear(&out);
}

static void test_lookup(void **state) {
    (void)state;
    struct dps_answer a =
        read_text(DPS_JSON_LOOKUP, 200,
                  "{\"status\":\"assigned\",\"assignedHub\":\"h.example\",\"deviceId\":\"d\","
                  "\"substatus\":\"initialAssignment\",\"tpm\":{\"authenticationKey\":\"%\"}}");
    assert_int_equal(a.kind, DPS_ASSIGNED);
    assert_string_equal(a.hub, "h.example");
    assert_string_equal(a.device_id, "d");
    assert_string_equal(a.substatus, "initialAssignment");
    assert_int_equal(a.blob.len, 0);
    a = read_text(DPS_JSON_LOOKUP, 200,
                  "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\","
                  "\"deviceId\":\"d\"}}");
    assert_int_equal(a.kind, DPS_ASSIGNED);
    a = read_text(DPS_JSON_LOOKUP, 200, "{\"status\":\"unassigned\",\"operationId\":\"a b\"}");
    assert_int_equal(a.kind, DPS_ASSIGNING);
    assert_string_equal(a.operation_id, "");
    a = read_text(DPS_JSON_LOOKUP, 200, "{\"status\":\"disabled\"}");
    assert_int_equal(a.kind, DPS_DISABLED);
    a = read_text(DPS_JSON_LOOKUP, 200, "{\"status\":\"failed\",\"errorCode\":400208}");
    assert_int_equal(a.kind, DPS_FAILED);
    assert_int_equal(a.error_code, 400208);
    a = read_text(DPS_JSON_LOOKUP, 200, "{\"status\":\"assigned\"}");
    assert_int_equal(a.kind, DPS_TRANSIENT);
    a = read_text(DPS_JSON_LOOKUP, 404, "{\"errorCode\":404201}");
    assert_int_equal(a.kind, DPS_NOT_FOUND);
    assert_text(&a, "has never registered");
    a = read_text(DPS_JSON_LOOKUP, 401, "{\"authenticationKey\":\"YmxvYiBieXRlcw==\"}");
    assert_int_equal(a.kind, DPS_REFUSED);
    a = read_text(DPS_JSON_LOOKUP_CHALLENGE, 401, "{\"authenticationKey\":\"YmxvYiBieXRlcw==\"}");
    assert_int_equal(a.kind, DPS_CHALLENGE);
    a = read_text(DPS_JSON_LOOKUP_CHALLENGE, 200,
                  "{\"status\":\"assigned\",\"assignedHub\":\"h\",\"deviceId\":\"d\"}");
    assert_int_equal(a.kind, DPS_TRANSIENT);
    assert_text(&a, "without a challenge");
}

/* A page of somebody in between is neither a challenge nor a refusal nor an assignment; JSON that
 * is called something else is JSON. */
static void test_wrong_content_type(void **state) {
    (void)state;
    static const struct {
        enum dps_json_leg leg;
        int status;
        enum dps_kind kind;
    } cases[] = {{DPS_JSON_CHALLENGE, 401, DPS_CHALLENGE},
                 {DPS_JSON_REGISTER, 200, DPS_ASSIGNED},
                 {DPS_JSON_OPERATION, 200, DPS_ASSIGNED},
                 {DPS_JSON_LOOKUP, 200, DPS_ASSIGNED}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        struct reply reply = {
            .status = cases[i].status,
            .body = SLICE_LIT("{\"authenticationKey\":\"YmxvYiBieXRlcw==\",\"status\":\"assigned\","
                              "\"registrationState\":{\"assignedHub\":\"h\",\"deviceId\":\"d\"}}"),
            .content_type = SLICE_LIT("text/html"),
            .now_wall_s = NOW};
        struct dps_answer a;
        read_reply(cases[i].leg, &reply, &a);
        assert_int_equal(a.kind, cases[i].kind);
        /* Cut off, it is nothing. */
        for (size_t len = reply.body.len - 1; len > 0; len--) {
            reply.body.len = len;
            read_reply(cases[i].leg, &reply, &a);
            assert_int_equal(a.kind, DPS_TRANSIENT);
            assert_int_equal(a.code, EDGE_PROTO);
        }
        reply.body = SLICE_LIT("<html>sign in</html>");
        read_reply(cases[i].leg, &reply, &a);
        assert_int_equal(a.kind, DPS_TRANSIENT);
        assert_int_equal(a.code, EDGE_PROTO);
        assert_text(&a, "content type");
    }
}

static void test_challenge(void **state) {
    (void)state;
    const char *body =
        "{\"message\":\"Authorization required.\",\"authenticationKey\":\"YmxvYiBieXRlcw==\","
        "\"keyName\":\"registration\",\"trackingId\":\"t-1\",\"unknown\":{}}";
    const struct reply reply = {
        .status = 401, .body = slice_str(body), .now_wall_s = NOW, .date_wall_s = NOW};
    struct dps_answer a;
    struct buf blob;
    buf_init(&blob, HSM_BLOB_MAX);
    dps_json_answer(&dps, DPS_JSON_CHALLENGE, &reply, &a, &blob);
    assert_int_equal(a.kind, DPS_CHALLENGE);
    assert_int_equal(a.code, EDGE_OK);
    assert_int_equal(a.http_status, 401);
    assert_int_equal(a.date_wall_s, NOW);
    assert_string_equal(a.tracking_id, "t-1");
    assert_true(slice_eq_str(a.blob, "blob bytes"));
    buf_clear(&blob);
    /* With a token, a key in the answer does not make it a challenge. */
    a = read_text(DPS_JSON_REGISTER, 401, body);
    assert_int_equal(a.kind, DPS_REFUSED);
    assert_int_equal(a.blob.len, 0);
}

static void test_challenge_damaged(void **state) {
    (void)state;
    struct dps_answer a = read_text(DPS_JSON_CHALLENGE, 401, "{\"authenticationKey\":\"!!\"}");
    assert_int_equal(a.kind, DPS_TRANSIENT);
    assert_int_equal(a.code, EDGE_PROTO);
    static const char *const unreadable[] = {"{\"authenticationKey\":7}", "<html>", "[]",
                                             "{\"authenticationKey\":\"YmxvYiBieXRlcw=="};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(unreadable); i++) {
        a = read_text(DPS_JSON_CHALLENGE, 401, unreadable[i]);
        assert_int_equal(a.kind, DPS_TRANSIENT);
        assert_int_equal(a.code, EDGE_PROTO);
    }
    static char big[20000];
    (void)snprintf(big, sizeof(big), "{\"authenticationKey\":\"%0*d\"}", HSM_BLOB_MAX * 4 / 3 + 8,
                   0);
    a = read_text(DPS_JSON_CHALLENGE, 401, big);
    assert_int_equal(a.kind, DPS_TRANSIENT);
    assert_int_equal(a.blob.len, 0);
    (void)snprintf(big, sizeof(big), "{\"authenticationKey\":\"%0*d\"}",
                   HSM_BLOB_MAX * 4 / 3 / 4 * 4, 0);
    a = read_text(DPS_JSON_CHALLENGE, 401, big);
    assert_int_equal(a.kind, DPS_CHALLENGE);
}

static void test_not_enrolled(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"errorCode\":401002,\"trackingId\":\"tr\",\"message\":\"Unauthorized\"}",
        "{\"authenticationKey\":null}", "{\"authenticationKey\":\"\"}", "{}", ""};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        struct dps_answer a = read_text(DPS_JSON_CHALLENGE, 401, bodies[i]);
        assert_int_equal(a.kind, DPS_REFUSED);
        assert_int_equal(a.code, EDGE_DENIED);
        assert_int_equal(a.err.domain, EDGE_DOMAIN_HTTP);
        assert_int_equal(a.err.native, 401);
        assert_text(&a, "not enrolled under registration id 'Dev-01' in ID scope '0ne00000000'");
        assert_text(&a, "iotedge tpm info");
        if (i == 0) {
            assert_int_equal(a.error_code, 401002);
            assert_string_equal(a.tracking_id, "tr");
            assert_string_equal(a.said, "Unauthorized");
        }
    }
}

static void test_failure_statuses(void **state) {
    (void)state;
    static const struct {
        enum dps_json_leg leg;
        int status;
        int64_t error_code;
        enum dps_kind kind;
        enum edge_code code;
        const char *text;
    } cases[] = {
        {DPS_JSON_REGISTER, 400, 400207, DPS_INVALID, EDGE_REMOTE, "allocation policy"},
        {DPS_JSON_REGISTER, 400, 400208, DPS_INVALID, EDGE_REMOTE, "link an IoT Hub"},
        {DPS_JSON_REGISTER, 400, 400209, DPS_INVALID, EDGE_REMOTE, "may not write to its hub"},
        {DPS_JSON_REGISTER, 400, 400000, DPS_INVALID, EDGE_REMOTE, "check registration id"},
        {DPS_JSON_REGISTER, 401, 401000, DPS_REFUSED, EDGE_DENIED, "clock"},
        {DPS_JSON_OPERATION, 401, 401002, DPS_REFUSED, EDGE_DENIED, "proof was refused"},
        {DPS_JSON_CHALLENGE, 403, 0, DPS_REFUSED, EDGE_DENIED, "IP filter"},
        {DPS_JSON_REGISTER, 403, 0, DPS_REFUSED, EDGE_DENIED, "IP filter"},
        {DPS_JSON_CHALLENGE, 404, 404201, DPS_NOT_FOUND, EDGE_NOT_FOUND, "scope_id"},
        {DPS_JSON_REGISTER, 404, 404202, DPS_NOT_FOUND, EDGE_NOT_FOUND,
         "unknown at 'https://global"},
        {DPS_JSON_OPERATION, 404, 404202, DPS_NOT_FOUND, EDGE_NOT_FOUND, "start again"},
        {DPS_JSON_REGISTER, 405, 0, DPS_INVALID, EDGE_REMOTE, "kind of request"},
        {DPS_JSON_REGISTER, 415, 0, DPS_INVALID, EDGE_REMOTE, "kind of request"},
        {DPS_JSON_REGISTER, 408, 0, DPS_TRANSIENT, EDGE_RETRY, "waited too long"},
        {DPS_JSON_REGISTER, 409, 409203, DPS_CONFLICT, EDGE_CONFLICT, "in progress"},
        {DPS_JSON_OPERATION, 412, 0, DPS_CONFLICT, EDGE_CONFLICT, "changed during"},
        {DPS_JSON_REGISTER, 429, 429001, DPS_THROTTLED, EDGE_RETRY, "throttling"},
        {DPS_JSON_REGISTER, 500, 0, DPS_TRANSIENT, EDGE_RETRY, "fault of its own"},
        {DPS_JSON_REGISTER, 503, 0, DPS_TRANSIENT, EDGE_RETRY, "fault of its own"},
        {DPS_JSON_OPERATION, 418, 0, DPS_INVALID, EDGE_REMOTE, "rejected"},
        {DPS_JSON_REGISTER, 302, 0, DPS_TRANSIENT, EDGE_PROTO, "proxy"},
        {DPS_JSON_REGISTER, 199, 0, DPS_TRANSIENT, EDGE_PROTO, "proxy"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        char body[256];
        (void)snprintf(body, sizeof(body),
                       "{\"errorCode\":%" PRId64
                       ",\"trackingId\":\"tr-9\",\"message\":\"It\\u0007 said\\n no\"}",
                       cases[i].error_code);
        struct dps_answer a = read_text(cases[i].leg, cases[i].status, body);
        assert_int_equal(a.kind, cases[i].kind);
        assert_int_equal(a.code, cases[i].code);
        assert_int_equal(a.err.code, cases[i].code);
        assert_int_equal(a.http_status, cases[i].status);
        assert_int_equal(a.error_code, cases[i].error_code);
        assert_string_equal(a.tracking_id, "tr-9");
        assert_string_equal(a.said, "It said no");
        assert_text(&a, cases[i].text);
        assert_text(&a, "DPS said ");
        if (strlen(edge_error_text(&a.err)) < 200) {
            assert_text(&a, "'It said no'");
        }
    }
}

static void test_retry_after_and_skew(void **state) {
    (void)state;
    struct reply reply = {.status = 429, .retry_after_ms = 7000, .now_wall_s = NOW};
    struct dps_answer a;
    read_reply(DPS_JSON_REGISTER, &reply, &a);
    assert_int_equal(a.retry_after_ms, 7000);
    reply = (struct reply){.status = 401, .now_wall_s = NOW, .date_wall_s = NOW + 86400};
    read_reply(DPS_JSON_REGISTER, &reply, &a);
    assert_text(&a, "86400 s behind");
    reply.date_wall_s = NOW - 1000;
    read_reply(DPS_JSON_REGISTER, &reply, &a);
    assert_text(&a, "1000 s ahead");
    reply.date_wall_s = NOW - 10;
    read_reply(DPS_JSON_REGISTER, &reply, &a);
    assert_null(strstr(edge_error_text(&a.err), "ahead"));
}

static void test_assigning(void **state) {
    (void)state;
    struct dps_answer a =
        read_text(DPS_JSON_REGISTER, 202, "{\"operationId\":\"4.dd-1\",\"status\":\"assigning\"}");
    assert_int_equal(a.kind, DPS_ASSIGNING);
    assert_int_equal(a.code, EDGE_OK);
    assert_string_equal(a.operation_id, "4.dd-1");
    a = read_text(DPS_JSON_OPERATION, 202, "{\"status\":\"Unassigned\",\"registrationState\":{}}");
    assert_int_equal(a.kind, DPS_ASSIGNING);
    assert_string_equal(a.operation_id, "");
    a = read_text(DPS_JSON_OPERATION, 200, "{\"registrationState\":{\"status\":\"assigning\"}}");
    assert_int_equal(a.kind, DPS_ASSIGNING);
    static const char *const bad[] = {
        "{\"status\":\"assigning\"}",
        "{\"operationId\":\"\",\"status\":\"assigning\"}",
        "{\"operationId\":5,\"status\":\"assigning\"}",
        "{\"operationId\":\"..\",\"status\":\"assigning\"}",
        "{\"operationId\":\"a/b\",\"status\":\"assigning\"}",
        "{\"operationId\":\"a?api-version=1\",\"status\":\"assigning\"}",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        a = read_text(DPS_JSON_REGISTER, 202, bad[i]);
        assert_int_equal(a.kind, DPS_TRANSIENT);
        assert_int_equal(a.code, EDGE_PROTO);
        assert_string_equal(a.operation_id, "");
    }
    char body[DPS_TEXT_MAX + 100];
    (void)snprintf(body, sizeof(body), "{\"status\":\"assigning\",\"operationId\":\"%0*d\"}",
                   DPS_TEXT_MAX, 0);
    assert_int_equal(read_text(DPS_JSON_REGISTER, 202, body).kind, DPS_TRANSIENT);
    (void)snprintf(body, sizeof(body), "{\"status\":\"assigning\",\"operationId\":\"%0*d\"}",
                   DPS_TEXT_MAX - 1, 0);
    assert_int_equal(read_text(DPS_JSON_REGISTER, 202, body).kind, DPS_ASSIGNING);
}

static const char assigned_body[] =
    "{\"operationId\":\"4.dd\",\"status\":\"assigned\",\"registrationState\":{\"registrationId\":"
    "\"dev-01\","
    "\"status\":\"assigned\",\"substatus\":\"initialAssignment\",\"assignedHub\":\"h.azure-devices."
    "net\","
    "\"deviceId\":\"dev-01\",\"createdDateTimeUtc\":\"2024-01-01T00:00:00Z\",\"etag\":\"x\","
    "\"tpm\":{\"authenticationKey\":\"YmxvYiBieXRlcw==\"},\"x509\":null,\"payload\":{\"a\":[1]},"
    "\"errorCode\":0,\"errorMessage\":null}}";

static void test_assigned(void **state) {
    (void)state;
    struct dps_answer a = read_text(DPS_JSON_OPERATION, 200, assigned_body);
    assert_int_equal(a.kind, DPS_ASSIGNED);
    assert_int_equal(a.code, EDGE_OK);
    assert_string_equal(a.hub, "h.azure-devices.net");
    assert_string_equal(a.device_id, "dev-01");
    assert_string_equal(a.substatus, "initialAssignment");
    assert_int_equal(a.blob.len, 10);
    a = read_text(
        DPS_JSON_REGISTER, 200,
        "{\"status\":\"ASSIGNED\",\"registrationState\":{\"assignedHub\":\"127.0.0.1:8443\","
        "\"deviceId\":\"d\"}}");
    assert_int_equal(a.kind, DPS_ASSIGNED);
    assert_string_equal(a.hub, "127.0.0.1:8443");
    assert_int_equal(a.blob.len, 0);
}

static void test_assigned_hostile(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"status\":\"assigned\"}",
        "{\"status\":\"assigned\",\"registrationState\":[]}",
        "{\"status\":\"assigned\",\"registrationState\":{\"deviceId\":\"d\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":5,\"deviceId\":\"d\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h/"
        "x\",\"deviceId\":\"d\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"u@h\",\"deviceId\":"
        "\"d\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\",\"deviceId\":\"../"
        "x\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\",\"deviceId\":\"\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\\u0000.evil\","
        "\"deviceId\":\"d\"}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\",\"deviceId\":\"d\","
        "\"tpm\":5}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\",\"deviceId\":\"d\","
        "\"tpm\":{\"authenticationKey\":[]}}}",
        "{\"status\":\"assigned\",\"registrationState\":{\"assignedHub\":\"h\",\"deviceId\":\"d\","
        "\"tpm\":{\"authenticationKey\":\"A\"}}}",
        "{\"status\":7}",
        "{}",
        "{\"status\":\"happy\"}",
        "[]",
        "null",
        "\"assigned\"",
        "{\"status\":\"assigned\"",
        "",
        "<html>captive portal</html>",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct dps_answer a = read_text(DPS_JSON_OPERATION, 200, bad[i]);
        assert_int_equal(a.kind, DPS_TRANSIENT);
        assert_int_equal(a.code, EDGE_PROTO);
        assert_text(&a, "not usable");
    }
    static char deep[20000];
    memset(deep, '[', sizeof(deep) - 1);
    assert_int_equal(read_text(DPS_JSON_OPERATION, 200, deep).kind, DPS_TRANSIENT);
    const struct reply nul = {.status = 200, .body = slice_make("{\"status\":\0\"failed\"}", 20)};
    struct dps_answer a;
    read_reply(DPS_JSON_OPERATION, &nul, &a);
    assert_int_equal(a.kind, DPS_TRANSIENT);
}

static void test_success_without_challenge(void **state) {
    (void)state;
    struct dps_answer a = read_text(DPS_JSON_CHALLENGE, 200, assigned_body);
    assert_int_equal(a.kind, DPS_TRANSIENT);
    assert_text(&a, "without a challenge");
    assert_string_equal(a.hub, "");
}

static void test_failed_and_disabled(void **state) {
    (void)state;
    struct dps_answer a = read_text(DPS_JSON_OPERATION, 200,
                                    "{\"status\":\"failed\",\"registrationState\":{\"errorCode\":"
                                    "400208,\"errorMessage\":\"No hub\"}}");
    assert_int_equal(a.kind, DPS_FAILED);
    assert_int_equal(a.code, EDGE_REMOTE);
    assert_int_equal(a.error_code, 400208);
    assert_text(&a, "link an IoT Hub");
    assert_text(&a, "(400208): 'No hub'");
    a = read_text(DPS_JSON_OPERATION, 200,
                  "{\"status\":\"failed\",\"registrationState\":{\"errorCode\":400207}}");
    assert_text(&a, "allocation policy");
    a = read_text(DPS_JSON_OPERATION, 200,
                  "{\"status\":\"failed\",\"registrationState\":{\"errorCode\":400209}}");
    assert_text(&a, "may not write");
    a = read_text(DPS_JSON_OPERATION, 200, "{\"status\":\"failed\"}");
    assert_int_equal(a.kind, DPS_FAILED);
    assert_text(&a, "look at the enrollment");
    a = read_text(DPS_JSON_OPERATION, 200, "{\"status\":\"disabled\"}");
    assert_int_equal(a.kind, DPS_DISABLED);
    assert_int_equal(a.code, EDGE_DENIED);
    assert_text(&a, "enable it");
    assert_int_equal(read_text(DPS_JSON_OPERATION, 200, "{\"status\":\"blacklisted\"}").kind,
                     DPS_DISABLED);
}

/* The longest names must not push the mend out of the text. */
static void test_long_names(void **state) {
    (void)state;
    char name[129];
    memset(name, 'n', sizeof(name) - 1);
    name[128] = '\0';
    const struct dps longest = {.endpoint = name, .scope_id = name, .registration_id = name};
    const struct reply reply = {
        .status = 401, .body = SLICE_LIT("{\"message\":\"no\"}"), .now_wall_s = NOW};
    struct dps_answer a;
    struct buf blob;
    buf_init(&blob, 1);
    dps_json_answer(&longest, DPS_JSON_CHALLENGE, &reply, &a, &blob);
    assert_text(&a, "iotedge tpm info");
    buf_clear(&blob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register_body),
        cmocka_unit_test(test_register_body_without_tpm),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_wrong_content_type),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_challenge_damaged),
        cmocka_unit_test(test_not_enrolled),
        cmocka_unit_test(test_failure_statuses),
        cmocka_unit_test(test_retry_after_and_skew),
        cmocka_unit_test(test_assigning),
        cmocka_unit_test(test_assigned),
        cmocka_unit_test(test_assigned_hostile),
        cmocka_unit_test(test_success_without_challenge),
        cmocka_unit_test(test_failed_and_disabled),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
