/* SPDX-License-Identifier: MIT */
/*
 * The Engine's answers, real and hostile.
 */
#include "runtime/docker_json.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_A "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"
#define ID_B "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
#define OWNED                                                                                      \
    "{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE                                          \
    "\",\"net.azure-devices.edge.env\":\"{}\"}"

#define INSPECT(id, name, labels, state)                                                           \
    "{\"Id\":\"" id "\",\"Name\":\"" name "\",\"Config\":{\"Labels\":" labels "},\"State\":" state \
    "}"
#define RUNNING                                                                                    \
    "{\"Status\":\"running\",\"Running\":true,\"Pid\":9472,"                                       \
    "\"StartedAt\":\"2026-11-23T20:57:06.374705508Z\"}"

static enum edge_code version(const char *text, struct docker_version *ret) {
    return docker_json_version(slice_str(text), ret, NULL);
}

static void test_version(void **state) {
    struct docker_version v;
    (void)state;
    assert_int_equal(version("{\"Components\":[{\"Name\":\"Engine\",\"Version\":\"20.10.24\"}],"
                             "\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}",
                             &v),
                     EDGE_OK);
    assert_string_equal(v.api, "1.41");
    assert_string_equal(v.min, "1.12");
    assert_false(v.podman);
    assert_int_equal(
        version("{\"Components\":[{\"Name\":\"Podman Engine\",\"Version\":\"4.3.1\"},"
                "{\"Name\":\"Conmon\"}],\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.24\"}",
                &v),
        EDGE_OK);
    assert_true(v.podman);
    assert_int_equal(version("{\"ApiVersion\":\"1.24\",\"Components\":[1,null,{}]}", &v), EDGE_OK);
    assert_string_equal(v.min, "");

    memset(&v, 'x', sizeof(v));
    assert_int_equal(version("{}", &v), EDGE_PROTO);
    assert_int_equal(version("{\"ApiVersion\":1.41}", &v), EDGE_PROTO);
    assert_int_equal(version("{\"ApiVersion\":\"\"}", &v), EDGE_PROTO);
    assert_int_equal(version("{\"ApiVersion\":\"1.41111111111111111\"}", &v), EDGE_PROTO);
    assert_int_equal(version("{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":[]}", &v), EDGE_PROTO);
    assert_int_equal(version("[]", &v), EDGE_PROTO);
    assert_int_equal(version("", &v), EDGE_PARSE);
    assert_int_equal(version("{\"ApiVersion\":\"1.41\"", &v), EDGE_PARSE);
    assert_int_equal(v.api[0], 'x'); /* untouched */
}

static void test_container(void **state) {
    struct runtime_container c;
    (void)state;
    assert_int_equal(
        docker_json_container(slice_str(INSPECT(ID_A, "/edgeHub", OWNED, RUNNING)), &c, NULL),
        EDGE_OK);
    assert_string_equal(c.id, ID_A);
    assert_string_equal(c.name, "edgeHub");
    assert_true(c.owned);
    assert_true(c.running);
    assert_int_equal(c.pid, 9472);
    assert_int_equal(c.started_wall_s, 1795467426);

    assert_int_equal(
        docker_json_container(
            slice_str(
                INSPECT(ID_A, "/x", "null",
                        "{\"Running\":false,\"Pid\":77,\"StartedAt\":\"0001-01-01T00:00:00Z\"}")),
            &c, NULL),
        EDGE_OK);
    assert_false(c.owned);
    assert_false(c.running);
    assert_int_equal(c.pid, 0); /* of a process that is gone */
    assert_int_equal(c.started_wall_s, 0);
}

static void test_owner_label_exactly(void **state) {
    static const char *const labels[] = {
        "{\"" RUNTIME_OWNER_LABEL "\":\"microsoft.azure.devices.edge.agent\"}",
        "{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE " \"}",
        "{\"" RUNTIME_OWNER_LABEL "\":\"\"}",
        "{\"Net.azure-devices.edge.owner\":\"" RUNTIME_OWNER_VALUE "\"}",
        "{}",
    };
    char text[1024];
    struct runtime_container c;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(labels); i++) {
        snprintf(text, sizeof(text),
                 "{\"Id\":\"" ID_A "\",\"Name\":\"/a\",\"Config\":{\"Labels\":%s},\"State\":{}}",
                 labels[i]);
        assert_int_equal(docker_json_container(slice_str(text), &c, NULL), EDGE_OK);
        assert_false(c.owned);
    }
}

static void test_container_names(void **state) {
    static const struct {
        const char *name;
        const char *expected;
    } rows[] = {{"/a", "a"}, {"a", "a"},        {"//a", ""},      {"/a/b", ""}, {"/", ""},
                {"", ""},    {"/a\\u0020", ""}, {"/\\u00e4", ""}, {"/..", ""}};
    char text[1024];
    struct runtime_container c;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        snprintf(text, sizeof(text),
                 "{\"Id\":\"" ID_A "\",\"Name\":\"%s\",\"Config\":{},\"State\":{\"Running\":true}}",
                 rows[i].name);
        assert_int_equal(docker_json_container(slice_str(text), &c, NULL), EDGE_OK);
        assert_string_equal(c.name, rows[i].expected);
    }
}

static void test_bad_containers(void **state) {
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"Id\":\"short\",\"Name\":\"/a\",\"Config\":{},\"State\":{}}",
        "{\"Id\":\"1EF0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff\",\"Name\":\"/"
        "a\",\"Config\":{},\"State\":{}}",
        "{\"Id\":\"" ID_A "\",\"Config\":{},\"State\":{}}",
        "{\"Id\":\"" ID_A "\",\"Name\":7,\"Config\":{},\"State\":{}}",
        "{\"Id\":\"" ID_A "\",\"Name\":\"/a\",\"State\":{}}",
        "{\"Id\":\"" ID_A "\",\"Name\":\"/a\",\"Config\":[],\"State\":{}}",
        "{\"Id\":\"" ID_A "\",\"Name\":\"/a\",\"Config\":{}}",
        INSPECT(ID_A, "/a", "[]", "{}"),
        INSPECT(ID_A, "/a", "{\"" RUNTIME_OWNER_LABEL "\":true}", "{}"),
        INSPECT(ID_A, "/a", "{}", "{\"Running\":\"yes\"}"),
        INSPECT(ID_A, "/a", "{}", "{\"Running\":true,\"Pid\":-1}"),
        INSPECT(ID_A, "/a", "{}", "{\"Running\":true,\"Pid\":4294967297}"),
        INSPECT(ID_A, "/a", "{}", "{\"Running\":true,\"Pid\":1.5}"),
        INSPECT(ID_A, "/a", "{}", "{\"Running\":true,\"Pid\":\"1\"}"),
    };
    struct runtime_container c;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        if (docker_json_container(slice_str(texts[i]), &c, NULL) != EDGE_PROTO) {
            fail_msg("row %zu", i);
        }
    }
}

/* Whatever a whole answer is cut to, it is refused, never half understood. */
static void test_truncated(void **state) {
    const char *text = INSPECT(ID_A, "/edgeHub", OWNED, RUNNING);
    struct runtime_container c;
    (void)state;
    for (size_t len = 0; len < strlen(text); len++) {
        assert_int_equal(docker_json_container(slice_make(text, len), &c, NULL), EDGE_PARSE);
    }
}

static void test_list(void **state) {
    struct runtime_container *list = NULL;
    size_t cnt = 0;
    (void)state;
    assert_int_equal(
        docker_json_list(slice_str("[{\"Id\":\"" ID_A
                                   "\",\"Names\":[\"/other/alias\",\"/a\"],\"Labels\":" OWNED
                                   ",\"State\":\"running\"},"
                                   "{\"Id\":\"" ID_B
                                   "\",\"Names\":[\"/b\"],\"Labels\":null,\"State\":\"exited\"},"
                                   "{\"Id\":\"" ID_B "\",\"Names\":[],\"State\":\"running\"},"
                                   "{\"Id\":\"" ID_B "\",\"Names\":null}]"),
                         &list, &cnt, NULL),
        EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_string_equal(list[0].name, "a");
    assert_true(list[0].owned && list[0].running);
    assert_string_equal(list[1].name, "b");
    assert_false(list[1].owned || list[1].running);
    free(list);
    list = NULL;
    assert_int_equal(docker_json_list(slice_str("[]"), &list, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 0);
    free(list);
    assert_int_equal(docker_json_list(slice_str("{}"), &list, &cnt, NULL), EDGE_PROTO);
    assert_int_equal(docker_json_list(slice_str("[1]"), &list, &cnt, NULL), EDGE_PROTO);
    assert_int_equal(
        docker_json_list(slice_str("[{\"Id\":\"" ID_A "\",\"Names\":{}}]"), &list, &cnt, NULL),
        EDGE_PROTO);
    assert_int_equal(
        docker_json_list(slice_str("[{\"Id\":\"" ID_A "\",\"State\":[]}]"), &list, &cnt, NULL),
        EDGE_PROTO);
}

static char *repeat(const char *head, const char *item, size_t times, const char *tail) {
    size_t len = strlen(head) + (strlen(item) + 1) * times + strlen(tail) + 1;
    char *text = malloc(len), *at = text;
    assert_non_null(text);
    at += snprintf(at, len, "%s", head);
    for (size_t i = 0; i < times; i++) {
        at += snprintf(at, len - (size_t)(at - text), "%s%s", i ? "," : "", item);
    }
    snprintf(at, len - (size_t)(at - text), "%s", tail);
    return text;
}

static void test_too_many(void **state) {
    struct runtime_container *list = NULL;
    pid_t *pids = NULL;
    size_t cnt = 0;
    (void)state;
    char *text = repeat("[", "{\"Id\":\"" ID_A "\"}", RUNTIME_CONTAINERS_MAX, "]");
    assert_int_equal(docker_json_list(slice_str(text), &list, &cnt, NULL), EDGE_OK);
    free(list);
    free(text);
    text = repeat("[", "{\"Id\":\"" ID_A "\"}", RUNTIME_CONTAINERS_MAX + 1, "]");
    assert_int_equal(docker_json_list(slice_str(text), &list, &cnt, NULL), EDGE_RANGE);
    free(text);
    text = repeat("{\"Titles\":[\"PID\"],\"Processes\":[", "[\"7\"]", RUNTIME_PIDS_MAX, "]}");
    assert_int_equal(docker_json_top(slice_str(text), "PID", &pids, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, RUNTIME_PIDS_MAX);
    free(pids);
    free(text);
    text = repeat("{\"Titles\":[\"PID\"],\"Processes\":[", "[\"7\"]", RUNTIME_PIDS_MAX + 1, "]}");
    assert_int_equal(docker_json_top(slice_str(text), "PID", &pids, &cnt, NULL), EDGE_RANGE);
    free(text);
    text = repeat("", "[", 100, "");
    assert_int_not_equal(docker_json_list(slice_str(text), &list, &cnt, NULL), EDGE_OK);
    free(text);
}

static void test_top(void **state) {
    pid_t *pids = NULL;
    size_t cnt = 0;
    (void)state;
    assert_int_equal(
        docker_json_top(
            slice_str(
                "{\"Processes\":[[\"root\",\"9472\",\"9452\",\"12\",\"20:57\",\"?\",\"00:00:00\","
                "\"/bin/busybox sleep 600\"],[\"app\",\" 12 \"]],"
                "\"Titles\":[\"UID\",\"PID\",\"PPID\",\"C\",\"STIME\",\"TTY\",\"TIME\",\"CMD\"]}"),
            "PID", &pids, &cnt, NULL),
        EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_int_equal(pids[0], 9472);
    assert_int_equal(pids[1], 12);
    free(pids);
    pids = NULL;
    assert_int_equal(docker_json_top(slice_str("{\"Titles\":[\"PID\"],\"Processes\":null}"), "PID",
                                     &pids, &cnt, NULL),
                     EDGE_OK);
    assert_int_equal(cnt, 0);
    free(pids);
}

static void test_bad_tops(void **state) {
    static const char *const texts[] = {
        "{\"Titles\":[\"UID\",\"PPID\",\"pid\"],\"Processes\":[[\"1\",\"2\",\"3\"]]}",
        "{\"Titles\":[\"HPID\"],\"Processes\":[[\"1\"]]}",
        "{\"Titles\":\"PID\",\"Processes\":[[\"1\"]]}",
        "{\"Processes\":[[\"1\"]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":{}}",
        "{\"Titles\":[\"UID\",\"PID\"],\"Processes\":[[\"root\"]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[[1]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[\"1\"]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[[\"\"]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[[\"0\"]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[[\"-1\"]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[[\"?\"]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[[\"0x10\"]]}",
        "{\"Titles\":[\"PID\"],\"Processes\":[[\"4294967297\"]]}",
    };
    pid_t *pids = NULL;
    size_t cnt = 0;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        if (docker_json_top(slice_str(texts[i]), "PID", &pids, &cnt, NULL) != EDGE_PROTO) {
            fail_msg("row %zu", i);
        }
    }
    assert_null(pids);
}

static void test_info(void **state) {
    struct runtime_info info;
    char text[1024];
    (void)state;
    assert_int_equal(
        docker_json_info(
            slice_str(
                "{\"OSType\":\"linux\",\"Architecture\":\"x86_64\",\"ServerVersion\":\"20.10.24\","
                "\"KernelVersion\":\"6.1\",\"OperatingSystem\":\"Debian\",\"NCPU\":2,"
                "\"MemTotal\":8123456789}"),
            &info, NULL),
        EDGE_OK);
    assert_string_equal(info.os_type, "linux");
    assert_string_equal(info.architecture, "x86_64");
    assert_string_equal(info.server_version, "20.10.24");
    assert_string_equal(info.kernel_version, "6.1");
    assert_string_equal(info.operating_system, "Debian");
    assert_int_equal(info.cpus, 2);
    assert_true(info.total_memory == 8123456789u);
    assert_int_equal(docker_json_info(slice_str("{}"), &info, NULL), EDGE_OK);
    assert_string_equal(info.os_type, "");
    assert_int_equal(info.cpus, 0);
    /* Cut between characters. */
    snprintf(text, sizeof(text), "{\"OSType\":\"%.62s\xc3\xa4\"}",
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(docker_json_info(slice_str(text), &info, NULL), EDGE_OK);
    assert_int_equal(strlen(info.os_type), 62);
    assert_int_equal(docker_json_info(slice_str("{\"OSType\":1}"), &info, NULL), EDGE_PROTO);
    assert_int_equal(docker_json_info(slice_str("{\"NCPU\":-1}"), &info, NULL), EDGE_PROTO);
    assert_int_equal(docker_json_info(slice_str("{\"NCPU\":1e300}"), &info, NULL), EDGE_PROTO);
    assert_int_equal(docker_json_info(slice_str("{\"MemTotal\":\"1\"}"), &info, NULL), EDGE_PROTO);
}

static void test_events(void **state) {
    static const struct {
        const char *action;
        bool known;
        enum runtime_event event;
    } rows[] = {{"start", true, RUNTIME_EVENT_STARTED},
                {"die", true, RUNTIME_EVENT_STOPPED},
                {"died", true, RUNTIME_EVENT_STOPPED},
                {"destroy", true, RUNTIME_EVENT_STOPPED},
                {"rename", true, RUNTIME_EVENT_STOPPED},
                {"top", false, 0},
                {"exec_start: sh", false, 0},
                {"", false, 0}};
    char text[512], id[RUNTIME_ID_LEN + 1];
    enum runtime_event event;
    bool known;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        snprintf(
            text, sizeof(text),
            "{\"status\":\"x\",\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"" ID_A
            "\"}}",
            rows[i].action);
        assert_int_equal(docker_json_event(slice_str(text), &known, &event, id, NULL), EDGE_OK);
        assert_int_equal(known, rows[i].known);
        if (known) {
            assert_int_equal(event, rows[i].event);
            assert_string_equal(id, ID_A);
        }
    }
    assert_int_equal(docker_json_event(slice_str("{\"Type\":\"network\",\"Action\":\"destroy\"}"),
                                       &known, &event, id, NULL),
                     EDGE_OK);
    assert_false(known);
    static const char *const bad[] = {
        "{\"Type\":\"container\",\"Action\":\"die\"}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{}}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"../x\"}}",
        "{\"Type\":\"container\",\"Action\":1}",
        "[]",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(docker_json_event(slice_str(bad[i]), &known, &event, id, NULL),
                         EDGE_PROTO);
    }
}

static void test_message(void **state) {
    static const struct {
        const char *body;
        const char *expected;
    } rows[] = {
        {"{\"message\":\"No such container: x\"}", "No such container: x"},
        {"client version 1.10 is too old\n", "client version 1.10 is too old"},
        {"{\"message\":\"a\\nb\\u0007c\\u001b[2J\"}", "a b c [2J"},
        {"{\"message\":5}", ""},
        {"{}", ""},
        {"", ""},
        {"\xff\xfe plain \xc3", "?? plain ?"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
    };
    char text[DOCKER_MESSAGE_MAX], big[1000];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        docker_json_message(slice_str(rows[i].body), text);
        assert_string_equal(text, rows[i].expected);
    }
    docker_json_message(slice_make("a\0b", 3), text);
    assert_string_equal(text, "a b");
    memset(big, 'y', sizeof(big));
    docker_json_message(slice_make(big, sizeof(big)), text);
    assert_int_equal(strlen(text), DOCKER_MESSAGE_MAX - 1);
}

static enum edge_code read_all(void *data) {
    struct runtime_container *list = NULL, c;
    struct docker_version v;
    struct runtime_info info;
    pid_t *pids = NULL;
    size_t cnt = 0;
    (void)data;
    enum edge_code code = docker_json_list(slice_str("[{\"Id\":\"" ID_A "\",\"Names\":[\"/a\"]}]"),
                                           &list, &cnt, NULL);
    if (code == EDGE_OK) {
        code = docker_json_top(slice_str("{\"Titles\":[\"PID\"],\"Processes\":[[\"1\"]]}"), "PID",
                               &pids, &cnt, NULL);
    }
    if (code == EDGE_OK) {
        code = docker_json_container(slice_str(INSPECT(ID_A, "/a", OWNED, RUNNING)), &c, NULL);
    }
    if (code == EDGE_OK) {
        code = version("{\"ApiVersion\":\"1.41\"}", &v);
    }
    if (code == EDGE_OK) {
        code = docker_json_info(slice_str("{}"), &info, NULL);
    }
    free(list);
    free(pids);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(read_all, NULL) > 20);
}

static void test_stop_timeout(void **state) {
    static const struct {
        const char *member;
        enum edge_code code;
        int32_t timeout_s;
    } rows[] = {
        {"", EDGE_OK, RUNTIME_STOP_ENGINE_S},
        {",\"StopTimeout\":null", EDGE_OK, RUNTIME_STOP_ENGINE_S},
        {",\"StopTimeout\":0", EDGE_OK, 0},
        {",\"StopTimeout\":90", EDGE_OK, 90},
        {",\"StopTimeout\":-1", EDGE_OK, RUNTIME_STOP_MAX_S},
        {",\"StopTimeout\":9999999999", EDGE_OK, RUNTIME_STOP_MAX_S},
        {",\"StopTimeout\":\"5\"", EDGE_PROTO, 0},
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct runtime_container c = {0};
        snprintf(text, sizeof(text),
                 "{\"Id\":\"%064d\",\"Name\":\"/a\",\"Config\":{\"Labels\":{}%s},\"State\":{}}", 0,
                 rows[i].member);
        assert_int_equal(docker_json_container(slice_str(text), &c, NULL), rows[i].code);
        assert_int_equal(c.stop_timeout_s, rows[i].timeout_s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_timeout),    cmocka_unit_test(test_version),
        cmocka_unit_test(test_container),       cmocka_unit_test(test_owner_label_exactly),
        cmocka_unit_test(test_container_names), cmocka_unit_test(test_bad_containers),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_list),
        cmocka_unit_test(test_too_many),        cmocka_unit_test(test_top),
        cmocka_unit_test(test_bad_tops),        cmocka_unit_test(test_info),
        cmocka_unit_test(test_events),          cmocka_unit_test(test_message),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
