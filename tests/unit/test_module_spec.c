/* SPDX-License-Identifier: MIT */
/*
 * What edgeAgent asks for, member by member, and what the engine is given.
 */
#include "runtime/module_spec.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define OWNER       "\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\""
#define OURS(image) OWNER ",\"" RUNTIME_IMAGE_LABEL "\":\"" image "\""
#define LABELS      "\"Labels\":{" OURS("a:1") "}"

/* A whole request around settings, and around what follows them in config. */
#define REQUEST(settings, more)                                                                    \
    "{\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":\"a:1\"" settings     \
    "}" more "}}"
#define OPTIONS(options) REQUEST(",\"createOptions\":" options, "")

static struct module_spec spec;
static struct edge_error err;

static enum edge_code parse(const char *json, bool allow_elevated) {
    return module_spec_parse(slice_str(json), allow_elevated, &spec, &err);
}

static void check_body(const char *json, bool allow_elevated, const char *want) {
    if (parse(json, allow_elevated) != EDGE_OK) {
        fail_msg("%s: %s", json, err.text);
    }
    assert_string_equal(buf_cstr(&spec.create_body), want);
    module_spec_clear(&spec);
}

/* As edgeAgent sends it. */
static void test_whole(void **state) {
    struct buf details;
    (void)state;
    assert_int_equal(
        parse("{\"name\":\"edgeHub\",\"type\":\"docker\",\"imagePullPolicy\":\"On-Create\","
              "\"config\":{\"settings\":{\"image\":\"reg.example/hub:1.1\",\"imageHash\":"
              "\"sha256:ab\",\"createOptions\":{\"HostConfig\":{\"PortBindings\":{\"443/tcp\":"
              "[{\"HostPort\":\"443\"}]}},\"Labels\":{\"x\":\"y\"},\"Env\":[\"K=w\"]},"
              "\"auth\":{\"username\":\"u\",\"password\":\"p\",\"email\":\"\",\"serveraddress\":"
              "\"reg.example\"},\"notaryContentTrust\":null},\"env\":[{\"key\":\"K\",\"value\":"
              "\"v\"},{\"key\":\"L\",\"value\":\"1\"}]}}",
              true),
        EDGE_OK);
    assert_string_equal(spec.name, "edgeHub");
    assert_string_equal(spec.image, "reg.example/hub:1.1");
    assert_true(spec.pull);
    assert_true(spec.auth.sensitive && spec.create_body.sensitive && spec.config.sensitive);
    assert_string_equal(buf_cstr(&spec.auth), "{\"username\":\"u\",\"password\":\"p\",\"email\":"
                                              "\"\",\"serveraddress\":\"reg.example\"}");
    assert_string_equal(buf_cstr(&spec.create_body),
                        "{\"Image\":\"reg.example/hub:1.1\",\"Env\":[\"K=w\",\"L=1\"],"
                        "\"Labels\":{\"x\":\"y\"," OURS(
                            "reg.example/hub:1.1") "},\"HostConfig\":{\"PortBindings\":"
                                                   "{\"443/tcp\":[{\"HostPort\":\"443\"}]}}}");
    buf_init(&details, 4096);
    assert_int_equal(module_spec_details(&spec, true, &details, &err), EDGE_OK);
    assert_string_equal(
        buf_cstr(&details),
        "{\"id\":\"edgeHub\",\"name\":\"edgeHub\",\"type\":\"docker\",\"config\":{\"settings\":"
        "{\"image\":\"reg.example/hub:1.1\",\"imageHash\":\"sha256:ab\",\"createOptions\":"
        "{\"HostConfig\":{\"PortBindings\":{\"443/tcp\":[{\"HostPort\":\"443\"}]}},\"Labels\":"
        "{\"x\":\"y\"},\"Env\":[\"K=w\"]},\"notaryContentTrust\":null},\"env\":[{\"key\":\"K\","
        "\"value\":\"v\"},{\"key\":\"L\",\"value\":\"1\"}]},\"status\":{\"runtimeStatus\":"
        "{\"status\":\"running\"}}}");
    buf_clear(&details);
    module_spec_clear(&spec);
    module_spec_clear(&spec);
}

static void test_smallest(void **state) {
    struct buf details;
    (void)state;
    assert_int_equal(parse(REQUEST("", ""), true), EDGE_OK);
    assert_int_equal(spec.auth.len, 0);
    assert_string_equal(buf_cstr(&spec.create_body), "{\"Image\":\"a:1\",\"Env\":[]," LABELS "}");
    buf_init(&details, 4096);
    assert_int_equal(module_spec_details(&spec, false, &details, &err), EDGE_OK);
    assert_string_equal(buf_cstr(&details),
                        "{\"id\":\"m\",\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":"
                        "{\"image\":\"a:1\"}},\"status\":{\"runtimeStatus\":{\"status\":"
                        "\"stopped\"}}}");
    buf_clear(&details);
    module_spec_clear(&spec);
}

static void test_create_options(void **state) {
    static const struct {
        const char *json, *want;
    } rows[] = {
        {OPTIONS("{}"), "{\"Image\":\"a:1\",\"Env\":[]," LABELS "}"},
        /* Unknown members pass. */
        {OPTIONS("{\"New\":[1,2.5,null,{\"a\":true}],\"Cmd\":[\"x\"]}"),
         "{\"New\":[1,2.5,null,{\"a\":true}],\"Cmd\":[\"x\"],\"Image\":\"a:1\",\"Env\":[]," LABELS
         "}"},
        /* Ours win, whatever their case. */
        {OPTIONS("{\"Image\":\"evil\"}"), "{\"Image\":\"a:1\",\"Env\":[]," LABELS "}"},
        {OPTIONS("{\"iMAGE\":\"evil\"}"), "{\"Image\":\"a:1\",\"Env\":[]," LABELS "}"},
        {OPTIONS("{\"image\":7,\"labels\":{\"" RUNTIME_OWNER_LABEL
                 "\":\"me\",\"" RUNTIME_IMAGE_LABEL "\":\"b\",\"x\":\"y\"}}"),
         "{\"Image\":\"a:1\",\"Env\":[],\"Labels\":{\"x\":\"y\"," OURS("a:1") "}}"},
        {OPTIONS("{\"Label\xc5\xbf\":{\"x\":\"y\"},\"env\":[\"A=1\"]}"),
         "{\"Image\":\"a:1\",\"Env\":[\"A=1\"],\"Labels\":{\"x\":\"y\"," OURS("a:1") "}}"},
        {OPTIONS("{\"Env\":null,\"Labels\":null,\"HostConfig\":null}"),
         "{\"Image\":\"a:1\",\"Env\":[]," LABELS ",\"HostConfig\":null}"},
        {OPTIONS("{\"Images\":1,\"Imag\":2,\"\":3}"),
         "{\"Images\":1,\"Imag\":2,\"\":3,\"Image\":\"a:1\",\"Env\":[]," LABELS "}"},
        {REQUEST("", ",\"env\":null"), "{\"Image\":\"a:1\",\"Env\":[]," LABELS "}"},
        {OPTIONS("{\"HostConfig\":{\"Privileged\":true,\"CapAdd\":[\"ALL\"]}}"),
         "{\"Image\":\"a:1\",\"Env\":[]," LABELS
         ",\"HostConfig\":{\"Privileged\":true,\"CapAdd\":[\"ALL\"]}}"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        check_body(rows[i].json, true, rows[i].want);
    }
}

#define DROPPED "\"CapDrop\":[\"CAP_CHOWN\",\"CAP_SETUID\"]"

static void test_privileges(void **state) {
    static const struct {
        const char *json, *host;
    } rows[] = {
        {OPTIONS("{}"), "{" DROPPED "}"},
        {OPTIONS("{\"HostConfig\":null}"), "{" DROPPED "}"},
        {OPTIONS("{\"HostConfig\":{\"Privileged\":true,\"CapAdd\":[\"ALL\"],\"Memory\":1}}"),
         "{\"Memory\":1," DROPPED "}"},
        {OPTIONS("{\"hostconfig\":{\"privileged\":true,\"capadd\":[\"ALL\"]}}"), "{" DROPPED "}"},
        {OPTIONS("{\"Ho\xc5\xbftConfig\":{\"CapAdd\":[\"ALL\"]}}"), "{" DROPPED "}"},
        {OPTIONS("{\"HostConfig\":{\"CapDrop\":[\"NET_RAW\"],\"CAPDROP\":null}}"),
         "{\"CapDrop\":[\"NET_RAW\",\"CAP_CHOWN\",\"CAP_SETUID\"]}"},
        {OPTIONS("{\"HostConfig\":{\"CapDrop\":\"ALL\"}}"),
         "{\"CapDrop\":[\"ALL\",\"CAP_CHOWN\",\"CAP_SETUID\"]}"},
    };
    char want[512];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        (void)snprintf(want, sizeof(want),
                       "{\"Image\":\"a:1\",\"Env\":[]," LABELS ",\"HostConfig\":%s}", rows[i].host);
        check_body(rows[i].json, false, want);
    }
}

static void test_policy(void **state) {
    static const struct {
        const char *word;
        bool pull;
    } rows[] = {{"On-Create", true}, {"on-create", true}, {"Never", false}, {"NEVER", false}};
    char json[256];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        (void)snprintf(json, sizeof(json),
                       "{\"name\":\"m\",\"type\":\"docker\",\"imagePullPolicy\":\"%s\",\"config\":"
                       "{\"settings\":{\"image\":\"a\"}}}",
                       rows[i].word);
        assert_int_equal(parse(json, true), EDGE_OK);
        assert_int_equal(spec.pull, rows[i].pull);
        module_spec_clear(&spec);
    }
}

static void test_auth(void **state) {
    static const struct {
        const char *json, *want;
    } rows[] = {
        {REQUEST(",\"auth\":null", ""), ""},
        {REQUEST(",\"auth\":{}", ""), ""},
        {REQUEST(",\"auth\":{\"username\":\"u\",\"email\":null}", ""),
         "{\"username\":\"u\",\"email\":null}"},
        {REQUEST(",\"auth\":{\"identitytoken\":\"t\"}", ""), "{\"identitytoken\":\"t\"}"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(parse(rows[i].json, true), EDGE_OK);
        assert_string_equal(buf_cstr(&spec.auth), rows[i].want);
        assert_null(strstr(buf_cstr(&spec.config), "auth"));
        module_spec_clear(&spec);
    }
}

static void test_refused(void **state) {
    static const char *const rows[] = {
        "",
        "[]",
        "{}",
        "{\"name\":\"m\"}",
        "{\"name\":\" \",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":\"a\"}}}",
        "{\"name\":\"$edgeAgent\",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":\"a\"}}}",
        "{\"name\":\"../m\",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":\"a\"}}}",
        "{\"name\":\"m\",\"type\":\"\",\"config\":{\"settings\":{\"image\":\"a\"}}}",
        "{\"name\":\"m\",\"type\":\"podman\",\"config\":{\"settings\":{\"image\":\"a\"}}}",
        "{\"name\":\"m\",\"config\":{\"settings\":{\"image\":\"a\"}}}",
        "{\"name\":\"m\",\"type\":\"docker\"}",
        "{\"name\":\"m\",\"type\":\"docker\",\"config\":{}}",
        "{\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":\"{}\"}}",
        "{\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":{}}}",
        "{\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":\"\"}}}",
        "{\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":\"a b\"}}}",
        "{\"name\":\"m\",\"type\":\"docker\",\"config\":{\"settings\":{\"image\":7}}}",
        "{\"name\":\"m\",\"type\":\"docker\",\"imagePullPolicy\":\"Always\",\"config\":"
        "{\"settings\":{\"image\":\"a\"}}}",
        "{\"name\":\"m\",\"type\":\"docker\",\"imagePullPolicy\":1,\"config\":"
        "{\"settings\":{\"image\":\"a\"}}}",
        REQUEST(",\"imageHash\":1", ""),
        REQUEST(",\"auth\":\"x\"", ""),
        REQUEST(",\"auth\":{\"username\":1}", ""),
        REQUEST(",\"auth\":{\"serveraddress\":[]}", ""),
        REQUEST("", ",\"env\":{}"),
        REQUEST("", ",\"env\":[{\"key\":\"a\"}]"),
        OPTIONS("null"),
        OPTIONS("\"{}\""),
        OPTIONS("[]"),
        OPTIONS("{\"Env\":{}}"),
        OPTIONS("{\"Env\":\"A=1\"}"),
        OPTIONS("{\"Env\":[1]}"),
        OPTIONS("{\"Labels\":[]}"),
        OPTIONS("{\"Labels\":\"x\"}"),
        OPTIONS("{\"HostConfig\":[]}"),
        OPTIONS("{\"HostConfig\":{},\"hostConfig\":{\"Privileged\":true}}"),
        OPTIONS("{\"Labels\":{},\"Labels\":{}}"),
        OPTIONS("{\"Env\":[],\"ENV\":[]}"),
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        enum edge_code code = parse(rows[i], true);
        if (code != EDGE_PARSE && code != EDGE_INVALID && code != EDGE_NOT_FOUND) {
            fail_msg("%s: %d", rows[i], (int)code);
        }
        assert_true(err.text[0] != '\0');
    }
}

static void test_too_many_values(void **state) {
    struct buf json;
    (void)state;
    buf_init(&json, MODULE_SPEC_TEXT_MAX);
    assert_int_equal(buf_append_str(&json, "{\"x\":[0", NULL), EDGE_OK);
    for (unsigned i = 0; i < MODULE_SPEC_NODES_MAX; i++) {
        assert_int_equal(buf_append_str(&json, ",0", NULL), EDGE_OK);
    }
    assert_int_equal(buf_append_str(&json, "]}", NULL), EDGE_OK);
    assert_int_equal(parse(buf_cstr(&json), true), EDGE_RANGE);
    buf_clear(&json);
}

static enum edge_code torture(void *data) {
    (void)data;
    enum edge_code code =
        parse(REQUEST(",\"auth\":{\"username\":\"u\"},\"createOptions\":{\"Env\":[\"A=1\"],"
                      "\"HostConfig\":{\"Memory\":1}}",
                      ",\"env\":[{\"key\":\"B\",\"value\":\"2\"}]"),
              false);
    if (code == EDGE_OK) {
        module_spec_clear(&spec);
    }
    return code;
}

static void test_memory_is_short(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(torture, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),           cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_create_options),  cmocka_unit_test(test_privileges),
        cmocka_unit_test(test_policy),          cmocka_unit_test(test_auth),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_too_many_values),
        cmocka_unit_test(test_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
