/* SPDX-License-Identifier: MIT */
/* Connection strings: what counts, what is refused with which part named, and that no key shows. */
#include "config/config_connection_string.h"

#include "config/config.h"
#include "support/alloc_fail.h"

#include "test_config_expect.h"

#include <string.h>

#define HUB    "HostName=plant.azure-devices.net"
#define DEVICE ";DeviceId=edge-07"
#define KEY    ";SharedAccessKey=a2V5"
#define X64    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void fine(const char *text, const char *host, const char *device, const char *key) {
    struct config_connection_string s;
    struct edge_error err;
    if (config_connection_string_parse(slice_str(text), &s, &err) != EDGE_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_true(slice_eq_str(s.host, host));
    assert_true(slice_eq_str(s.device, device));
    assert_true(secret_equal_bytes(&s.key, key, strlen(key)));
    config_connection_string_clear(&s);
    assert_null(s.key.data);
    config_connection_string_clear(&s);
}

static void bad(const char *text, const char *part) {
    struct config_connection_string s = {.key = {.data = NULL}};
    struct edge_error err;
    assert_int_equal(config_connection_string_parse(slice_str(text), &s, &err), EDGE_CONFIG);
    assert_null(s.key.data);
    if (strstr(err.text, part) == NULL) {
        fail_msg("%s: '%s' does not contain '%s'", text, err.text, part);
    }
}

static void test_parts(void **state) {
    (void)state;
    fine(HUB DEVICE KEY, "plant.azure-devices.net", "edge-07", "key");
    fine("SharedAccessKey=a2V5;DeviceId=d;HostName=h;", "h", "d", "key");
    fine(";;" HUB ";;" DEVICE KEY ";", "plant.azure-devices.net", "edge-07", "key");
    fine(HUB DEVICE, "plant.azure-devices.net", "edge-07", "");
    fine("HostName=h_1;DeviceId=-:.+%_#*?!(),=@$'", "h_1", "-:.+%_#*?!(),=@$'", "");
}

static void test_unknown_parts_have_no_meaning(void **state) {
    (void)state;
    fine("GatewayHostName=g;ModuleId=m;x509=true;x;=;=y;" HUB DEVICE KEY, "plant.azure-devices.net",
         "edge-07", "key");
    fine("hostname=g;" HUB ";deviceId=e" DEVICE KEY, "plant.azure-devices.net", "edge-07", "key");
}

static void test_the_last_counts(void **state) {
    (void)state;
    fine("HostName=<x>;DeviceId=;SharedAccessKey=*;" HUB DEVICE KEY, "plant.azure-devices.net",
         "edge-07", "key");
    bad(HUB DEVICE KEY ";DeviceId=", "DeviceId");
}

static void test_split_at_the_first_equals_sign(void **state) {
    (void)state;
    fine("HostName=h;DeviceId=a=b==;SharedAccessKey=a2V5cw==", "h", "a=b==", "keys");
    fine("HostName=h;DeviceId==;SharedAccessKey=a2V5cw", "h", "=", "keys");
    fine("HostName=h;DeviceId=d;SharedAccessKey=a2V5cw=", "h", "d", "keys");
}

static void test_key(void **state) {
    (void)state;
    bad(HUB DEVICE ";SharedAccessKey=",
        "SharedAccessKey of the connection string is empty; delete");
    bad(HUB DEVICE ";sharedaccesskey=a2V5", "no SharedAccessKey: the name is written");
    bad(HUB DEVICE "; SharedAccessKey=a2V5", "no SharedAccessKey: the name is written");
    bad(HUB DEVICE ";SharedAccessKey=*", "SharedAccessKey of the connection string is not base64");
    bad(HUB DEVICE ";SharedAccessKey=a", "is not base64");
    bad(HUB DEVICE ";SharedAccessKey==", "is not base64");
    bad(HUB DEVICE ";SharedAccessKey= a2V5", "blank");
    bad(HUB DEVICE ";SharedAccessKey=a2V5\n", "line break");
    bad(HUB DEVICE ";SharedAccessKey=a-_5", "for URLs");
    bad(HUB DEVICE ";SharedAccessKey=<KEY>", "placeholder");
    bad(HUB DEVICE ";SharedAccessKey=" X64 "xxxxxxxxxxxxxxxxxxxxxxx", "longer than 64 bytes");
    bad(HUB DEVICE ";x509=true", "method: x509");
}

static void test_device(void **state) {
    (void)state;
    bad(HUB KEY, "has no DeviceId; it should be HostName=");
    bad(HUB ";DeviceId=" KEY, "DeviceId of the connection string is empty");
    bad(HUB ";DeviceId=a b" KEY, "DeviceId of the connection string contains a character");
    bad(HUB ";DeviceId=\xC3\xA4" KEY, "contains a character");
    bad(HUB ";DeviceId=a/b" KEY, "contains a character");
    bad(HUB ";DeviceId={id}" KEY, "placeholder");
    bad(HUB ";DeviceId=" X64 X64 "x" KEY, "longer than 128");
    bad(HUB ";deviceid=d" KEY, "no DeviceId: the name is written in another way");
    bad(HUB "; DeviceId =d" KEY, "there are no blanks");
    bad(HUB ";SharedAccessKeyName=iothubowner" KEY, "hub's access policy");
}

static void test_host(void **state) {
    (void)state;
    bad("DeviceId=d" KEY, "has no HostName");
    bad("HostName=" DEVICE KEY, "HostName of the connection string is empty");
    bad("HostName=https://h" DEVICE KEY, "host name alone");
    bad("HostName=h:x" DEVICE KEY, "no port number");
    bad("HostName=h i" DEVICE KEY, "HostName of the connection string contains");
    bad("HostName={hub}.azure-devices.net" DEVICE KEY, "placeholder");
    bad("HostName=" X64 X64 X64 X64 DEVICE KEY, "longer than 253");
}

static void test_order_of_the_checks(void **state) {
    (void)state;
    bad("", "is empty");
    bad("<ADD DEVICE CONNECTION STRING HERE>", "placeholder");
    bad("HostName=<h>;DeviceId=<d>;SharedAccessKey=*", "SharedAccessKey");
    bad("HostName=<h>;DeviceId=<d>;SharedAccessKey=a2V5", "DeviceId");
    bad("HostName=<h>;DeviceId=d;SharedAccessKey=a2V5", "HostName");
    bad("blah", "has no DeviceId");
}

static void test_nul(void **state) {
    (void)state;
    struct config_connection_string s;
    char text[] = HUB ";DeviceId=a_b" KEY;
    *strchr(text, '_') = '\0';
    assert_int_equal(config_connection_string_parse(slice_make(text, sizeof(text) - 1), &s, NULL),
                     EDGE_CONFIG);
    assert_int_equal(config_connection_string_parse(slice_make(NULL, 0), &s, NULL), EDGE_CONFIG);
}

static void test_no_value_shows(void **state) {
    (void)state;
    static const char *const texts[] = {
        "S3cr3t",
        HUB DEVICE ";SharedAccessKey=S3cr3t*",
        HUB ";deviceId=d;SharedAccessKey=S3cr3t00",
        HUB ";SharedAccessKeyName=S3cr3t;SharedAccessKey=S3cr3t00",
        "S3cr3t=x;" DEVICE KEY,
        "HostName=S3cr3t/" DEVICE KEY,
        HUB ";DeviceId=S3cr3t/" KEY,
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        struct config_connection_string s;
        struct edge_error err;
        assert_int_equal(config_connection_string_parse(slice_str(texts[i]), &s, &err),
                         EDGE_CONFIG);
        assert_null(strstr(err.text, "S3cr3t"));
    }
}

static enum edge_code parse(void *data) {
    struct config_connection_string s = {.key = {.data = NULL}};
    struct edge_error err = {0};
    enum edge_code code = config_connection_string_parse(slice_str(data), &s, &err);
    assert_int_equal(code, err.code);
    assert_true((code == EDGE_OK) == (s.key.len > 0));
    config_connection_string_clear(&s);
    return code;
}

static void test_short_memory(void **state) {
    (void)state;
    char text[] = HUB DEVICE KEY;
    assert_true(alloc_fail_torture(parse, text) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_unknown_parts_have_no_meaning),
        cmocka_unit_test(test_the_last_counts),
        cmocka_unit_test(test_split_at_the_first_equals_sign),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_order_of_the_checks),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_no_value_shows),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
