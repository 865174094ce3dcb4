/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "support/alloc_fail.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cJSON *parse(const char *text) {
    struct cJSON *root = NULL;
    assert_int_equal(json_parse(slice_str(text), &root, NULL), EDGE_OK);
    assert_non_null(root);
    return root;
}

static void test_parse(void **state) {
    (void)state;
    struct edge_error err = {0};
    struct cJSON *root = NULL;
    assert_int_equal(json_parse(SLICE_LIT("{\"a\":01}"), &root, &err), EDGE_PARSE);
    assert_null(root);
    assert_int_equal(err.code, EDGE_PARSE);
    /* The slice ends where it ends. */
    assert_int_equal(json_parse(slice_make("[1]x", 3), &root, NULL), EDGE_OK);
    assert_true(json_is_array(root));
    json_free(root);
    json_free(NULL);
    json_free_sensitive(NULL);
}

static void test_strings(void **state) {
    (void)state;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) =
        parse("{\"a\":\"x\\u00e4\\ud834\\udd1e\\n\",\"n\":null,\"i\":1,\"A\":\"upper\"}");
    struct edge_error err = {0};
    struct slice s = SLICE_LIT("untouched");
    assert_int_equal(json_get_str(root, "none", &s, &err), EDGE_NOT_FOUND);
    assert_string_equal(err.text, "member 'none' is missing");
    assert_int_equal(json_get_str(root, "n", &s, NULL), EDGE_NOT_FOUND);
    assert_int_equal(json_get_str(root, "i", &s, &err), EDGE_PARSE);
    assert_string_equal(err.text, "member 'i' is not a string");
    assert_true(slice_eq_str(s, "untouched"));
    assert_int_equal(json_get_str(root, "a", &s, NULL), EDGE_OK);
    assert_true(slice_eq_str(s, "x\xC3\xA4\xF0\x9D\x84\x9E\n"));
    assert_int_equal(json_get_str(root, "A", &s, NULL), EDGE_OK);
    assert_true(slice_eq_str(s, "upper"));
}

static void test_optional_string(void **state) {
    (void)state;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = parse("{\"a\":\"x\",\"n\":null,\"i\":1}");
    struct edge_error err = {0};
    struct slice s = SLICE_LIT("old");
    assert_int_equal(json_get_opt_str(root, "a", &s, &err), EDGE_OK);
    assert_true(slice_eq_str(s, "x"));
    assert_int_equal(json_get_opt_str(root, "n", &s, &err), EDGE_OK);
    assert_int_equal(s.len, 0);
    s = SLICE_LIT("old");
    assert_int_equal(json_get_opt_str(root, "none", &s, &err), EDGE_OK);
    assert_int_equal(s.len, 0);
    assert_int_equal(err.code, EDGE_OK);
    s = SLICE_LIT("old");
    assert_int_equal(json_get_opt_str(root, "i", &s, &err), EDGE_PARSE);
    assert_true(slice_eq_str(s, "old"));
}

static void test_objects_arrays_booleans(void **state) {
    (void)state;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) =
        parse("{\"o\":{\"x\":1},\"l\":[1,2],\"t\":true,\"f\":false,\"n\":null}");
    const struct cJSON *node = NULL;
    bool flag = true;
    assert_int_equal(json_get_object(root, "l", &node, NULL), EDGE_PARSE);
    assert_int_equal(json_get_array(root, "o", &node, NULL), EDGE_PARSE);
    assert_int_equal(json_get_bool(root, "o", &flag, NULL), EDGE_PARSE);
    assert_int_equal(json_get_object(root, "n", &node, NULL), EDGE_NOT_FOUND);
    assert_int_equal(json_get_array(root, "n", &node, NULL), EDGE_NOT_FOUND);
    assert_int_equal(json_get_bool(root, "n", &flag, NULL), EDGE_NOT_FOUND);
    assert_null(node);
    assert_true(flag);
    assert_int_equal(json_get_object(root, "o", &node, NULL), EDGE_OK);
    assert_true(json_is_object(node));
    assert_int_equal(json_get_array(root, "l", &node, NULL), EDGE_OK);
    assert_true(json_is_array(node));
    assert_int_equal(json_get_bool(root, "f", &flag, NULL), EDGE_OK);
    assert_false(flag);
    assert_int_equal(json_get_bool(root, "t", &flag, NULL), EDGE_OK);
    assert_true(flag);
    /* Neither is something that has members. */
    assert_int_equal(json_get_bool(node, "t", &flag, NULL), EDGE_PARSE);
    assert_int_equal(json_get_bool(NULL, "t", &flag, NULL), EDGE_PARSE);
}

static void test_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum edge_code code;
        int64_t value;
    } table[] = {
        {"{\"i\":0}", EDGE_OK, 0},
        {"{\"i\":-0}", EDGE_OK, 0},
        {"{\"i\":1.0}", EDGE_OK, 1},
        {"{\"i\":1e3}", EDGE_OK, 1000},
        {"{\"i\":-2147483649}", EDGE_OK, -2147483649},
        {"{\"i\":9007199254740991}", EDGE_OK, 9007199254740991},
        {"{\"i\":-9007199254740991}", EDGE_OK, -9007199254740991},
        {"{\"i\":9007199254740992}", EDGE_RANGE, 0},
        {"{\"i\":-9007199254740992}", EDGE_RANGE, 0},
        {"{\"i\":9007199254740993}", EDGE_RANGE, 0},
        {"{\"i\":1e400}", EDGE_RANGE, 0},
        {"{\"i\":1.5}", EDGE_PARSE, 0},
        {"{\"i\":-0.25}", EDGE_PARSE, 0},
        {"{\"i\":\"1\"}", EDGE_PARSE, 0},
        {"{\"i\":true}", EDGE_PARSE, 0},
        {"{\"i\":null}", EDGE_NOT_FOUND, 0},
        {"{}", EDGE_NOT_FOUND, 0},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        struct cJSON *root EDGE_CLEANUP(json_cleanup) = parse(table[i].text);
        int64_t value = 77;
        assert_int_equal(json_get_i64(root, "i", &value, NULL), table[i].code);
        assert_true(value == (table[i].code == EDGE_OK ? table[i].value : 77));
    }
}

static void test_last_duplicate_counts(void **state) {
    (void)state;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) =
        parse("{\"a\":\"one\",\"b\":\"x\",\"a\":\"two\",\"b\":null}");
    struct slice s = {0};
    assert_int_equal(json_get_str(root, "a", &s, NULL), EDGE_OK);
    assert_true(slice_eq_str(s, "two"));
    assert_int_equal(json_get_str(root, "b", &s, NULL), EDGE_NOT_FOUND);
}

static void test_iteration(void **state) {
    (void)state;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = parse("{\"a\":\"1\",\"b\":[\"x\",2]}");
    const struct cJSON *member = json_first(root);
    assert_string_equal(json_name(member), "a");
    assert_true(json_is_str(member));
    assert_true(slice_eq_str(json_str(member), "1"));
    member = json_next(member);
    assert_string_equal(json_name(member), "b");
    assert_false(json_is_str(member));
    assert_int_equal(json_str(member).len, 0);
    const struct cJSON *element = json_first(member);
    assert_null(json_name(element));
    assert_true(slice_eq_str(json_str(element), "x"));
    element = json_next(element);
    assert_null(json_next(element));
    assert_null(json_next(member));
    assert_null(json_first(element));
    assert_null(json_first(NULL));
    assert_int_equal(json_str(NULL).len, 0);
    assert_false(json_is_object(NULL));
    assert_false(json_is_array(NULL));
    assert_false(json_is_str(NULL));
}

static int secrets_freed;

/* cJSON gives memory back through this; no secret may be in it then. */
static void checked_free(void *ptr) {
    if (ptr != NULL) {
        assert_null(strstr(ptr, "c2VjcmV0"));
        secrets_freed += strcmp(ptr, "") == 0 ? 1 : 0;
    }
    free(ptr);
}

static void test_sensitive_strings_are_wiped(void **state) {
    (void)state;
    struct cJSON *root = parse(
        "{\"type\":\"c2VjcmV0-1\",\"list\":[\"c2VjcmV0-2\",{\"deep\":\"c2VjcmV0-3\"}],\"n\":1}");
    /* Nodes begin with pointers and are no text: only strings are checked. */
    char *values[3] = {
        cJSON_GetObjectItem(root, "type")->valuestring,
        cJSON_GetArrayItem(cJSON_GetObjectItem(root, "list"), 0)->valuestring,
        cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "list"), 1), "deep")
            ->valuestring,
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(values); i++) {
        assert_non_null(strstr(values[i], "c2VjcmV0"));
    }
    cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = checked_free};
    cJSON_InitHooks(&hooks);
    secrets_freed = 0;
    json_free_sensitive(TAKE_PTR(root));
    hooks.free_fn = free;
    hooks.malloc_fn = alloc_fail_malloc;
    cJSON_InitHooks(&hooks);
    assert_true(secrets_freed >= 3);
    struct cJSON *scoped EDGE_CLEANUP(json_cleanup_sensitive) = parse("[\"x\"]");
    assert_non_null(scoped);
}

/* The caller's own cap; names of members are no values. */
static void test_cap_on_values(void **state) {
    (void)state;
    struct edge_error err;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice text = SLICE_LIT("{\"a\":[1,2],\"b\":3}");
    assert_int_equal(json_parse_within(text, 4, &root, &err), EDGE_RANGE);
    assert_null(root);
    assert_int_equal(json_parse_within(text, 5, &root, &err), EDGE_OK);
}

/* What the tree tells, and a tree only where there are escapes or something is amiss. */
static void test_views(void **state) {
    static const struct {
        const char *text;
        enum edge_code code;
        bool has_tree;
    } rows[] = {
        {"{\"a\":\"x\",\"b\":\"\"}", EDGE_OK, false},
        {" { \"b\" : \"y\" , \"z\":[{\"a\":\"no\"}], \"a\" : \"\xc3\xa4\" } ", EDGE_OK, false},
        {"{\"a\":1,\"a\":\"x\",\"b\":\"1\",\"b\":\"2\"}", EDGE_OK, false},
        {"{\"a\":\"x\\u002by\",\"b\":\"1\"}", EDGE_OK, true},
        {"{\"\\u0061\":\"x\",\"a\":\"y\",\"b\":\"\"}", EDGE_OK, true},
        {"{\"a\":\"y\",\"\\u0061\":\"x\",\"b\":\"\"}", EDGE_OK, true},
        {"{\"a\":\"x\"}", EDGE_NOT_FOUND, false},
        {"{\"a\":\"x\",\"b\":\"y\",\"b\":null}", EDGE_NOT_FOUND, false},
        {"{\"a\":[\"x\"],\"b\":\"y\"}", EDGE_PARSE, false},
        {"{\"a\":{\"a\":\"x\"},\"b\":\"y\"}", EDGE_PARSE, false},
        {"[{\"a\":\"x\",\"b\":\"y\"}]", EDGE_PARSE, false},
        {"[\"a\",\"x\"]", EDGE_PARSE, false},
        {"{\"a\":\"x\",\"b\":\"y\"}}", EDGE_PARSE, false},
        {"{\"a\":\"x\",\"b\":\"y\",\"c\":[1,2,3,4,5,6,7]}", EDGE_RANGE, false},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct json_view views[] = {{.name = "a"}, {.name = "b"}};
        struct cJSON *tree EDGE_CLEANUP(json_cleanup) = NULL,
                           *kept EDGE_CLEANUP(json_cleanup) = NULL;
        struct slice want = {0};
        assert_int_equal(json_parse_views(slice_str(rows[i].text), 8, views, 2, &kept, NULL),
                         rows[i].code);
        assert_int_equal(kept != NULL, rows[i].has_tree);
        if (rows[i].code == EDGE_OK) {
            tree = parse(rows[i].text);
            for (size_t j = 0; j < 2; j++) {
                assert_int_equal(json_get_str(tree, views[j].name, &want, NULL), EDGE_OK);
                assert_true(slice_eq(views[j].value, want));
            }
        }
    }
}

static enum edge_code parse_all(void *data) {
    struct edge_error err = {0};
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    enum edge_code code = json_parse(slice_str(data), &root, &err);
    assert_true(code == EDGE_OK || (code == EDGE_NOMEM && root == NULL && err.code == EDGE_NOMEM));
    return code;
}

/* Names must not end where a NUL stood: they would pass for others. */
static void test_nul(void **state) {
    static const char text[] =
        "{\"a\\u0000b\":\"\\u0000\",\"c\":\"\\\\u0000\",\"a\":\"\\\\\\u0000x\"}";
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice value;
    (void)state;
    assert_int_equal(json_parse(slice_str(text), &root, NULL), EDGE_PARSE);
    assert_int_equal(json_parse_with_nul(slice_str(text), &root, NULL), EDGE_OK);
    assert_int_equal(json_get_str(root,
                                  "a\xef\xbf\xbd"
                                  "b",
                                  &value, NULL),
                     EDGE_OK);
    assert_true(slice_eq_str(value, "\xef\xbf\xbd"));
    assert_int_equal(json_get_str(root, "c", &value, NULL), EDGE_OK);
    assert_true(slice_eq_str(value, "\\u0000"));
    assert_int_equal(json_get_str(root, "a", &value, NULL), EDGE_OK);
    assert_true(slice_eq_str(value, "\\\xef\xbf\xbdx"));
    json_free(root);
    root = NULL;
    assert_int_equal(json_parse_with_nul(SLICE_LIT("\"\\u0000"), &root, NULL), EDGE_PARSE);
    assert_int_equal(json_parse_with_nul(SLICE_LIT(""), &root, NULL), EDGE_PARSE);
}

static void test_names_as_the_engine_reads_them(void **state) {
    struct cJSON *root = NULL;
    (void)state;
    assert_int_equal(json_parse(SLICE_LIT("{\"hOsTs\":null,\"ho\xc5\xbftk\":1,"
                                          "\"host\xe2\x84\xaa\":2,\"host\":3,\"hostss\":4}"),
                                &root, NULL),
                     EDGE_OK);
    const struct cJSON *n = json_first(root);
    assert_true(json_name_is(n, "Hosts") && json_is_null(n));
    n = json_next(n);
    assert_true(json_name_is(n, "HostK") && !json_is_null(n));
    n = json_next(n);
    assert_true(json_name_is(n, "HostK"));
    n = json_next(n);
    assert_false(json_name_is(n, "HostK"));
    n = json_next(n);
    assert_false(json_name_is(n, "Hosts"));
    json_free(root);
}

static void test_out_of_memory(void **state) {
    (void)state;
    char text[] = "{\"a\":[1,\"two\",{\"three\":null}],\"b\":true}";
    /* At least one per value and per string. */
    assert_true(alloc_fail_torture(parse_all, text) >= 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_optional_string),
        cmocka_unit_test(test_objects_arrays_booleans),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_last_duplicate_counts),
        cmocka_unit_test(test_iteration),
        cmocka_unit_test(test_sensitive_strings_are_wiped),
        cmocka_unit_test(test_cap_on_values),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_names_as_the_engine_reads_them),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
