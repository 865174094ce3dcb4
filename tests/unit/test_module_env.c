/* SPDX-License-Identifier: MIT */
#include "runtime/module_env.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* Fills from both and compares what is written; NULL: no such array. */
static enum edge_code fill(const char *pairs, const char *texts, struct buf *out) {
    struct cJSON *p EDGE_CLEANUP(json_cleanup) = NULL;
    struct cJSON *t EDGE_CLEANUP(json_cleanup) = NULL;
    struct module_env env = {0};
    struct json_writer w;
    enum edge_code code = pairs != NULL ? json_parse(slice_str(pairs), &p, NULL) : EDGE_OK;
    if (code == EDGE_OK && texts != NULL) {
        code = json_parse(slice_str(texts), &t, NULL);
    }
    if (code == EDGE_OK) {
        code = module_env_init(&env, NULL);
    }
    if (code == EDGE_OK) {
        code = module_env_add_pairs(&env, p, NULL);
    }
    if (code == EDGE_OK) {
        code = module_env_add_texts(&env, t, NULL);
    }
    if (code == EDGE_OK) {
        json_begin(&w, out);
        json_object_open(&w, NULL);
        code = module_env_write(&env, &w, NULL);
        json_object_close(&w);
        enum edge_code end = json_end(&w, NULL);
        code = code != EDGE_OK ? code : end;
    }
    module_env_clear(&env);
    return code;
}

static void test_merge(void **state) {
    static const struct {
        const char *pairs, *texts, *want;
    } rows[] = {
        {NULL, NULL, "{\"Env\":[]}"},
        {"[]", "[]", "{\"Env\":[]}"},
        {"[{\"key\":\"A\",\"value\":\"1\"},{\"key\":\"B\",\"value\":\"\"}]", NULL,
         "{\"Env\":[\"A=1\",\"B=\"]}"},
        /* The last one of a name counts, and createOptions come last. */
        {"[{\"key\":\"A\",\"value\":\"1\"},{\"key\":\"B\",\"value\":\"x\"},"
         "{\"key\":\"A\",\"value\":\"2\"}]",
         "[\"B=a=b\",\"C\",\"D=\",\"C=3\"]", "{\"Env\":[\"A=2\",\"B=a=b\",\"C=3\",\"D=\"]}"},
        {NULL, "[\"ONLY\"]", "{\"Env\":[\"ONLY=\"]}"},
        {"[{\"key\":\"a\",\"value\":\"\\u00e4\\n\",\"more\":1}]", "[\"A=\"]",
         "{\"Env\":[\"a=\xc3\xa4\\n\",\"A=\"]}"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(fill(rows[i].pairs, rows[i].texts, &out), EDGE_OK);
        assert_string_equal(buf_cstr(&out), rows[i].want);
        buf_clear(&out);
    }
}

static void test_refused(void **state) {
    static const struct {
        const char *pairs, *texts;
        enum edge_code code;
    } rows[] = {
        {"[{\"key\":\"A\"}]", NULL, EDGE_NOT_FOUND},
        {"[{\"value\":\"A\"}]", NULL, EDGE_NOT_FOUND},
        {"[{\"key\":\"A\",\"value\":1}]", NULL, EDGE_PARSE},
        {"[\"A=1\"]", NULL, EDGE_PARSE},
        {"[{\"key\":\"\",\"value\":\"\"}]", NULL, EDGE_INVALID},
        {"[{\"key\":\"A=\",\"value\":\"\"}]", NULL, EDGE_INVALID},
        {NULL, "[1]", EDGE_PARSE},
        {NULL, "[\"A=1\",null]", EDGE_PARSE},
        {NULL, "[\"=1\"]", EDGE_INVALID},
        {NULL, "[\"\"]", EDGE_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(fill(rows[i].pairs, rows[i].texts, &out), rows[i].code);
        buf_clear(&out);
    }
}

static void put_texts(struct buf *texts, unsigned cnt) {
    for (unsigned i = 0; i < cnt; i++) {
        assert_int_equal(buf_printf(texts, NULL, "%s\"V%u=x\"", i == 0 ? "[" : ",", i), EDGE_OK);
    }
    assert_int_equal(buf_append_str(texts, "]", NULL), EDGE_OK);
}

static void test_limit(void **state) {
    struct buf texts, out;
    (void)state;
    buf_init(&texts, 1024 * 1024);
    buf_init(&out, 1024 * 1024);
    put_texts(&texts, MODULE_ENV_MAX);
    assert_int_equal(fill(NULL, buf_cstr(&texts), &out), EDGE_OK);
    assert_int_equal(fill("[{\"key\":\"V1\",\"value\":\"1\"}]", buf_cstr(&texts), &out),
                     EDGE_RANGE);
    buf_clear(&texts);
    buf_clear(&out);
}

static enum edge_code torture(void *data) {
    struct buf out;
    (void)data;
    buf_init(&out, 4096);
    enum edge_code code = fill("[{\"key\":\"A\",\"value\":\"1\"}]", "[\"B=2\"]", &out);
    buf_clear(&out);
    return code;
}

static void test_memory_is_short(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(torture, NULL) > 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
