/* SPDX-License-Identifier: MIT */
#include "provisioning/report_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static const char *state_of(bool exists, bool bound, bool open) {
    const struct hsm_store_info info = {.exists = exists, .bound = bound, .open = open};
    return report_store_of(&info).state;
}

static void test_states(void **state) {
    (void)state;
    assert_string_equal(state_of(false, false, false), REPORT_STORE_NONE);
    assert_string_equal(state_of(false, false, true), REPORT_STORE_NONE);
    assert_string_equal(state_of(true, false, true), REPORT_STORE_OPEN);
    assert_string_equal(state_of(true, true, true), REPORT_STORE_BOUND);
    assert_string_equal(state_of(true, true, false), REPORT_STORE_LOCKED);
    assert_string_equal(state_of(true, false, false), REPORT_STORE_LOCKED);
}

static void test_json(void **state) {
    const struct hsm_store_info info = {
        .exists = true, .open = true, .bound = true, .pcrs = 1u << 23 | 1, .planned = true};
    const struct report_store store = report_store_of(&info);
    struct json_writer w;
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    report_store_add(&w, "a", &store);
    report_store_add(&w, "b", NULL);
    json_object_close(&w);
    assert_int_equal(json_end(&w, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "{\"a\":{\"state\":\"bound\",\"text\":null,\"pcrs\":[0,23],"
                                        "\"hasPlanned\":true},\"b\":null}");
    buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_states), cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
