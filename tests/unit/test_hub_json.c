/* SPDX-License-Identifier: MIT */
#include "cloud/hub_json.h"

#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000

static const struct hub_json_ask ask_list = {
    .expect = HUB_JSON_LIST, .hub_host = "hub.example", .device_id = "dev-01"};
static const struct hub_json_ask ask_module = {.expect = HUB_JSON_MODULE,
                                               .hub_host = "hub.example",
                                               .device_id = "dev-01",
                                               .module_id = "tempSensor"};
static const struct hub_json_ask ask_delete = {.expect = HUB_JSON_NOTHING,
                                               .hub_host = "hub.example",
                                               .device_id = "dev-01",
                                               .module_id = "tempSensor"};

struct result {
    struct hub_answer answer;
    struct hub_module *modules;
};

static int setup(void **state) {
    *state = calloc(1, sizeof(struct result));
    return *state == NULL;
}

static void drop(struct result *r) {
    free(r->modules);
    *r = (struct result){0};
}

static int teardown(void **state) {
    drop(*state);
    free(*state);
    return 0;
}

static void read_slice(struct result *r, const struct hub_json_ask *ask, int status,
                       struct slice body) {
    drop(r);
    const struct reply reply = {.status = status, .body = body, .now_wall_s = NOW};
    hub_json_answer(ask, &reply, &r->answer, &r->modules);
    assert_ptr_equal(r->answer.modules, r->modules);
}

static void read_text(struct result *r, const struct hub_json_ask *ask, int status,
                      const char *body) {
    read_slice(r, ask, status, slice_str(body));
}

static void assert_text(const struct result *r, const char *part) {
    if (strstr(edge_error_text(&r->answer.err), part) == NULL) {
        fail_msg("'%s' does not say '%s'", edge_error_text(&r->answer.err), part);
    }
}

static void test_put_bodies(void **state) {
    (void)state;
    struct secret primary = {0};
    struct secret secondary = {0};
    assert_int_equal(secret_copy(&primary, "0123456789abcdef0123456789abcdef", 32, NULL), EDGE_OK);
    assert_int_equal(secret_copy(&secondary, "ABCDEF0123456789ABCDEF0123456789", 32, NULL),
                     EDGE_OK);
    struct hub_module_spec spec = {.module_id = "temp$ens\"or", .managed_by = "IotEdge"};
    struct buf out;
    buf_init_sensitive(&out, 1024);
    assert_int_equal(hub_json_put(&spec, "dev-01", &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out),
                        "{\"moduleId\":\"temp$ens\\\"or\",\"managedBy\":\"IotEdge\","
                        "\"deviceId\":\"dev-01\",\"authentication\":{\"type\":\"none\"}}");
    buf_reset(&out);
    spec = (struct hub_module_spec){.module_id = "m", .primary = &primary, .secondary = &secondary};
    assert_int_equal(hub_json_put(&spec, "dev-01", &out, NULL), EDGE_OK);
    assert_string_equal(
        buf_cstr(&out),
        "{\"moduleId\":\"m\",\"deviceId\":\"dev-01\",\"authentication\":{\"type\":\"sas\","
        "\"symmetricKey\":{\"primaryKey\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\","
        "\"secondaryKey\":\"QUJDREVGMDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODk=\"}}}");
    buf_clear(&out);
    secret_clear(&primary);
    secret_clear(&secondary);
}

static void test_list(void **state) {
    struct result *r = *state;
    char body[4096];
    (void)snprintf(body, sizeof(body), "[%s,%s,{\"moduleId\":\"bare\"},%s]",
                   cloud_env_module("$edgeAgent", "636463636967581550", "", "sas"),
                   cloud_env_module("tempSensor", "1", "IotEdge", "none"),
                   cloud_env_module("c", "2", "IotEdge", "x509"));
    read_text(r, &ask_list, 200, body);
    assert_int_equal(r->answer.kind, HUB_OK);
    assert_int_equal(r->answer.module_cnt, 4);
    assert_string_equal(r->modules[0].module_id, "$edgeAgent");
    assert_string_equal(r->modules[0].managed_by, "");
    assert_string_equal(r->modules[0].generation_id, "636463636967581550");
    assert_int_equal(r->modules[0].auth, HUB_AUTH_SAS);
    assert_string_equal(r->modules[1].managed_by, "IotEdge");
    assert_int_equal(r->modules[1].auth, HUB_AUTH_NONE);
    assert_string_equal(r->modules[2].module_id, "bare");
    assert_string_equal(r->modules[2].generation_id, "");
    assert_int_equal(r->modules[2].auth, HUB_AUTH_NONE);
    assert_int_equal(r->modules[3].auth, HUB_AUTH_X509);
    read_text(r, &ask_list, 200, "[]");
    assert_int_equal(r->answer.kind, HUB_OK);
    assert_int_equal(r->answer.module_cnt, 0);
}

static void test_auth_types(void **state) {
    struct result *r = *state;
    static const struct {
        const char *type;
        enum hub_auth auth;
    } cases[] = {{"sas", HUB_AUTH_SAS},         {"Sas", HUB_AUTH_SAS},
                 {"none", HUB_AUTH_NONE},       {"", HUB_AUTH_NONE},
                 {"selfSigned", HUB_AUTH_X509}, {"certificateAuthority", HUB_AUTH_X509},
                 {"x509", HUB_AUTH_X509},       {"telepathy", HUB_AUTH_OTHER}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        read_text(r, &ask_module, 200, cloud_env_module("tempSensor", "1", "", cases[i].type));
        assert_int_equal(r->answer.kind, HUB_OK);
        assert_int_equal(r->modules[0].auth, cases[i].auth);
    }
}

static void test_list_cap(void **state) {
    struct result *r = *state;
    static char body[HUB_MODULES_MAX * 32 + 64];
    for (int extra = 0; extra < 2; extra++) {
        size_t len = 0;
        for (int i = 0; i < HUB_MODULES_MAX + extra; i++) {
            len += (size_t)snprintf(body + len, sizeof(body) - len, "%c{\"moduleId\":\"m%d\"}",
                                    i ? ',' : '[', i);
        }
        body[len++] = ']';
        read_slice(r, &ask_list, 200, slice_make(body, len));
        assert_int_equal(r->answer.kind, extra ? HUB_TRANSIENT : HUB_OK);
        assert_int_equal(r->answer.module_cnt, extra ? 0 : HUB_MODULES_MAX);
    }
}

static void test_hostile(void **state) {
    struct result *r = *state;
    static const char *const bad[] = {
        "",
        "{}",
        "null",
        "{\"moduleId\":\"tempSensor\"",
        "{\"moduleId\":7}",
        "{\"moduleId\":\"\"}",
        "{\"moduleId\":\"other\"}",
        "{\"moduleId\":\"tempSensor\",\"generationId\":7}",
        "{\"moduleId\":\"tempSensor\",\"generationId\":\"a/b\"}",
        ("{\"moduleId\":\"tempSensor\",\"generationId\":"
         "\"1234567890123456789012345678901234567890123456789012345678901234\"}"),
        "{\"moduleId\":\"tempSensor\",\"managedBy\":[]}",
        "{\"moduleId\":\"tempSensor\",\"managedBy\":\"a\\nb\"}",
        "{\"moduleId\":\"tempSensor\",\"managedBy\":\"a\\u0000b\"}",
        "{\"moduleId\":\"tempSensor\\u0000\"}",
        "{\"moduleId\":\"tempSensor\",\"authentication\":\"sas\"}",
        "{\"moduleId\":\"tempSensor\",\"authentication\":{\"type\":5}}",
        "[{\"moduleId\":\"tempSensor\"}]",
        "<html>",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        read_text(r, &ask_module, 200, bad[i]);
        assert_int_equal(r->answer.kind, HUB_TRANSIENT);
        assert_int_equal(r->answer.err.code, EDGE_PROTO);
        assert_int_equal(r->answer.module_cnt, 0);
        assert_text(r, "hub.example");
    }
    static const char *const bad_lists[] = {"{}",
                                            "[7]",
                                            "[null]",
                                            "[{\"moduleId\":\"a b\"}]",
                                            "[[]]",
                                            "[{\"moduleId\":\"a\"},{}]",
                                            "[{\"moduleId\":\"..\"}]"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad_lists); i++) {
        read_text(r, &ask_list, 200, bad_lists[i]);
        assert_int_equal(r->answer.kind, HUB_TRANSIENT);
    }
    static char deep[100000];
    memset(deep, '[', sizeof(deep));
    read_slice(r, &ask_list, 200, slice_make(deep, sizeof(deep)));
    assert_int_equal(r->answer.kind, HUB_TRANSIENT);
    read_slice(r, &ask_list, 200, slice_make("[\0]", 3));
    assert_int_equal(r->answer.kind, HUB_TRANSIENT);
}

static void test_delete_ignores_the_body(void **state) {
    struct result *r = *state;
    read_text(r, &ask_delete, 204, "");
    assert_int_equal(r->answer.kind, HUB_OK);
    read_text(r, &ask_delete, 200, "nonsense");
    assert_int_equal(r->answer.kind, HUB_OK);
}

static void test_failure_statuses(void **state) {
    struct result *r = *state;
    static const struct {
        int status;
        const char *body;
        enum hub_kind kind;
        enum edge_code code;
        const char *text;
    } cases[] = {
        {400, "{\"Message\":\"ErrorCode:ArgumentInvalid;x\"}", HUB_INVALID, EDGE_REMOTE,
         "rejected"},
        {401, "{\"Message\":\"ErrorCode:IotHubUnauthorizedAccess;Unauthorized\"}", HUB_REFUSED,
         EDGE_DENIED, "refused device 'dev-01'"},
        {403, "", HUB_REFUSED, EDGE_DENIED, "IP filter"},
        {403, "{\"Message\":\"ErrorCode:IotHubQuotaExceeded;Total number\"}", HUB_THROTTLED,
         EDGE_RETRY, "quota"},
        {404, "{\"Message\":\"ErrorCode:ModuleNotFound;x\"}", HUB_NOT_FOUND, EDGE_NOT_FOUND,
         "no module 'tempSensor'"},
        {404, "{\"Message\":\"ErrorCode:DeviceNotFound;x\"}", HUB_NOT_FOUND, EDGE_NOT_FOUND,
         "not registered"},
        {408, "", HUB_TRANSIENT, EDGE_RETRY, "waited too long"},
        {409, "{\"message\":\"exists\"}", HUB_CONFLICT, EDGE_EXISTS, "exists already"},
        {412, "{\"errorMessage\":\"etag\"}", HUB_STALE, EDGE_CONFLICT, "'etag'"},
        {413, "", HUB_INVALID, EDGE_REMOTE, "as many modules"},
        {418, "", HUB_INVALID, EDGE_REMOTE, "rejected"},
        {429, "", HUB_THROTTLED, EDGE_RETRY, "throttling"},
        {500, "{\"Message\":5}", HUB_TRANSIENT, EDGE_RETRY, "fault of its own"},
        {503, "<html>", HUB_TRANSIENT, EDGE_RETRY, "said 503"},
        {302, "", HUB_TRANSIENT, EDGE_PROTO, "not usable"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        read_text(r, &ask_module, cases[i].status, cases[i].body);
        assert_int_equal(r->answer.kind, cases[i].kind);
        assert_int_equal(r->answer.err.code, cases[i].code);
        assert_int_equal(r->answer.err.native, cases[i].status);
        assert_int_equal(r->answer.http_status, cases[i].status);
        assert_int_equal(r->answer.module_cnt, 0);
        assert_text(r, cases[i].text);
        read_text(r, &ask_list, cases[i].status, cases[i].body);
        assert_int_equal(r->answer.kind, cases[i].kind);
    }
    read_text(r, &ask_list, 404, "");
    assert_text(r, "device 'dev-01' is not registered");
}

static void test_clock_skew_is_named(void **state) {
    struct result *r = *state;
    const struct reply reply = {
        .status = 401, .now_wall_s = NOW, .date_wall_s = NOW - 7200, .retry_after_ms = 5};
    hub_json_answer(&ask_list, &reply, &r->answer, &r->modules);
    assert_text(r, "7200 s ahead");
    assert_int_equal(r->answer.date_wall_s, NOW - 7200);
    assert_int_equal(r->answer.retry_after_ms, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_bodies),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_cap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_ignores_the_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_statuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_skew_is_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
