/* SPDX-License-Identifier: MIT */
#include "cloud/external_json.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CERT_TEXT "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define CERT_B64  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define KEY_TEXT  "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"
#define KEY_B64   "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCkJCQkIKLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo="
#define EC_B64                                                                                     \
    "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tDQpCQkJCDQotLS0tLUVORCBFQyBQUklWQVRFIEtFWS0tLS0t"

static const struct external external = {NULL, "http://127.0.0.1:9999"};
static struct external_secrets secrets;

static int setup(void **state) {
    (void)state;
    external_secrets_init(&secrets);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    external_secrets_clear(&secrets);
    return 0;
}

static struct external_answer read_reply(const struct reply *reply) {
    struct external_answer a;
    external_secrets_clear(&secrets);
    external_json_answer(&external, EXTERNAL_JSON_INFORMATION, reply, &a, &secrets);
    assert_int_equal(a.kind == EXTERNAL_OK, a.code == EDGE_OK);
    assert_int_equal(a.http_status, reply->status);
    if (a.code != EDGE_OK) {
        assert_int_equal(a.err.code, a.code);
        assert_int_equal(a.key.len + a.cert_pem.len + a.key_pem.len, 0);
    }
    return a;
}

static struct external_answer read_text(int status, const char *body) {
    const struct reply reply = {.status = status, .body = slice_str(body)};
    return read_reply(&reply);
}

/* An answer with these credentials. */
static struct external_answer read_credentials(const char *credentials) {
    char body[2048];
    (void)snprintf(body, sizeof(body),
                   "{\"hubName\":\"h.example:8443\",\"deviceId\":\"dev-01\",\"credentials\":{%s}}",
                   credentials);
    return read_text(200, body);
}

static void assert_text(const struct external_answer *a, const char *part) {
    if (strstr(edge_error_text(&a->err), part) == NULL) {
        fail_msg("'%s' does not say '%s'", edge_error_text(&a->err), part);
    }
}

static void test_key(void **state) {
    (void)state;
    struct external_answer a = read_text(
        200, "{\"hubName\":\"H.example\",\"deviceId\":\"Dev-01\",\"credentials\":{\"authType\":"
             "\"symmetric-key\",\"source\":\"payload\",\"key\":\"a2V5\",\"identityCert\":5},"
             "\"status\":\"assigned\",\"substatus\":\"initialAssignment\",\"more\":[]}");
    assert_int_equal(a.kind, EXTERNAL_OK);
    assert_string_equal(a.hub, "H.example");
    assert_string_equal(a.device_id, "Dev-01");
    assert_int_equal(a.auth, EXTERNAL_AUTH_KEY);
    assert_false(a.is_in_hsm);
    assert_true(slice_eq_str(a.key, "key"));
    assert_string_equal(a.status, "assigned");
    assert_string_equal(a.substatus, "initialAssignment");
    /* Without padding, and in other case. */
    a = read_credentials("\"authType\":\"Symmetric-Key\",\"source\":\"PAYLOAD\",\"key\":\"a2U\"");
    assert_true(slice_eq_str(a.key, "ke"));
    a = read_credentials("\"authType\":\"symmetric-key\",\"source\":\"hsm\",\"key\":\"a2V5\"");
    assert_int_equal(a.kind, EXTERNAL_OK);
    assert_true(a.is_in_hsm);
    assert_int_equal(a.key.len, 0);
}

static void test_certificate(void **state) {
    (void)state;
    struct external_answer a =
        read_credentials("\"authType\":\"x509\",\"source\":\"payload\",\"identityCert\":\"" CERT_B64
                         "\",\"identityPrivateKey\":\"" KEY_B64 "\"");
    assert_int_equal(a.kind, EXTERNAL_OK);
    assert_int_equal(a.auth, EXTERNAL_AUTH_X509);
    assert_true(slice_eq_str(a.cert_pem, CERT_TEXT));
    assert_true(slice_eq_str(a.key_pem, KEY_TEXT));
    assert_string_equal(a.hub, "h.example:8443");
    a = read_credentials("\"authType\":\"X509\",\"source\":\"payload\",\"identityCert\":"
                         "\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n\","
                         "\"identityPrivateKey\":\"" EC_B64 "\"");
    assert_int_equal(a.kind, EXTERNAL_OK);
    assert_true(slice_eq_str(a.cert_pem, CERT_TEXT));
    a = read_credentials("\"authType\":\"x509\",\"source\":\"hsm\",\"identityCert\":"
                         "\"/etc/id.pem\",\"identityPrivateKey\":\"file:///etc/id.key\"");
    assert_int_equal(a.kind, EXTERNAL_OK);
    assert_true(a.is_in_hsm);
    assert_string_equal(a.cert_ref, "/etc/id.pem");
    assert_string_equal(a.key_ref, "file:///etc/id.key");
    assert_int_equal(a.cert_pem.len, 0);
}

static void test_bad_credentials(void **state) {
    (void)state;
    static const struct {
        const char *credentials;
        const char *text;
    } cases[] = {
        {"", "authType"},
        {"\"authType\":\"\",\"source\":\"payload\"", "authType"},
        {"\"authType\":\"tpm\",\"source\":\"payload\"", "neither symmetric-key nor x509"},
        {"\"authType\":\"x509\"", "source"},
        {"\"authType\":\"x509\",\"source\":\"file\"", "neither payload nor hsm"},
        {"\"authType\":5,\"source\":\"hsm\"", "authType"},
        {"\"authType\":\"symmetric-key\",\"source\":\"payload\"", "key is missing"},
        {"\"authType\":\"symmetric-key\",\"source\":\"payload\",\"key\":null", "key is missing"},
        {"\"authType\":\"symmetric-key\",\"source\":\"payload\",\"key\":\"\"", "key is missing"},
        {"\"authType\":\"symmetric-key\",\"source\":\"payload\",\"key\":\"a b\"", "not base64"},
        {"\"authType\":\"symmetric-key\",\"source\":\"payload\",\"key\":[]", "key"},
        {"\"authType\":\"x509\",\"source\":\"payload\",\"identityCert\":\"" CERT_B64 "\"",
         "identityPrivateKey is missing"},
        {"\"authType\":\"x509\",\"source\":\"payload\",\"identityPrivateKey\":\"" KEY_B64 "\"",
         "identityCert is missing"},
        {"\"authType\":\"x509\",\"source\":\"payload\",\"identityCert\":\"a2V5\","
         "\"identityPrivateKey\":\"" KEY_B64 "\"",
         "identityCert is not base64 of a PEM"},
        {"\"authType\":\"x509\",\"source\":\"payload\",\"identityCert\":\"" CERT_B64
         "\",\"identityPrivateKey\":\"" CERT_B64 "\"",
         "identityPrivateKey is not base64 of a PEM"},
        {"\"authType\":\"x509\",\"source\":\"payload\",\"identityCert\":\"" CERT_B64
         "\",\"identityPrivateKey\":\"%%\"",
         "identityPrivateKey is not base64 of a PEM"},
        {"\"authType\":\"x509\",\"source\":\"hsm\",\"identityCert\":\"/c\"",
         "identityPrivateKey is missing"},
        {"\"authType\":\"x509\",\"source\":\"hsm\",\"identityCert\":\"/c\\n\","
         "\"identityPrivateKey\":\"/k\"",
         "identityCert is not the name"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        const struct external_answer a = read_credentials(cases[i].credentials);
        assert_int_equal(a.kind, EXTERNAL_UNUSABLE);
        assert_int_equal(a.code, EDGE_PROTO);
        assert_text(&a, cases[i].text);
    }
}

static void test_too_long(void **state) {
    (void)state;
    char credentials[1600];
    char filler[1200];
    memset(filler, 'A', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    (void)snprintf(credentials, sizeof(credentials),
                   "\"authType\":\"symmetric-key\",\"source\":\"payload\",\"key\":\"%.172s\"",
                   filler);
    struct external_answer a = read_credentials(credentials);
    assert_text(&a, "at most 128 bytes");
    (void)snprintf(credentials, sizeof(credentials),
                   "\"authType\":\"x509\",\"source\":\"hsm\",\"identityCert\":\"%.1025s\","
                   "\"identityPrivateKey\":\"k\"",
                   filler);
    a = read_credentials(credentials);
    assert_text(&a, "identityCert is not the name");
}

static void test_bad_names(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *text;
    } cases[] = {
        {"{}", "hubName is missing"},
        {"{\"hubName\":\"h\"}", "deviceId is missing"},
        {"{\"hubName\":\"\",\"deviceId\":\"d\"}", "hubName is missing"},
        {"{\"hubName\":5,\"deviceId\":\"d\"}", "hubName"},
        {"{\"hubName\":\"h/x\",\"deviceId\":\"d\"}", "hubName is not a host"},
        {"{\"hubName\":\"h:0\",\"deviceId\":\"d\"}", "hubName is not a host"},
        {"{\"hubName\":\"h\",\"deviceId\":\"a/b\"}", "deviceId is not a device id"},
        {"{\"hubName\":\"h\",\"deviceId\":\"..\"}", "deviceId is not a device id"},
        {"{\"hubName\":\"h\",\"deviceId\":\"d\"}", "credentials are missing"},
        {"{\"hubName\":\"h\",\"deviceId\":\"d\",\"credentials\":null}", "credentials are missing"},
        {"{\"hubName\":\"h\",\"deviceId\":\"d\",\"credentials\":[]}", "credentials"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        const struct external_answer a = read_text(200, cases[i].body);
        assert_int_equal(a.kind, EXTERNAL_UNUSABLE);
        assert_text(&a, cases[i].text);
    }
}

static void test_status_words(void **state) {
    (void)state;
    static const struct {
        const char *word;
        enum external_kind kind;
    } cases[] = {{"unassigned", EXTERNAL_WAITING},
                 {"Assigning", EXTERNAL_WAITING},
                 {"failed", EXTERNAL_REFUSED},
                 {"disabled", EXTERNAL_REFUSED}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        char body[128];
        (void)snprintf(body, sizeof(body), "{\"status\":\"%s\",\"substatus\":\"a\\nb\"}",
                       cases[i].word);
        const struct external_answer a = read_text(200, body);
        assert_int_equal(a.kind, cases[i].kind);
        assert_string_equal(a.substatus, "a b");
    }
    /* Words that we do not know hinder nobody. */
    const struct external_answer a =
        read_text(200, "{\"hubName\":\"h\",\"deviceId\":\"d\",\"status\":\"fine\",\"substatus\":3,"
                       "\"credentials\":{\"authType\":\"symmetric-key\",\"source\":\"hsm\"}}");
    assert_int_equal(a.kind, EXTERNAL_OK);
    assert_string_equal(a.status, "fine");
    assert_string_equal(a.substatus, "");
}

static void test_failure_statuses(void **state) {
    (void)state;
    static const struct {
        int status;
        enum external_kind kind;
        enum edge_code code;
    } cases[] = {{400, EXTERNAL_REFUSED, EDGE_REMOTE},  {401, EXTERNAL_REFUSED, EDGE_DENIED},
                 {403, EXTERNAL_REFUSED, EDGE_DENIED},  {404, EXTERNAL_REFUSED, EDGE_NOT_FOUND},
                 {405, EXTERNAL_REFUSED, EDGE_REMOTE},  {408, EXTERNAL_TRANSIENT, EDGE_RETRY},
                 {429, EXTERNAL_TRANSIENT, EDGE_RETRY}, {500, EXTERNAL_TRANSIENT, EDGE_RETRY},
                 {503, EXTERNAL_TRANSIENT, EDGE_RETRY}, {302, EXTERNAL_UNUSABLE, EDGE_PROTO}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        struct external_answer a = read_text(cases[i].status, "{\"message\":\"it\\tbroke\"}");
        assert_int_equal(a.kind, cases[i].kind);
        assert_int_equal(a.code, cases[i].code);
        assert_string_equal(a.said, "it broke");
        assert_text(&a, "it broke");
        a = read_text(cases[i].status, "<html>");
        assert_int_equal(a.kind, cases[i].kind);
        assert_string_equal(a.said, "");
    }
}

static void test_not_json(void **state) {
    (void)state;
    static const char *const bodies[] = {"", "[]", "null", "<html>", "{\"hubName\":\"h\","};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        const struct external_answer a = read_text(200, bodies[i]);
        assert_int_equal(a.kind, EXTERNAL_TRANSIENT);
        assert_int_equal(a.code, EDGE_PROTO);
    }
    const struct reply html = {
        .status = 200, .body = SLICE_LIT("<html>"), .content_type = SLICE_LIT("text/html")};
    const struct external_answer a = read_reply(&html);
    assert_int_equal(a.kind, EXTERNAL_TRANSIENT);
    assert_text(&a, "content type");
}

static void test_reprovision(void **state) {
    (void)state;
    struct external_answer a;
    const struct reply good = {.status = 204};
    external_json_answer(&external, EXTERNAL_JSON_REPROVISION, &good, &a, &secrets);
    assert_int_equal(a.kind, EXTERNAL_OK);
    const struct reply text = {.status = 200, .body = SLICE_LIT("ok")};
    external_json_answer(&external, EXTERNAL_JSON_REPROVISION, &text, &a, &secrets);
    assert_int_equal(a.kind, EXTERNAL_OK);
    const struct reply bad = {.status = 404};
    external_json_answer(&external, EXTERNAL_JSON_REPROVISION, &bad, &a, &secrets);
    assert_int_equal(a.kind, EXTERNAL_REFUSED);
}

static enum edge_code torture(void *data) {
    (void)data;
    static const char *const bodies[] = {
        "{\"hubName\":\"h\",\"deviceId\":\"d\",\"credentials\":{\"authType\":\"x509\",\"source\":"
        "\"payload\",\"identityCert\":\"" CERT_B64 "\",\"identityPrivateKey\":\"" KEY_B64 "\"}}",
        "{\"hubName\":\"h\",\"deviceId\":\"d\",\"credentials\":{\"authType\":\"symmetric-key\","
        "\"source\":\"payload\",\"key\":\"a2V5\"}}"};
    enum edge_code worst = EDGE_OK;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        const struct external_answer a = read_text(200, bodies[i]);
        assert_true(a.code == EDGE_OK || a.code == EDGE_NOMEM);
        assert_true(a.code == EDGE_OK || a.kind == EXTERNAL_TRANSIENT);
        worst = a.code != EDGE_OK ? a.code : worst;
    }
    return worst;
}

static void test_allocation_torture(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(torture, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_statuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reprovision, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
