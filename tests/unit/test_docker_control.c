/* SPDX-License-Identifier: MIT */
#include "runtime/docker_control.h"

#include "docker_world.h"
#include "runtime/docker_parts.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define AT_ID "http://localhost/v1.41/containers/" WORLD_ID

static struct docker_world *const w = &docker_world;

static enum edge_code act(enum runtime_act what, int timeout_s) {
    switch (what) {
    case RUNTIME_ACT_START:
        return runtime_start(w->rt, "a", docker_world_done, NULL, &w->op, &w->start_err);
    case RUNTIME_ACT_STOP:
        return runtime_stop(w->rt, "a", timeout_s, docker_world_done, NULL, &w->op, &w->start_err);
    case RUNTIME_ACT_RESTART:
        return runtime_restart(w->rt, "a", docker_world_done, NULL, &w->op, &w->start_err);
    case RUNTIME_ACT_REMOVE:
        break;
    }
    return runtime_remove(w->rt, "a", docker_world_done, NULL, &w->op, &w->start_err);
}

static void test_acts(void **state) {
    static const struct {
        enum runtime_act act;
        int timeout_s;
        const char *url;
        uint32_t timeout_ms;
    } rows[] = {
        {RUNTIME_ACT_START, -1, "POST " AT_ID "/start", DOCKER_CHANGE_TIMEOUT_MS},
        {RUNTIME_ACT_STOP, -1, "POST " AT_ID "/stop", DOCKER_CHANGE_TIMEOUT_MS + 7000},
        {RUNTIME_ACT_STOP, 0, "POST " AT_ID "/stop?t=0", DOCKER_CHANGE_TIMEOUT_MS},
        {RUNTIME_ACT_STOP, 90, "POST " AT_ID "/stop?t=90", DOCKER_CHANGE_TIMEOUT_MS + 90000},
        {RUNTIME_ACT_STOP, INT32_MAX, "POST " AT_ID "/stop?t=86400",
         DOCKER_CHANGE_TIMEOUT_MS + 86400000},
        {RUNTIME_ACT_RESTART, -1, "POST " AT_ID "/restart", DOCKER_CHANGE_TIMEOUT_MS + 7000},
        {RUNTIME_ACT_REMOVE, -1, "DELETE " AT_ID "?v=false&force=true", DOCKER_CHANGE_TIMEOUT_MS},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(act(rows[i].act, rows[i].timeout_s), EDGE_OK);
        docker_world_found(WORLD_MODULE);
        assert_string_equal(fake_transport_url(0), rows[i].url);
        assert_int_equal(fake_transport_timeout_ms(0), rows[i].timeout_ms);
        assert_null(fake_transport_body(0));
        assert_int_equal(w->calls, i);
        fake_transport_answer(0, 204, "");
        assert_int_equal(w->calls, i + 1);
        assert_int_equal(w->code, EDGE_OK);
    }
}

static void test_statuses(void **state) {
    static const struct {
        enum runtime_act act;
        int status;
        enum edge_code code;
    } rows[] = {
        {RUNTIME_ACT_START, 304, EDGE_OK},        {RUNTIME_ACT_STOP, 304, EDGE_OK},
        {RUNTIME_ACT_START, 404, EDGE_NOT_FOUND}, {RUNTIME_ACT_STOP, 404, EDGE_NOT_FOUND},
        {RUNTIME_ACT_RESTART, 500, EDGE_REMOTE},  {RUNTIME_ACT_REMOVE, 404, EDGE_OK},
        {RUNTIME_ACT_REMOVE, 409, EDGE_CONFLICT}, {RUNTIME_ACT_REMOVE, 500, EDGE_REMOTE},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(act(rows[i].act, -1), EDGE_OK);
        docker_world_found(WORLD_MODULE);
        fake_transport_answer(0, rows[i].status, "{\"message\":\"so it is\"}");
        assert_int_equal(w->code, rows[i].code);
        if (w->code != EDGE_OK) {
            assert_non_null(strstr(w->err.text, "so it is"));
            assert_int_equal(w->err.native, rows[i].status);
        }
    }
}

/* Nothing is sent to a container that is not ours. */
static void test_strangers(void **state) {
    (void)state;
    for (enum runtime_act what = RUNTIME_ACT_START; what <= RUNTIME_ACT_REMOVE; what++) {
        unsigned before = fake_transport_count();
        assert_int_equal(act(what, -1), EDGE_OK);
        docker_world_found(WORLD_STRANGER);
        assert_int_equal(fake_transport_open(), 0);
        assert_int_equal(fake_transport_count(), before + 1);
        assert_int_equal(w->code, EDGE_NOT_FOUND);
        assert_int_equal(w->err.native, 404);
        assert_int_equal(act(what, -1), EDGE_OK);
        fake_transport_answer(0, 404, "{\"message\":\"No such container: a\"}");
        assert_int_equal(w->code, EDGE_NOT_FOUND);
        assert_non_null(strstr(w->err.text, "No such container: a"));
    }
}

static void test_create(void **state) {
    static const struct {
        int status;
        enum edge_code code;
    } rows[] = {
        {201, EDGE_OK},       {400, EDGE_INVALID}, {404, EDGE_NOT_FOUND},
        {409, EDGE_CONFLICT}, {500, EDGE_REMOTE},
    };
    const struct runtime_spec spec = {
        .name = "a", .image = "a:1", .create_body = SLICE_LIT("{\"Image\":\"a:1\"}")};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(runtime_create(w->rt, &spec, docker_world_done, NULL, NULL, NULL),
                         EDGE_OK);
        assert_string_equal(fake_transport_url(0),
                            "POST http://localhost/v1.41/containers/create?name=a");
        assert_string_equal(fake_transport_body(0), "{\"Image\":\"a:1\"}");
        assert_string_equal(fake_transport_header(0, "content-type"), "application/json");
        assert_null(fake_transport_header(0, "x-registry-auth"));
        assert_int_equal(fake_transport_timeout_ms(0), DOCKER_CHANGE_TIMEOUT_MS);
        fake_transport_answer(0, rows[i].status, "{\"Id\":\"x\",\"Warnings\":null}");
        assert_int_equal(w->code, rows[i].code);
    }
}

static void test_name_in_use_of_podman(void **state) {
    const struct runtime_spec spec = {.name = "a", .image = "a:1", .create_body = SLICE_LIT("{}")};
    (void)state;
    assert_int_equal(runtime_create(w->rt, &spec, docker_world_done, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 500, "{\"message\":\"the name \\\"a\\\" is already in use by 0a\"}");
    assert_int_equal(w->code, EDGE_CONFLICT);
    assert_int_equal(w->err.native, 500);
}

static void test_rename(void **state) {
    static const struct {
        int status;
        const char *body;
        enum edge_code code;
    } rows[] = {
        {204, "", EDGE_OK},
        {404, "{\"message\":\"No such container\"}", EDGE_NOT_FOUND},
        {409, "{\"message\":\"Conflict\"}", EDGE_CONFLICT},
        {500, "{\"message\":\"name b is already in use\"}", EDGE_CONFLICT}, /* Podman */
        {500, "{\"message\":\"no\"}", EDGE_REMOTE},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(runtime_rename(w->rt, "a", "b", docker_world_done, NULL, NULL, NULL),
                         EDGE_OK);
        docker_world_found(WORLD_MODULE);
        assert_string_equal(fake_transport_url(0), "POST " AT_ID "/rename?name=b");
        fake_transport_answer(0, rows[i].status, rows[i].body);
        assert_int_equal(w->code, rows[i].code);
    }
    assert_int_equal(runtime_rename(w->rt, "a", "b", docker_world_done, NULL, NULL, NULL), EDGE_OK);
    docker_world_found(WORLD_STRANGER);
    assert_int_equal(w->code, EDGE_NOT_FOUND);
}

static enum edge_code one_round(void *data) {
    const struct runtime_spec spec = {
        .name = "a", .image = "a:1", .create_body = SLICE_LIT("{\"Image\":\"a:1\"}")};
    struct edge_error err = {0};
    (void)data;
    enum edge_code code = docker_world_open(&err);
    if (code != EDGE_OK) {
        return code;
    }
    unsigned started = 0;
    started += act(RUNTIME_ACT_STOP, 3) == EDGE_OK ? 1 : 0;
    started += runtime_create(w->rt, &spec, docker_world_done, NULL, NULL, &err) == EDGE_OK ? 1 : 0;
    code = started == 2 ? EDGE_OK : EDGE_NOMEM;
    while (fake_transport_open() > 0) {
        fake_transport_answer(0, 200, WORLD_MODULE);
        code = w->calls > 0 && w->code != EDGE_OK ? w->code : code;
    }
    assert_int_equal(w->calls, started);
    docker_world_close();
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    docker_world_close();
    assert_true(alloc_fail_torture(one_round, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOCKER_WORLD_TEST(test_acts),
        DOCKER_WORLD_TEST(test_statuses),
        DOCKER_WORLD_TEST(test_strangers),
        DOCKER_WORLD_TEST(test_create),
        DOCKER_WORLD_TEST(test_name_in_use_of_podman),
        DOCKER_WORLD_TEST(test_rename),
        DOCKER_WORLD_TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
