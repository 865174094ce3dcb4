/* SPDX-License-Identifier: MIT */
#include "runtime/docker_images.h"

#include "base/json.h"
#include "docker_world.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct docker_world *const w = &docker_world;
static void on_image(void *data, enum edge_code code, const struct runtime_image *image,
                     const struct edge_error *err) {
    docker_world_done(data, code, err);
    assert_true((code == EDGE_OK) == (image != NULL));
    if (image != NULL && image->tags != NULL) {
        assert_true(slice_to_array(json_str(json_first(image->tags)), w->text, sizeof(w->text)));
    }
}

static void test_find(void **state) {
    (void)state;
    assert_int_equal(runtime_image_find(w->rt, "a:1", on_image, NULL, NULL, NULL), EDGE_OK);
    assert_string_equal(fake_transport_url(0), "GET http://localhost/v1.41/images/a:1/json");
    fake_transport_answer(0, 200, "{\"Id\":\"sha256:1\",\"RepoTags\":[\"a:1\"]}");
    assert_int_equal(w->code, EDGE_OK);
    assert_string_equal(w->text, "a:1");
    assert_int_equal(runtime_image_find(w->rt, "sha256:1", on_image, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 200, "[]");
    assert_int_equal(w->code, EDGE_PROTO);
    assert_int_equal(runtime_image_find(w->rt, "a:2", on_image, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 404, "{}");
    assert_int_equal(w->code, EDGE_NOT_FOUND);
    assert_int_equal(runtime_image_find(w->rt, "../a", on_image, NULL, NULL, NULL), EDGE_INVALID);
}

static void test_unused(void **state) {
    static const struct {
        int status;
        const char *body;
        enum edge_code code;
    } rows[] = {{200, "[]", EDGE_OK},
                {200, "[{\"Id\":\"1\"}]", EDGE_CONFLICT},
                {200, "[\"\\u0000\"]", EDGE_CONFLICT},
                {200, "null", EDGE_PROTO},
                {200, "", EDGE_PARSE},
                {200, "{}", EDGE_PROTO},
                {200, "[", EDGE_PARSE},
                {500, "{}", EDGE_REMOTE}};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(
            runtime_image_unused(w->rt, "sha256:1", docker_world_done, NULL, NULL, NULL), EDGE_OK);
        assert_string_equal(fake_transport_url(0),
                            "GET http://localhost/v1.41/containers/json?all=true&limit=1&filters="
                            "%7B%22ancestor%22%3A%5B%221%22%5D%7D");
        fake_transport_answer(0, rows[i].status, rows[i].body);
        assert_int_equal(w->calls, i + 1);
        assert_int_equal(w->code, rows[i].code);
    }
    assert_int_equal(runtime_image_unused(w->rt, "..", docker_world_done, NULL, NULL, NULL),
                     EDGE_INVALID);
}

static void test_remove(void **state) {
    static const struct {
        int status;
        enum edge_code code;
    } rows[] = {{200, EDGE_OK}, {404, EDGE_OK}, {409, EDGE_CONFLICT}, {500, EDGE_REMOTE}};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(runtime_image_remove(w->rt, "localhost:5000/a/b:1", docker_world_done,
                                              NULL, NULL, NULL),
                         EDGE_OK);
        assert_string_equal(fake_transport_url(0),
                            "DELETE http://localhost/v1.41/images/localhost:5000/a/b:1"
                            "?force=false&noprune=false");
        fake_transport_answer(0, rows[i].status, "{}");
        assert_int_equal(w->calls, i + 1);
        assert_int_equal(w->code, rows[i].code);
    }
}

static void test_check(void **state) {
    static const struct {
        int status;
        enum edge_code code;
    } rows[] = {{200, EDGE_OK}, {404, EDGE_NOT_FOUND}, {500, EDGE_REMOTE}};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(
            runtime_image_check(w->rt, "localhost:5000/a/b:1", docker_world_done, NULL, NULL, NULL),
            EDGE_OK);
        assert_string_equal(fake_transport_url(0),
                            "GET http://localhost/v1.41/images/localhost:5000/a/b:1/json");
        fake_transport_answer(0, rows[i].status, "{}");
        assert_int_equal(w->calls, i + 1);
        assert_int_equal(w->code, rows[i].code);
    }
}

static enum edge_code one_round(void *data) {
    struct edge_error err = {0};
    (void)data;
    enum edge_code code = docker_world_open(&err);
    if (code != EDGE_OK) {
        return code;
    }
    code = runtime_image_find(w->rt, "a:1", on_image, NULL, NULL, &err);
    if (code == EDGE_OK) {
        fake_transport_answer(0, 200, "{\"Id\":\"sha256:1\",\"RepoTags\":[\"a:1\"]}");
        code = w->code;
    }
    if (code == EDGE_OK) {
        code = runtime_image_unused(w->rt, "sha256:1", docker_world_done, NULL, NULL, &err);
    }
    if (code == EDGE_OK) {
        fake_transport_answer(0, 200, "[]");
        code = w->code;
    }
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
        DOCKER_WORLD_TEST(test_find),          DOCKER_WORLD_TEST(test_unused),
        DOCKER_WORLD_TEST(test_check),         DOCKER_WORLD_TEST(test_remove),
        DOCKER_WORLD_TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
