/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "support/alloc_fail.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX 100000

static void test_every_kind(void **state) {
    (void)state;
    struct json_writer w;
    struct buf out;
    buf_init(&out, OUT_MAX);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_add_str(&w, "s", SLICE_LIT("text"));
    json_add_cstr(&w, "c", "more");
    json_add_cstr(&w, "none", NULL);
    json_add_i64(&w, "i", INT64_MIN);
    json_add_bool(&w, "t", true);
    json_add_bool(&w, "f", false);
    json_add_null(&w, "n");
    json_add_cstr_or_null(&w, "e", "");
    json_add_cstr_or_null(&w, "d", NULL);
    json_add_cstr_or_null(&w, "o", "p");
    json_add_b64(&w, "b", "\xff\xfe", 2);
    json_array_open(&w, "l");
    json_add_i64(&w, NULL, 1);
    json_array_open(&w, NULL);
    json_array_close(&w);
    json_object_open(&w, NULL);
    json_object_close(&w);
    json_array_close(&w);
    json_object_close(&w);
    assert_int_equal(json_end(&w, NULL), EDGE_OK);
    assert_string_equal(
        buf_cstr(&out),
        "{\"s\":\"text\",\"c\":\"more\",\"none\":\"\",\"i\":-9223372036854775808,\"t\":true,"
        "\"f\":false,\"n\":null,\"e\":null,\"d\":null,\"o\":\"p\",\"b\":\"//4=\",\"l\":[1,[],{}]}");
    buf_clear(&out);
}

static void check_string(struct slice value, const char *want) {
    struct json_writer w;
    struct buf out;
    buf_init(&out, OUT_MAX);
    json_begin(&w, &out);
    json_add_str(&w, NULL, value);
    assert_int_equal(json_end(&w, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), want);
    buf_clear(&out);
}

static void test_escapes(void **state) {
    (void)state;
    check_string(SLICE_LIT("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    check_string(SLICE_LIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    check_string(slice_make("\0\x01\x1f\x7f", 4), "\"\\u0000\\u0001\\u001f\x7f\"");
    check_string(SLICE_LIT("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x94\x91"),
                 "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x94\x91\"");
    check_string(SLICE_LIT("a\xFF"
                           "b\xC3"),
                 "\"a\xEF\xBF\xBD"
                 "b\xEF\xBF\xBD\"");
    check_string(SLICE_LIT("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_string(slice_make(NULL, 0), "\"\"");
}

/* Names come from the outside as well: environment variables of a module are member names. */
static void test_names_are_escaped(void **state) {
    (void)state;
    struct json_writer w;
    struct buf out;
    buf_init(&out, OUT_MAX);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_add_bool(&w, "a\"\n", true);
    json_object_close(&w);
    assert_int_equal(json_end(&w, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "{\"a\\\"\\n\":true}");
    buf_clear(&out);
}

/* Parse, write, compare. */
static void check_copy(const char *text, const char *want) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct json_writer w;
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(json_parse(slice_str(text), &root, NULL), EDGE_OK);
    json_begin(&w, &out);
    json_add_node(&w, NULL, root);
    assert_int_equal(json_end(&w, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), want);
    buf_clear(&out);
}

static void test_nodes(void **state) {
    (void)state;
    check_copy(
        " { \"a\" : [ 1 , \"x\\n\" , true , false , null , { } ] , \"b\" : { \"c\" : [ ] } } ",
        "{\"a\":[1,\"x\\n\",true,false,null,{}],\"b\":{\"c\":[]}}");
    check_copy("9007199254740991", "9007199254740991");
    check_copy("-9007199254740991", "-9007199254740991");
    check_copy("9007199254740993", "9007199254740992");
    check_copy("9223372036854775807", "9223372036854775807");
    check_copy("-9223372036854775808", "-9223372036854775808");
    check_copy("18446744073709551615", "1.8446744073709552e+19");
    check_copy("0.5", "0.5");
    check_copy("-0", "0");
    check_copy("1e300", "1.0000000000000001e+300");
    check_copy("0.1", "0.10000000000000001");
    check_copy("1e400", "null");
    check_copy("\"x\"", "\"x\"");

    struct json_writer w;
    struct buf out;
    buf_init(&out, OUT_MAX);
    json_begin(&w, &out);
    json_add_node(&w, NULL, NULL);
    assert_int_equal(json_end(&w, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "null");
    buf_clear(&out);
}

/* On failure nothing that was written stays. */
static void check_failed(struct json_writer *w, enum edge_code want) {
    struct edge_error err = {0};
    assert_int_equal(json_end(w, &err), want);
    assert_int_equal(err.code, want);
    assert_int_equal(json_end(w, NULL), want);
    assert_string_equal(buf_cstr(w->out), "kept");
    buf_clear(w->out);
}

static void begin_after(struct json_writer *w, struct buf *out, size_t max) {
    buf_init(out, max);
    assert_int_equal(buf_append_str(out, "kept", NULL), EDGE_OK);
    json_begin(w, out);
}

static void test_misuse(void **state) {
    (void)state;
    struct json_writer w;
    struct buf out;
    begin_after(&w, &out, OUT_MAX);
    json_object_open(&w, NULL);
    check_failed(&w, EDGE_INTERNAL);

    begin_after(&w, &out, OUT_MAX);
    json_array_close(&w);
    check_failed(&w, EDGE_INTERNAL);

    begin_after(&w, &out, OUT_MAX);
    struct cJSON raw = {.type = cJSON_Raw};
    json_add_node(&w, NULL, &raw);
    json_add_node(&w, NULL, &raw);
    check_failed(&w, EDGE_INTERNAL);

    begin_after(&w, &out, OUT_MAX);
    for (int i = 0; i <= JSON_DEPTH_MAX; i++) {
        json_array_open(&w, NULL);
    }
    check_failed(&w, EDGE_RANGE);
}

static void test_too_long(void **state) {
    (void)state;
    static const char whole[] = "kept{\"a\":\"text\\n\",\"b\":\"MTI=\"}";
    for (size_t max = 4; max < sizeof(whole) + 2; max++) {
        struct json_writer w;
        struct buf out;
        begin_after(&w, &out, max);
        json_object_open(&w, NULL);
        json_add_cstr(&w, "a", "text\n");
        json_add_b64(&w, "b", "12", 2);
        json_object_close(&w);
        if (max < strlen(whole)) {
            check_failed(&w, EDGE_RANGE);
        } else {
            assert_int_equal(json_end(&w, NULL), EDGE_OK);
            assert_string_equal(buf_cstr(&out), whole);
            buf_clear(&out);
        }
    }
}

static enum edge_code write_much(void *data) {
    (void)data;
    struct edge_error err = {0};
    struct json_writer w;
    struct buf out;
    buf_init_sensitive(&out, OUT_MAX);
    json_begin(&w, &out);
    json_array_open(&w, NULL);
    for (int i = 0; i < 20; i++) {
        json_add_b64(&w, NULL, "0123456789", 10);
        json_add_cstr(&w, NULL, "text\"text");
    }
    json_array_close(&w);
    enum edge_code code = json_end(&w, &err);
    assert_int_equal(code, err.code);
    assert_true(code == EDGE_OK || (code == EDGE_NOMEM && out.len == 0));
    buf_clear(&out);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_torture(write_much, NULL), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
