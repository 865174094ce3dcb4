/* SPDX-License-Identifier: MIT */
#include "runtime/docker_pull_json.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void test_complete(void **state) {
    static const struct {
        const char *image, *complete;
    } rows[] = {
        {"a", "a:latest"},
        {"a:1", "a:1"},
        {"a/b/c", "a/b/c:latest"},
        {"localhost:5000/a", "localhost:5000/a:latest"},
        {"localhost:5000/a:1", "localhost:5000/a:1"},
        {"[::1]:5000/a", "[::1]:5000/a:latest"},
        {"a@sha256:00", "a@sha256:00"},
        {"localhost:5000/a:1@sha256:00", "localhost:5000/a:1@sha256:00"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct buf out EDGE_CLEANUP(buf_clear);
        buf_init(&out, 256);
        assert_int_equal(docker_pull_complete(slice_str(rows[i].image), &out, NULL), EDGE_OK);
        assert_string_equal(buf_cstr(&out), rows[i].complete);
    }
}

static void test_messages(void **state) {
    static const struct {
        const char *json;
        enum edge_code code;
        bool failed;
        const char *text;
    } rows[] = {
        {"{\"status\":\"Pulling from a\",\"id\":\"latest\"}", EDGE_OK, false,
         "Pulling from a (latest)"},
        {"{\"status\":\"Digest: sha256:00\"}", EDGE_OK, false, "Digest: sha256:00"},
        {"{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1},\"id\":\"0a\"}", EDGE_OK,
         false, ""},
        {"{\"status\":\"Extracting\",\"id\":\"0a\"}", EDGE_OK, false, ""},
        {"{\"stream\":\"Trying to pull a:1...\\n\"}", EDGE_OK, false, "Trying to pull a:1..."},
        {"{\"id\":\"0a\"}", EDGE_OK, false, ""},
        {"{}", EDGE_OK, false, ""},
        {"{\"status\":null,\"error\":null}", EDGE_OK, false, ""},
        {"{\"error\":\"bad\\u001b news\"}", EDGE_OK, true, "bad  news"},
        {"{\"error\":\"short\",\"errorDetail\":{\"message\":\"long\"}}", EDGE_OK, true, "long"},
        {"{\"errorDetail\":{\"code\":5}}", EDGE_OK, true, "unknown error"},
        {"{\"status\":5}", EDGE_PROTO, false, ""},
        {"{\"errorDetail\":\"x\"}", EDGE_PROTO, false, ""},
        {"{\"errorDetail\":{\"message\":1}}", EDGE_PROTO, false, ""},
        {"[]", EDGE_PROTO, false, ""},
        {"{", EDGE_PARSE, false, ""},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct docker_pull_message m = {0};
        assert_int_equal(docker_pull_message(slice_str(rows[i].json), &m, NULL), rows[i].code);
        assert_int_equal(m.failed, rows[i].failed);
        assert_string_equal(m.text, rows[i].text);
    }
}

static void test_meaning(void **state) {
    static const struct {
        const char *text;
        enum edge_code code;
    } rows[] = {
        {"unauthorized: authentication required", EDGE_DENIED},
        {"Get \"http://x\": no basic auth credentials", EDGE_DENIED},
        {"denied: requested access to the resource is denied", EDGE_DENIED},
        {"pull access denied for x, repository does not exist or may require 'docker login'",
         EDGE_NOT_FOUND},
        {"manifest unknown: manifest unknown", EDGE_NOT_FOUND},
        {"manifest for x:9 not found", EDGE_NOT_FOUND},
        {"name unknown: repository name not known to registry", EDGE_NOT_FOUND},
        {"no matching manifest for linux/arm64 in the manifest list entries", EDGE_NOT_FOUND},
        {"toomanyrequests: slow down", EDGE_REMOTE},
        {"", EDGE_REMOTE},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(docker_pull_meaning(rows[i].text, EDGE_REMOTE), rows[i].code);
    }
}

static enum edge_code one_round(void *data) {
    struct docker_pull_message m = {0};
    (void)data;
    return docker_pull_message(SLICE_LIT("{\"status\":\"a\",\"id\":\"b\"}"), &m, NULL);
}

/* It is left out, not cut in the middle of a character. */
static void test_id_without_room(void **state) {
    struct docker_pull_message m;
    char status[sizeof(m.text) - 6], json[sizeof(m.text) + 64];
    (void)state;
    memset(status, 'a', sizeof(status) - 1);
    status[sizeof(status) - 1] = '\0';
    snprintf(json, sizeof(json), "{\"status\":\"%s\",\"id\":\"\xc3\xa9\xc3\xa9\"}", status);
    assert_int_equal(docker_pull_message(slice_str(json), &m, NULL), EDGE_OK);
    assert_string_equal(m.text, status);
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),      cmocka_unit_test(test_messages),
        cmocka_unit_test(test_meaning),       cmocka_unit_test(test_id_without_room),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
