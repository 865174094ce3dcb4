/* SPDX-License-Identifier: MIT */
#include "runtime/docker_images_json.h"

#include "base/json.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static enum edge_code read_one(const char *json, struct runtime_image *ret) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    enum edge_code code = docker_images_json_one(slice_str(json), &root, ret, NULL);
    if (code == EDGE_OK) {
        assert_true(ret->tags == NULL || json_is_array(ret->tags));
        assert_true(ret->digests == NULL || json_is_array(ret->digests));
    }
    return code;
}

static void test_one(void **state) {
    static const struct {
        const char *json;
        enum edge_code code;
    } rows[] = {
        {"{\"Id\":\"sha256:1\",\"RepoTags\":[\"a:1\",\"b:1\"],\"RepoDigests\":[\"a@sha256:3\"],"
         "\"Created\":\"2026-01-01T00:00:00Z\",\"Size\":6}",
         EDGE_OK},
        {"{\"Id\":\"sha256:2\",\"RepoTags\":null,\"Comment\":\"\\u0000\"}", EDGE_OK},
        {"{\"Id\":\"\"}", EDGE_PROTO},
        {"{}", EDGE_PROTO},
        {"[]", EDGE_PROTO},
        {"{\"Id\":\"x\",\"RepoTags\":{}}", EDGE_PROTO},
        {"{\"Id\":\"x\",\"RepoDigests\":1}", EDGE_PROTO},
        {"{", EDGE_PARSE},
    };
    struct runtime_image image = {0};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(read_one(rows[i].json, &image), rows[i].code);
    }
    assert_string_equal(image.id, "sha256:2");
    assert_null(image.tags);
}

static enum edge_code one_round(void *data) {
    struct runtime_image image;
    (void)data;
    return read_one("{\"Id\":\"x\"}", &image);
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
