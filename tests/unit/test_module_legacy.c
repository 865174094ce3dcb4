/* SPDX-License-Identifier: MIT */
#include "identity/module_legacy.h"

#include "base/b64.h"
#include "support/alloc_fail.h"
#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct module_key_id sensor = {SLICE_LIT("tempSensor"), SLICE_LIT("primary"),
                                            SLICE_LIT("636463636967581550")};

/* Root key 0x40 to 0x5f, which is the fake's identity key 1. */
static void test_vector(void **state) {
    (void)state;
    struct hsm *h = fake_hsm_new();
    struct module_legacy_context context;
    struct secret key SECRET_CLEANUP = {0};
    struct buf text;
    buf_init(&text, 64);
    assert_int_equal(module_legacy_context(&sensor, &context, NULL), EDGE_OK);
    assert_int_equal(module_legacy_sign(h, 1, &context, &key, NULL), EDGE_OK);
    assert_int_equal(key.len, MODULE_KEY_LEN);
    assert_int_equal(b64_encode(key.data, key.len, &text, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&text), "mB+HPsdHHCHLmjVGbMFmGlb61pv8RudAGqw+QxKkQ18=");
    buf_clear(&text);
    struct secret none = {0};
    assert_int_equal(module_legacy_sign(h, 9, &context, &none, NULL), EDGE_NOT_FOUND);
    assert_null(none.data);
    hsm_close(h);
}

static void test_context(void **state) {
    (void)state;
    struct module_legacy_context c;
    char longest[MODULE_KEY_ID_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(module_legacy_context(&sensor, &c, NULL), EDGE_OK);
    assert_true(slice_eq_str(slice_make(c.bytes, c.len), "tempSensorprimary636463636967581550"));
    struct module_key_id id = {slice_make(longest, MODULE_KEY_ID_MAX), SLICE_LIT("secondary"),
                               slice_make(longest, MODULE_KEY_ID_MAX)};
    assert_int_equal(module_legacy_context(&id, &c, NULL), EDGE_OK);
    assert_int_equal(c.len, 2 * MODULE_KEY_ID_MAX + strlen("secondary"));
    const struct module_key_id bad[] = {
        {SLICE_LIT("m"), SLICE_LIT("x"), SLICE_LIT("1")},
        {SLICE_LIT(""), SLICE_LIT("primary"), SLICE_LIT("1")},
        {SLICE_LIT("m"), SLICE_LIT("primary"), SLICE_LIT("")},
        {slice_make(longest, sizeof(longest)), SLICE_LIT("primary"), SLICE_LIT("1")},
        {SLICE_LIT("m"), SLICE_LIT("primary"), slice_make(longest, sizeof(longest))},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(module_legacy_context(&bad[i], &c, NULL), EDGE_INVALID);
    }
}

static void test_leaving(void **state) {
    (void)state;
    struct module_legacy m = {0};
    assert_int_equal(module_legacy_generation(&m, sensor.module), 0);
    assert_int_equal(module_legacy_leave(&m, sensor.module, NULL), EDGE_OK);
    assert_null(m.left);
    module_legacy_set(&m, 3);
    assert_int_equal(module_legacy_generation(&m, sensor.module), 3);
    assert_int_equal(module_legacy_leave(&m, sensor.module, NULL), EDGE_OK);
    assert_int_equal(module_legacy_leave(&m, sensor.module, NULL), EDGE_OK);
    assert_int_equal(module_legacy_generation(&m, sensor.module), 0);
    assert_int_equal(module_legacy_generation(&m, SLICE_LIT("$tempSensor")), 3);
    module_legacy_set(&m, 4);
    assert_int_equal(module_legacy_generation(&m, sensor.module), 4);
    module_legacy_clear(&m);
    module_legacy_clear(&m);
    assert_int_equal(module_legacy_generation(&m, sensor.module), 0);
}

static void test_many_modules(void **state) {
    (void)state;
    struct module_legacy m = {0};
    char name[16] = "";
    module_legacy_set(&m, 1);
    for (int i = 0; i <= MODULE_LEGACY_LEFT_MAX; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        assert_int_equal(module_legacy_leave(&m, slice_str(name), NULL),
                         i < MODULE_LEGACY_LEFT_MAX ? EDGE_OK : EDGE_RANGE);
    }
    assert_int_equal(module_legacy_generation(&m, slice_str(name)), 1);
    module_legacy_clear(&m);
}

static enum edge_code torture(void *data) {
    struct hsm *h = data;
    struct module_legacy m = {0};
    struct module_legacy_context context;
    struct secret key = {0};
    module_legacy_set(&m, 1);
    enum edge_code code = module_legacy_leave(&m, sensor.module, NULL);
    assert_int_equal(module_legacy_generation(&m, sensor.module), code == EDGE_OK ? 0 : 1);
    module_legacy_clear(&m);
    if (code == EDGE_OK) {
        code = module_legacy_context(&sensor, &context, NULL);
    }
    if (code == EDGE_OK) {
        code = module_legacy_sign(h, 1, &context, &key, NULL);
    }
    secret_clear(&key);
    return code;
}

static void test_allocation_torture(void **state) {
    (void)state;
    struct hsm *h = fake_hsm_new();
    assert_true(alloc_fail_torture(torture, h) > 2);
    hsm_close(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_many_modules),
        cmocka_unit_test(test_allocation_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
