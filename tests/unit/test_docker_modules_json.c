/* SPDX-License-Identifier: MIT */
/*
 * The Engine's words for modules, real and hostile.
 */
#include "runtime/docker_modules_json.h"

#include "base/json.h"
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
#define LABELS                                                                                     \
    "{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE                                          \
    "\",\"net.azure-devices.edge.env\":\"{\\\"a\\\":1}\"}"
#define ENTRY(id, name, rest) "{\"Id\":\"" id "\",\"Names\":[\"/" name "\"]," rest "}"
#define IMAGES                "\"Image\":\"reg/hub:1\",\"ImageID\":\"sha256:ab\""

static enum edge_code list(const char *text, struct cJSON **root, struct runtime_module **ret,
                           size_t *cnt) {
    return docker_modules_json_list(slice_str(text), root, ret, cnt, NULL);
}

static void test_list(void **state) {
    struct runtime_module *modules = NULL;
    struct cJSON *root = NULL;
    struct slice env;
    size_t cnt = 0;
    (void)state;
    assert_int_equal(
        list("[" ENTRY(ID_A, "edgeHub", IMAGES ",\"Labels\":" LABELS) "," ENTRY(
                 ID_B, "foreign", IMAGES ",\"Labels\":{}") "," ENTRY(ID_B, "noImage",
                                                                     "\"ImageID\":\"sha256:cd\","
                                                                     "\"Labels\":" LABELS) "]",
             &root, &modules, &cnt),
        EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_string_equal(modules[0].id, ID_A);
    assert_string_equal(modules[0].name, "edgeHub");
    assert_string_equal(modules[0].image, "reg/hub:1");
    assert_string_equal(modules[0].image_id, "sha256:ab");
    assert_int_equal(json_get_str(modules[0].labels, "net.azure-devices.edge.env", &env, NULL),
                     EDGE_OK);
    assert_true(slice_eq_str(env, "{\"a\":1}"));
    assert_string_equal(modules[1].image, "sha256:cd");
    free(modules);
    json_free(root);
}

static void test_bad_lists(void **state) {
    static const struct {
        const char *text;
        enum edge_code code;
    } rows[] = {
        {"", EDGE_PARSE},
        {"{}", EDGE_PROTO},
        {"[7]", EDGE_PROTO},
        {"[{\"Id\":\"x\"}]", EDGE_PROTO},
        {"[" ENTRY(ID_A, "a", "\"Labels\":[]") "]", EDGE_PROTO},
        {"[" ENTRY(ID_A, "a", "\"State\":7") "]", EDGE_PROTO},
    };
    struct runtime_module *modules = NULL;
    struct cJSON *root = NULL;
    size_t cnt = 77;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(list(rows[i].text, &root, &modules, &cnt), rows[i].code);
        assert_null(root);
        assert_null(modules);
        assert_int_equal(cnt, 77);
    }
}

static void test_too_many(void **state) {
    const char entry[] = "{\"Id\":\"" ID_A "\"},";
    size_t cnt = 0, len = sizeof(entry) - 1;
    char *text = malloc(len * (RUNTIME_CONTAINERS_MAX + 1) + 3);
    struct runtime_module *modules = NULL;
    struct cJSON *root = NULL;
    (void)state;
    assert_non_null(text);
    text[0] = '[';
    for (size_t i = 0; i <= RUNTIME_CONTAINERS_MAX; i++) {
        memcpy(text + 1 + i * len, entry, len);
    }
    memcpy(text + len * (RUNTIME_CONTAINERS_MAX + 1), "]", 2); /* over the last comma */
    assert_int_equal(list(text, &root, &modules, &cnt), EDGE_RANGE);
    free(text);
}

static struct runtime_module fresh(void) {
    struct runtime_module m = {.id = ID_A, .image = "sha256:ab"};
    return m;
}

static enum edge_code detail(const char *rest, struct runtime_module *m) {
    char text[1536];
    snprintf(text, sizeof(text), "{\"Id\":\"" ID_A "\",%s}", rest);
    return docker_modules_json_detail(slice_str(text), m, NULL);
}

static void test_states(void **unused) {
    static const struct {
        const char *state;
        enum runtime_status status;
    } rows[] = {
        {"\"Status\":\"running\",\"ExitCode\":1", RUNTIME_STATUS_RUNNING},
        {"\"Status\":\"created\"", RUNTIME_STATUS_STOPPED},
        {"\"Status\":\"paused\"", RUNTIME_STATUS_STOPPED},
        {"\"Status\":\"restarting\",\"ExitCode\":1", RUNTIME_STATUS_STOPPED},
        {"\"Status\":\"removing\",\"ExitCode\":0", RUNTIME_STATUS_STOPPED},
        {"\"Status\":\"removing\",\"ExitCode\":9", RUNTIME_STATUS_FAILED},
        {"\"Status\":\"exited\",\"ExitCode\":0", RUNTIME_STATUS_STOPPED},
        {"\"Status\":\"exited\",\"ExitCode\":137", RUNTIME_STATUS_FAILED},
        {"\"Status\":\"exited\",\"ExitCode\":-1", RUNTIME_STATUS_FAILED},
        {"\"Status\":\"exited\"", RUNTIME_STATUS_UNKNOWN},
        {"\"Status\":\"stopped\",\"ExitCode\":0", RUNTIME_STATUS_STOPPED},
        {"\"Status\":\"configured\"", RUNTIME_STATUS_STOPPED},
        {"\"Status\":\"dead\",\"ExitCode\":0", RUNTIME_STATUS_DEAD},
        {"\"Status\":\"Running\"", RUNTIME_STATUS_UNKNOWN},
        {"\"Status\":\"something new\"", RUNTIME_STATUS_UNKNOWN},
        {"\"Status\":null", RUNTIME_STATUS_UNKNOWN},
        {"\"ExitCode\":0", RUNTIME_STATUS_UNKNOWN},
    };
    char text[256];
    (void)unused;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct runtime_module m = fresh();
        snprintf(text, sizeof(text), "\"State\":{%s}", rows[i].state);
        assert_int_equal(detail(text, &m), EDGE_OK);
        assert_int_equal(m.status, rows[i].status);
        assert_int_equal(m.has_exit_code, strstr(text, "ExitCode") != NULL);
    }
}

static void test_times(void **unused) {
    static const struct {
        const char *told;
        const char *kept;
    } rows[] = {
        {"2026-11-23T20:57:06.374705508Z", "2026-11-23T20:57:06.374705508Z"},
        {"2026-11-23T20:57:06Z", "2026-11-23T20:57:06Z"},
        {"2026-11-23T22:57:06.1+02:00", "2026-11-23T20:57:06.1Z"},
        {"2026-11-23T20:27:06.374705508-00:30", "2026-11-23T20:57:06.374705508Z"},
        {"2026-11-23T20:57:06.123456789123456789Z", "2026-11-23T20:57:06.123456789Z"},
        {"0001-01-01T00:00:00Z", ""},
        {"1970-01-01T00:00:00Z", ""},
        {"2026-11-23 20:57:06Z", ""},
        {"yesterday", ""},
        {"", ""},
    };
    char text[256];
    (void)unused;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct runtime_module m = fresh();
        snprintf(text, sizeof(text), "\"State\":{\"StartedAt\":\"%s\",\"FinishedAt\":\"%s\"}",
                 rows[i].told, rows[i].told);
        assert_int_equal(detail(text, &m), EDGE_OK);
        assert_string_equal(m.started, rows[i].kept);
        assert_string_equal(m.finished, rows[i].kept);
    }
}

static void test_image_as_asked_for(void **unused) {
    struct runtime_module m = fresh();
    char text[1024];
    (void)unused;
    assert_int_equal(detail("\"Config\":{\"Image\":\"reg/hub:1\"},\"State\":{}", &m), EDGE_OK);
    assert_string_equal(m.image, "reg/hub:1");
    m = fresh();
    assert_int_equal(detail("\"Config\":{\"Image\":\"\"},\"State\":{}", &m), EDGE_OK);
    assert_string_equal(m.image, "sha256:ab");
    assert_int_equal(detail("\"Config\":null,\"State\":{}", &m), EDGE_OK);
    assert_string_equal(m.image, "sha256:ab");
    snprintf(text, sizeof(text), "\"Config\":{\"Image\":\"%0600d\"},\"State\":{}", 7);
    assert_int_equal(detail(text, &m), EDGE_OK);
    assert_string_equal(m.image, "sha256:ab");
}

static void test_bad_details(void **unused) {
    static const char *const texts[] = {
        "\"Config\":{}",
        "\"State\":7",
        "\"State\":{\"Status\":7}",
        "\"State\":{\"StartedAt\":7}",
        "\"State\":{\"FinishedAt\":[]}",
        "\"State\":{\"ExitCode\":\"0\"}",
        "\"State\":{\"ExitCode\":0.5}",
        "\"State\":{},\"Config\":7",
        "\"State\":{},\"Config\":{\"Image\":7}",
    };
    struct runtime_module m = fresh(), before = m;
    (void)unused;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        assert_int_equal(detail(texts[i], &m), EDGE_PROTO);
        assert_memory_equal(&m, &before, sizeof(m));
    }
    assert_int_equal(
        docker_modules_json_detail(slice_str("{\"Id\":\"" ID_B "\",\"State\":{}}"), &m, NULL),
        EDGE_PROTO);
    assert_int_equal(docker_modules_json_detail(slice_str("[]"), &m, NULL), EDGE_PROTO);
    assert_int_equal(docker_modules_json_detail(slice_str("{"), &m, NULL), EDGE_PARSE);
}

static void test_long_word(void **unused) {
    struct runtime_module m = fresh();
    (void)unused;
    assert_int_equal(
        detail("\"State\":{\"Status\":\"a word that no engine has ever been heard to say\"}", &m),
        EDGE_OK);
    assert_string_equal(m.state, "");
    assert_int_equal(m.status, RUNTIME_STATUS_UNKNOWN);
}

static enum edge_code one_round(void *data) {
    struct runtime_module *modules = NULL;
    struct cJSON *root = NULL;
    size_t cnt = 0;
    (void)data;
    enum edge_code code =
        list("[" ENTRY(ID_A, "a", IMAGES ",\"Labels\":" LABELS) "]", &root, &modules, &cnt);
    if (code == EDGE_OK) {
        code =
            detail("\"Config\":{\"Image\":\"i\"},\"State\":{\"Status\":\"running\"}", &modules[0]);
    }
    free(modules);
    json_free(root);
    return code;
}

static void test_out_of_memory(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(one_round, NULL) > 10);
}

#define ONE(labels, config)                                                                        \
    "{\"Id\":\"" ID_A                                                                              \
    "\",\"Name\":\"/hub\",\"Image\":\"sha256:ab\",\"Config\":{\"Labels\":" labels config           \
    "},\"State\":{\"Status\":\"exited\",\"ExitCode\":3}}"

static void test_one(void **state) {
    static const struct {
        const char *text;
        enum edge_code code;
        const char *image;
    } rows[] = {
        {ONE(LABELS, ",\"Image\":\"reg/hub:1\",\"Env\":[\"K=V\"]},\"Mounts\":[{\"Source\":\"/"
                     "s\"}],\"X\":{"),
         EDGE_OK, "reg/hub:1"},
        {ONE(LABELS, ""), EDGE_OK, "sha256:ab"},
        {ONE("{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\",\"" RUNTIME_IMAGE_LABEL
             "\":\"hub\"}",
             ",\"Image\":\"docker.io/library/hub:latest\""),
         EDGE_OK, "hub"},
        {ONE("{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\",\"" RUNTIME_IMAGE_LABEL
             "\":\"not an image\"}",
             ",\"Image\":\"hub:1\""),
         EDGE_OK, "hub:1"},
        {ONE(LABELS, ",\"Image\":\"hub:1\",\"Env\":[\"K=\\u0000\"]"), EDGE_OK, "hub:1"},
        {ONE("{}", ""), EDGE_NOT_FOUND, ""},
        {ONE("null", ""), EDGE_NOT_FOUND, ""},
        {ONE("[]", ""), EDGE_PROTO, ""},
        {ONE(LABELS, ",\"Env\":{}"), EDGE_PROTO, ""},
        {ONE(LABELS, "},\"Mounts\":{"), EDGE_PROTO, ""},
        {ONE(LABELS, "},\"Mounts\":null,\"X\":{"), EDGE_OK, "sha256:ab"},
        {"[]", EDGE_PROTO, ""},
        {"{", EDGE_PARSE, ""},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
        struct runtime_module m = {0};
        assert_int_equal(docker_modules_json_one(slice_str(rows[i].text), &root, &m, NULL),
                         rows[i].code);
        assert_string_equal(m.image, rows[i].image);
        assert_int_equal(m.status, rows[i].code == EDGE_OK ? RUNTIME_STATUS_FAILED : 0);
        if (i == 0) {
            assert_string_equal(m.name, "hub");
            assert_string_equal(m.image_id, "sha256:ab");
            assert_true(slice_eq_str(json_str(json_first(m.env)), "K=V"));
            assert_true(json_is_object(m.labels));
            assert_true(json_is_object(json_first(m.mounts)));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),        cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_too_many),    cmocka_unit_test(test_states),
        cmocka_unit_test(test_times),       cmocka_unit_test(test_image_as_asked_for),
        cmocka_unit_test(test_bad_details), cmocka_unit_test(test_long_word),
        cmocka_unit_test(test_one),         cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
