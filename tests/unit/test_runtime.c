/* SPDX-License-Identifier: MIT */
#include "runtime/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static unsigned calls;

static enum edge_code count_inspect(struct runtime *rt, const char *name,
                                    runtime_containers_fn *done, void *data, struct op *ret_op,
                                    struct edge_error *err) {
    (void)rt, (void)name, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_top(struct runtime *rt, const char *name, runtime_pids_fn *done,
                                void *data, struct op *ret_op, struct edge_error *err) {
    (void)rt, (void)name, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static int last_timeout_s;

static enum edge_code count_act(struct runtime *rt, enum runtime_act act, const char *name,
                                int timeout_s, runtime_done_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) {
    (void)rt, (void)act, (void)name, (void)done, (void)data, (void)ret_op, (void)err;
    last_timeout_s = timeout_s;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_create(struct runtime *rt, const struct runtime_spec *spec,
                                   runtime_done_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) {
    (void)rt, (void)spec, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_pull(struct runtime *rt, const char *image, struct slice auth_json,
                                 runtime_progress_fn *on_progress, runtime_done_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err) {
    (void)rt, (void)image, (void)auth_json, (void)on_progress, (void)done, (void)data;
    (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_rename(struct runtime *rt, const char *name, const char *to,
                                   runtime_done_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) {
    (void)rt, (void)name, (void)to, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_image(struct runtime *rt, const char *image, runtime_done_fn *done,
                                  void *data, struct op *ret_op, struct edge_error *err) {
    (void)rt, (void)image, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_logs(struct runtime *rt, const char *name,
                                 const struct runtime_logs_options *opts,
                                 const struct runtime_stream *s, void *data, struct op *ret_op,
                                 struct edge_error *err) {
    (void)rt, (void)name, (void)opts, (void)s, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_stats(struct runtime *rt, const char *name, runtime_json_fn *done,
                                  void *data, struct op *ret_op, struct edge_error *err) {
    (void)rt, (void)name, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static enum edge_code count_modules(struct runtime *rt, runtime_modules_fn *done, void *data,
                                    struct op *ret_op, struct edge_error *err) {
    (void)rt, (void)done, (void)data, (void)ret_op, (void)err;
    calls++;
    return EDGE_OK;
}

static void test_names(void **state) {
    static const char *const good[] = {"a", "edgeAgent", "a.b_c-d", "0", "a..", "A-"};
    static const char *const bad[] = {"",    ".",   "..",       "-a",         "_a",
                                      "/a",  "a/b", "a b",      "a?x",        "a%2",
                                      "a#b", "a\n", "\xc3\xa4", "$edgeAgent", "a:b"};
    char text[RUNTIME_NAME_MAX + 2];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        assert_true(runtime_is_name(slice_str(good[i])));
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_false(runtime_is_name(slice_str(bad[i])));
    }
    assert_false(runtime_is_name(slice_make("a\0b", 3)));
    assert_false(runtime_is_name((struct slice){0}));
    memset(text, 'x', sizeof(text));
    assert_true(runtime_is_name(slice_make(text, RUNTIME_NAME_MAX)));
    assert_false(runtime_is_name(slice_make(text, RUNTIME_NAME_MAX + 1)));
}

/* The name of what is to take a module's place is no module's, and leads back to it. */
static void test_next_names(void **state) {
    char module[RUNTIME_MODULE_MAX + 2], next[RUNTIME_NAME_MAX + 1];
    char back[RUNTIME_MODULE_MAX + 1] = "";
    (void)state;
    memset(module, 'x', sizeof(module));
    assert_false(runtime_is_module_name(slice_make(module, RUNTIME_MODULE_MAX + 1)));
    module[RUNTIME_MODULE_MAX] = '\0';
    assert_true(runtime_is_module_name(slice_str(module)));
    runtime_next_name(module, next);
    assert_true(runtime_is_name(slice_str(next)));
    assert_false(runtime_is_module_name(slice_str(next)));
    assert_true(runtime_of_next_name(next, back));
    assert_string_equal(back, module);
    assert_false(runtime_of_next_name("a", back));
    assert_false(runtime_of_next_name(RUNTIME_NEXT_SUFFIX, back));
    assert_false(runtime_of_next_name("a" RUNTIME_NEXT_SUFFIX RUNTIME_NEXT_SUFFIX, back));
    assert_string_equal(back, module);
    assert_false(runtime_is_module_name(SLICE_LIT("a" RUNTIME_NEXT_SUFFIX)));
    assert_true(runtime_is_module_name(SLICE_LIT("a" RUNTIME_NEXT_SUFFIX "x")));
    assert_false(runtime_is_module_name((struct slice){0}));
    /* The engine would take it for an id. */
    memset(module, 'f', RUNTIME_ID_LEN);
    assert_false(runtime_is_module_name(slice_make(module, RUNTIME_ID_LEN)));
    assert_true(runtime_is_module_name(slice_make(module, RUNTIME_ID_LEN - 1)));
    assert_true(runtime_is_module_name(slice_make(module, RUNTIME_ID_LEN + 1)));
    module[0] = 'g';
    assert_true(runtime_is_module_name(slice_make(module, RUNTIME_ID_LEN)));
}

static void test_images(void **state) {
    static const char *const good[] = {
        "a",
        "alpine:3.18",
        "localhost:5000/edge/agent:1.1",
        "[::1]:5000/a",
        "registry.test/a@sha256:0123",
        "sha256:0123",
        "a..b",
        "mcr.test/a__b-c.d:1+2",
    };
    static const char *const bad[] = {"",       "/a",    "a/",   "a//b",  ".a",    "..",
                                      "a/../b", "a/./b", "a b",  "a?b=c", "a%2fb", "a#b",
                                      "-a",     "a\nb",  "a\"b", "$a",    "a&b",   "\xc3\xa4"};
    char text[RUNTIME_IMAGE_MAX + 1];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        if (!runtime_is_image(slice_str(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        if (runtime_is_image(slice_str(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_false(runtime_is_image(slice_make("a\0b", 3)));
    memset(text, 'x', sizeof(text));
    assert_true(runtime_is_image(slice_make(text, RUNTIME_IMAGE_MAX)));
    assert_false(runtime_is_image(slice_make(text, RUNTIME_IMAGE_MAX + 1)));
}

/* No implementation ever sees a name that would change the meaning of a path. */
static void test_bad_names_do_not_pass(void **state) {
    static const struct runtime_ops ops = {
        .inspect = count_inspect,
        .top = count_top,
        .act = count_act,
        .modules = count_modules,
        .create = count_create,
        .pull = count_pull,
        .image_check = count_image,
        .image_remove = count_image,
        .logs = count_logs,
        .stats = count_stats,
        .rename = count_rename,
    };
    const struct runtime_spec bad_spec = {.name = "a&b"}, spec = {.name = "a"};
    const struct runtime_logs_options all = {.tail = "all"}, ten = {.tail = "10"},
                                      bad_tail = {.tail = "1&stdout=false"}, none = {0};
    const struct slice auth = {0};
    struct runtime rt = {.ops = &ops};
    (void)state;
    assert_int_equal(runtime_inspect(&rt, "../info", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_top(&rt, "a/json?x=", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_remove(&rt, "a?x=", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_start(&rt, "a?x=", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_stop(&rt, "a?x=", 1, NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_restart(&rt, "a?x=", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_inspect_module(&rt, "..", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_create(&rt, &bad_spec, NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_pull(&rt, "a&tag=b", auth, NULL, NULL, NULL, NULL, NULL),
                     EDGE_INVALID);
    assert_int_equal(runtime_image_remove(&rt, "../x", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_image_check(&rt, "../x", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_logs(&rt, "a/b", &all, NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_logs(&rt, "a", &bad_tail, NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_stats(&rt, "", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_rename(&rt, "a?x=", "b", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(runtime_rename(&rt, "a", "b&c", NULL, NULL, NULL, NULL), EDGE_INVALID);
    assert_int_equal(calls, 0);
    assert_int_equal(runtime_inspect(&rt, "a", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_top(&rt, "a", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_remove(&rt, "a", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_list_modules(&rt, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(calls, 4);
    assert_int_equal(runtime_create(&rt, &spec, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_pull(&rt, "a:1", auth, NULL, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_image_remove(&rt, "a:1", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_image_check(&rt, "a:1", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_logs(&rt, "a", &all, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_logs(&rt, "a", &ten, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_logs(&rt, "a", &none, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_stats(&rt, "a", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_stop(&rt, "a", 7, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(last_timeout_s, 7);
    assert_int_equal(runtime_stop(&rt, "a", INT32_MAX, NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(last_timeout_s, RUNTIME_STOP_MAX_S);
    assert_int_equal(runtime_rename(&rt, "a", "b", NULL, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(calls, 15);
    runtime_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_next_names),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_bad_names_do_not_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
