/* SPDX-License-Identifier: MIT */
#include "runtime/docker_images_json.h"

#include "base/json.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

static enum edge_code read_list(const char *json, size_t *ret_cnt,
                                struct runtime_image *ret_first) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_image *list EDGE_CLEANUP(edge_cleanup_free) = NULL;
    size_t cnt = 0;
    enum edge_code code = docker_images_json_list(slice_str(json), &root, &list, &cnt, NULL);
    if (code == EDGE_OK && cnt > 0 && ret_first != NULL) {
        *ret_first = list[0];
        assert_true(list[0].tags == NULL || json_is_array(list[0].tags));
    }
    *ret_cnt = cnt;
    return code;
}

static void test_list(void **state) {
    static const struct {
        const char *json;
        enum edge_code code;
        size_t cnt;
    } rows[] = {
        {"[]", EDGE_OK, 0},
        {"[{\"Id\":\"sha256:1\"},{\"Id\":\"sha256:2\",\"RepoTags\":null}]", EDGE_OK, 2},
        {"[{\"Id\":\"sha256:1\",\"RepoTags\":[\"a:1\",\"b:1\"],\"RepoDigests\":[\"a@sha256:3\"],"
         "\"Created\":5,\"Size\":6}]",
         EDGE_OK, 1},
        {"[{\"Id\":\"\"}]", EDGE_PROTO, 0},
        {"[{}]", EDGE_PROTO, 0},
        {"[1]", EDGE_PROTO, 0},
        {"[{\"Id\":\"x\",\"RepoTags\":{}}]", EDGE_PROTO, 0},
        {"[{\"Id\":\"x\",\"RepoDigests\":1}]", EDGE_PROTO, 0},
        {"[{\"Id\":\"x\",\"Created\":\"now\"}]", EDGE_PROTO, 0},
        {"[{\"Id\":\"x\",\"Size\":1.5}]", EDGE_PROTO, 0},
        {"{}", EDGE_PROTO, 0},
        {"[", EDGE_PARSE, 0},
    };
    struct runtime_image first = {0};
    size_t cnt = 0;
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(read_list(rows[i].json, &cnt, NULL), rows[i].code);
        assert_int_equal(cnt, rows[i].cnt);
    }
    assert_int_equal(read_list(rows[2].json, &cnt, &first), EDGE_OK);
    assert_string_equal(first.id, "sha256:1");
    assert_int_equal(first.created_wall_s, 5);
    assert_int_equal(first.size, 6);
}

static void test_too_many(void **state) {
    struct buf text EDGE_CLEANUP(buf_clear);
    size_t cnt = 0;
    (void)state;
    buf_init(&text, 1024 * 1024);
    assert_int_equal(buf_append_str(&text, "[{}", NULL), EDGE_OK);
    for (size_t i = 0; i < RUNTIME_IMAGES_MAX; i++) {
        assert_int_equal(buf_append_str(&text, ",{}", NULL), EDGE_OK);
    }
    assert_int_equal(buf_append_str(&text, "]", NULL), EDGE_OK);
    assert_int_equal(read_list(buf_cstr(&text), &cnt, NULL), EDGE_RANGE);
}

static enum edge_code one_round(void *data) {
    size_t cnt;
    (void)data;
    return read_list("[{\"Id\":\"x\"}]", &cnt, NULL);
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
