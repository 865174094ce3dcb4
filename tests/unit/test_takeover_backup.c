/* SPDX-License-Identifier: MIT */
#include "provisioning/takeover_backup.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum edge_code decode(const char *text, struct takeover_backup *ret) {
    struct edge_error err = {0};
    enum edge_code code = takeover_backup_decode(slice_str(text), ret, &err);
    assert_int_equal(err.code, code);
    return code;
}

static const char usual[] =
    "{\"credentials\":null,\"device_id\":\"dev-01\",\"hub_name\":\"Hub.example\","
    "\"sha256_thumbprint\":null}";

static void test_what_1_1_wrote(void **state) {
    (void)state;
    struct takeover_backup b;
    assert_int_equal(decode(usual, &b), EDGE_OK);
    assert_string_equal(b.hub, "Hub.example");
    assert_string_equal(b.device_id, "dev-01");
    assert_int_equal(decode(" {\"device_id\":\"d\",\"hub_name\":\"h:8443\"}\n", &b), EDGE_OK);
    assert_string_equal(b.hub, "h:8443");
}

static void test_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "\"hub\"",
        "{}",
        "{\"device_id\":\"d\"}",
        "{\"hub_name\":\"h\"}",
        "{\"device_id\":\"d\",\"hub_name\":null}",
        "{\"device_id\":7,\"hub_name\":\"h\"}",
        "{\"device_id\":\"\",\"hub_name\":\"h\"}",
        "{\"device_id\":\"d\",\"hub_name\":\"\"}",
        "{\"device_id\":\"a/b\",\"hub_name\":\"h\"}",
        "{\"device_id\":\"..\",\"hub_name\":\"h\"}",
        "{\"device_id\":\"a\\nb\",\"hub_name\":\"h\"}",
        "{\"device_id\":\"d\",\"hub_name\":\"h/x\"}",
        "{\"device_id\":\"d\",\"hub_name\":\"h@evil\"}",
        "{\"device_id\":\"d\",\"hub_name\":\"h:99999\"}",
        "{\"device_id\":\"d\",\"hub_name\":\"h\"} x",
        "{\"Device_Id\":\"d\",\"hub_name\":\"h\"}",
    };
    static const struct takeover_backup untouched;
    struct takeover_backup b = {0};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        assert_int_equal(decode(texts[i], &b), EDGE_PARSE);
        assert_memory_equal(&b, &untouched, sizeof(b));
    }
}

static void test_limits(void **state) {
    (void)state;
    struct takeover_backup b;
    static char text[TAKEOVER_BACKUP_MAX + 2];
    memset(text, ' ', TAKEOVER_BACKUP_MAX + 1);
    memcpy(text, usual, strlen(usual));
    assert_int_equal(decode(text, &b), EDGE_RANGE);
    text[TAKEOVER_BACKUP_MAX] = '\0';
    assert_int_equal(decode(text, &b), EDGE_OK);
    char id[PROVISIONING_DEVICE_MAX + 2];
    memset(id, 'a', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "{\"device_id\":\"%s\",\"hub_name\":\"h\"}", id);
    assert_int_equal(decode(text, &b), EDGE_PARSE);
    (void)snprintf(text, sizeof(text), "{\"device_id\":\"%s\",\"hub_name\":\"h\"}", id + 1);
    assert_int_equal(decode(text, &b), EDGE_OK);
    size_t used = (size_t)snprintf(text, sizeof(text), "{\"a\":[");
    for (int i = 0; i < TAKEOVER_BACKUP_NODES_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "1,");
    }
    (void)snprintf(text + used, sizeof(text) - used, "1]}");
    assert_int_equal(decode(text, &b), EDGE_RANGE);
}

static enum edge_code torture(void *data) {
    (void)data;
    struct takeover_backup b;
    return decode(usual, &b);
}

static void test_allocation_torture(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(torture, NULL) > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_1_1_wrote),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_allocation_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
