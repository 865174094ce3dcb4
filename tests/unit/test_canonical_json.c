/* SPDX-License-Identifier: MIT */
/*
 * One text for all spellings of a value.
 */
#include "agent/canonical_json.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum edge_code convert(struct slice text, struct buf *out, struct edge_error *err) {
    struct cJSON *root = NULL;
    struct json_writer w;
    enum edge_code code = json_parse(text, &root, err);
    if (code == EDGE_OK) {
        json_begin(&w, out);
        canonical_json_add(&w, NULL, root);
        code = json_end(&w, err);
    }
    json_free(root);
    return code;
}

static void expect(const char *from, const char *to) {
    struct buf out EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&out, 1024);
    assert_int_equal(convert(slice_str(from), &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), to);
}

static void test_order(void **state) {
    (void)state;
    expect(" {\"b\": [3, {\"z\": null, \"y\": true}, 1], \"a\": \"x\", \"B\": {}} ",
           "{\"B\":{},\"a\":\"x\",\"b\":[3,{\"y\":true,\"z\":null},1]}");
    expect("{}", "{}");
    expect("5", "5");
}

static enum edge_code convert_once(void *data) {
    struct buf out EDGE_CLEANUP(buf_clear) = {0};
    (void)data;
    buf_init(&out, 1024);
    return convert(SLICE_LIT("{\"b\":{\"d\":1,\"c\":2},\"a\":[]}"), &out, NULL);
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(convert_once, NULL) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
