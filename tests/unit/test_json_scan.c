/* SPDX-License-Identifier: MIT */
#include "base/json_scan.h"

#include "base/buf.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const good[] = {
    "0",
    "-0",
    "1",
    "-12",
    "10",
    "1.5",
    "-0.5e10",
    "1E+2",
    "1e-2",
    "0e0",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    "[1]",
    "[1,2]",
    "{\"a\":1}",
    "{\"a\":1,\"b\":[{}]}",
    " \t\r\n[ 1 , { \"a\" : null } ] \n",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0001\"",
    "\"\\uD834\\uDD1E\"",
    "\"\\uFFFF\\ud7ff\\ue000\"",
    "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x94\x91\x7F\"",
    "[[[[]]]]",
    "{\"\":\"\"}",
    "[\"\",0,{\"x\":[]}]",
    "{\"a\":1,\"a\":2}",
    "[{\"a\":[{}]},[]]",
};

static const char *const bad[] = {
    "",
    " ",
    "\n",
    "nul",
    "nulll",
    "True",
    "tru",
    "fals",
    "NaN",
    "Infinity",
    "-",
    "+1",
    "01",
    "-01",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x10",
    "1 2",
    "1a",
    "\"",
    "\"a",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\u0000\"",
    "\"a\tb\"",
    "\"a\nb\"",
    "\"\x1F\"",
    "\"\xC3\"",
    "\"\xC0\x80\"",
    "\"\xED\xA0\x80\"",
    "\"\xFF\"",
    "\"\\uD834\"",
    "\"\\uD834x\"",
    "\"\\uD834\\n\"",
    "\"\\uD834\\uD834\"",
    "\"\\uDD1E\"",
    "\"\\uDD1E\\uD834\"",
    "\"\\uD834\\u0041\"",
    "\"\\uD834\\u",
    "'a'",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{a:1}",
    "{1:2}",
    "{\"a\":1]",
    "{\"a\":1 \"b\":2}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "[]]",
    "{}{}",
    "[] x",
    "{} ,",
    "\xEF\xBB\xBF{}",
    "/* */ {}",
    "[1] // x",
    "\v1",
    "\f1",
    "{\"a\":1,\"b\"}",
    "[true false]",
    "{\"\\u0000\":1}",
    "\"\\ud800\\",
};

static void test_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(good); i++) {
        struct edge_error err = {0};
        if (json_scan(slice_str(good[i]), &err) != EDGE_OK) {
            fail_msg("%s: %s", good[i], err.text);
        }
    }
}

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct edge_error err = {0};
        if (json_scan(slice_str(bad[i]), &err) != EDGE_PARSE || err.code != EDGE_PARSE) {
            fail_msg("not refused as malformed: %s", bad[i]);
        }
    }
    assert_int_equal(json_scan(slice_make(NULL, 0), NULL), EDGE_PARSE);
    assert_int_equal(json_scan(slice_make("1\0", 2), NULL), EDGE_PARSE);
    assert_int_equal(json_scan(slice_make("\0001", 2), NULL), EDGE_PARSE);
    assert_int_equal(json_scan(slice_make("\"a\0b\"", 5), NULL), EDGE_PARSE);
    assert_int_equal(json_scan(slice_make("\"\\\0\"", 4), NULL), EDGE_PARSE);
    assert_int_equal(json_scan(slice_make("[\0]", 3), NULL), EDGE_PARSE);
}

/* Every proper prefix of a container or string is malformed; the copy on the heap ends where the
 * slice ends, for the sanitizer. */
static void test_truncated(void **state) {
    (void)state;
    static const char text[] = "{\"a\":[1,-2.5e+7,\"x\\u00e4\\ud834\\udd1e\xE2\x82\xAC\",true,"
                               "false,null],\"b\":{\"c\":{}}}";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *copy = malloc(len > 0 ? len : 1);
        assert_non_null(copy);
        memcpy(copy, text, len);
        assert_int_equal(json_scan(slice_make(copy, len), NULL), EDGE_PARSE);
        free(copy);
    }
    assert_int_equal(json_scan(SLICE_LIT(text), NULL), EDGE_OK);
}

static void check_depth(const char *open, const char *middle, const char *close, size_t depth,
                        enum edge_code want) {
    struct buf b;
    buf_init(&b, 100000);
    for (size_t i = 0; i < depth; i++) {
        assert_int_equal(buf_append_str(&b, open, NULL), EDGE_OK);
    }
    assert_int_equal(buf_append_str(&b, middle, NULL), EDGE_OK);
    for (size_t i = 0; i < depth; i++) {
        assert_int_equal(buf_append_str(&b, close, NULL), EDGE_OK);
    }
    assert_int_equal(json_scan(buf_slice(&b), NULL), want);
    buf_clear(&b);
}

static void test_depth(void **state) {
    (void)state;
    check_depth("[", "", "]", JSON_DEPTH_MAX, EDGE_OK);
    check_depth("[", "", "]", JSON_DEPTH_MAX + 1, EDGE_RANGE);
    check_depth("{\"a\":", "1", "}", JSON_DEPTH_MAX, EDGE_OK);
    check_depth("{\"a\":", "1", "}", JSON_DEPTH_MAX + 1, EDGE_RANGE);
    check_depth("[{\"a\":", "1", "}]", JSON_DEPTH_MAX / 2, EDGE_OK);
    check_depth("[{\"a\":", "1", "]}", 1, EDGE_PARSE);
    check_depth("[", "", "", 10000, EDGE_RANGE);
}

static void test_node_count(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4 * JSON_NODES_MAX);
    assert_int_equal(buf_append_str(&b, "[0", NULL), EDGE_OK);
    for (size_t i = 2; i < JSON_NODES_MAX; i++) {
        assert_int_equal(buf_append_str(&b, ",0", NULL), EDGE_OK);
    }
    assert_int_equal(buf_append_str(&b, "]", NULL), EDGE_OK);
    assert_int_equal(json_scan(buf_slice(&b), NULL), EDGE_OK);
    buf_truncate(&b, b.len - 1);
    assert_int_equal(buf_append_str(&b, ",0]", NULL), EDGE_OK);
    struct edge_error err = {0};
    assert_int_equal(json_scan(buf_slice(&b), &err), EDGE_RANGE);
    assert_int_equal(err.code, EDGE_RANGE);
    buf_clear(&b);
}

static void test_number_length(void **state) {
    (void)state;
    char digits[JSON_NUMBER_MAX + 1];
    memset(digits, '1', sizeof(digits));
    assert_int_equal(json_scan(slice_make(digits, JSON_NUMBER_MAX), NULL), EDGE_OK);
    assert_int_equal(json_scan(slice_make(digits, JSON_NUMBER_MAX + 1), NULL), EDGE_RANGE);
}

/* The position helps the reader of a log; the content does not go there. */
static void test_error_text(void **state) {
    (void)state;
    struct edge_error err = {0};
    assert_int_equal(json_scan(SLICE_LIT("{\"key\":secret}"), &err), EDGE_PARSE);
    assert_string_equal(err.text, "while reading JSON at byte 7 of 14: malformed JSON");
}

/* Text is looked at eight bytes at a time; what is not plain must be seen at every place. */
static void test_every_byte_at_every_place(void **state) {
    (void)state;
    char text[28];
    for (size_t at = 1; at < sizeof(text) - 1; at++) {
        for (int c = 1; c < 256; c++) {
            memset(text, 'a', sizeof(text));
            text[0] = text[sizeof(text) - 1] = '"';
            text[at] = (char)c;
            bool is_good = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            assert_int_equal(json_scan(slice_make(text, sizeof(text)), NULL) == EDGE_OK, is_good);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_truncated),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_node_count), cmocka_unit_test(test_number_length),
        cmocka_unit_test(test_error_text), cmocka_unit_test(test_every_byte_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
