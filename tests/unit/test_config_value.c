/* SPDX-License-Identifier: MIT */
/* Rules for single values. */
#include "config/config_value.h"

#include "test_config_expect.h"

#include <string.h>

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

typedef const char *rule(struct slice value);

static void fine(rule *fn, const char *value) {
    const char *reason = fn(slice_str(value));
    if (reason != NULL) {
        fail_msg("'%s' %s", value, reason);
    }
}

static void bad(rule *fn, const char *value, const char *part) {
    const char *reason = fn(slice_str(value));
    if (reason == NULL || strstr(reason, part) == NULL) {
        fail_msg("'%s': '%s' does not contain '%s'", value, reason != NULL ? reason : "", part);
    }
}

static void test_placeholder(void **state) {
    (void)state;
    assert_true(config_value_is_placeholder(SLICE_LIT("<ADD HOSTNAME HERE>")));
    assert_true(config_value_is_placeholder(SLICE_LIT(" {scope_id} ")));
    assert_true(config_value_is_placeholder(SLICE_LIT("<>")));
    assert_false(config_value_is_placeholder(SLICE_LIT("<")));
    assert_false(config_value_is_placeholder(SLICE_LIT("a<b>")));
    assert_false(config_value_is_placeholder(SLICE_LIT("<b}")));
    assert_false(config_value_is_placeholder(SLICE_LIT("")));
}

static void test_hostname(void **state) {
    (void)state;
    fine(config_value_hostname, "edge-1.example");
    fine(config_value_hostname, "10.0.0.1");
    fine(config_value_hostname, "under_score");
    fine(config_value_hostname, X64);
    bad(config_value_hostname, X64 "y", "longer than 64");
    bad(config_value_hostname, "", "empty");
    bad(config_value_hostname, "<ADD HOSTNAME HERE>", "placeholder");
    fine(config_value_hostname, "a b");
    bad(config_value_hostname, "a\tb", "control");
    bad(config_value_hostname, "a\x7F", "control");
    fine(config_value_hostname_doubt, "Edge-1.example");
    bad(config_value_hostname_doubt, "a b", "other characters");
    bad(config_value_hostname_doubt, "under_score", "other characters");
    bad(config_value_hostname_doubt, "n\xC3\xA4me", "other characters");
}

static void test_registration_id(void **state) {
    (void)state;
    fine(config_value_registration_id, "dev-01");
    fine(config_value_registration_id, "A.b_c:d-");
    fine(config_value_registration_id, X64 X64);
    bad(config_value_registration_id, X64 X64 "y", "longer than 128");
    bad(config_value_registration_id, "", "empty");
    bad(config_value_registration_id, "{registration_id}", "placeholder");
    bad(config_value_registration_id, "a b", "other characters");
    bad(config_value_registration_id, "a/b", "other characters");
    bad(config_value_registration_id, "\xC3\xA4", "other characters");
    bad(config_value_registration_id, "ab.", "must end");
    bad(config_value_registration_id, "ab_", "must end");
    bad(config_value_registration_id, "ab:", "must end");
    assert_non_null(config_value_registration_id(slice_make("a\0b", 3)));
    fine(config_value_registration_id_doubt, "dev-01");
    bad(config_value_registration_id_doubt, "Dev", "small letters");
    bad(config_value_registration_id_doubt, "a.b", "small letters");
}

static void test_scope_id(void **state) {
    (void)state;
    fine(config_value_scope_id, "0ne00123ABC");
    bad(config_value_scope_id, "", "empty");
    bad(config_value_scope_id, "<SCOPE_ID>", "placeholder");
    bad(config_value_scope_id, "a/b", "no ID scope");
    bad(config_value_scope_id, "a b", "no ID scope");
    bad(config_value_scope_id, X64 X64 "y", "no ID scope");
}

static void test_hub_hostname(void **state) {
    (void)state;
    fine(config_value_hub_hostname, "plant.azure-devices.net");
    fine(config_value_hub_hostname, "a_b.c");
    bad(config_value_hub_hostname, "", "empty");
    bad(config_value_hub_hostname, "<ADD HUB HOST NAME HERE>", "placeholder");
    bad(config_value_hub_hostname, "{hub}.azure-devices.net", "placeholder");
    bad(config_value_hub_hostname, "https://h.example", "without https://");
    fine(config_value_hub_hostname, "h.example:8443");
    bad(config_value_hub_hostname, "h.example:", "no port number");
    bad(config_value_hub_hostname, "h.example:0", "no port number");
    bad(config_value_hub_hostname, "h.example:65536", "no port number");
    bad(config_value_hub_hostname, ":443", "other characters");
    bad(config_value_hub_hostname, "h example", "other characters");
    bad(config_value_hub_hostname, X64 X64 X64 X64, "longer than 253");
    assert_non_null(config_value_hub_hostname(slice_make("a\0b", 3)));
    fine(config_value_hub_hostname_doubt, "plant.azure-devices.net");
    bad(config_value_hub_hostname_doubt, "plant", "no domain");
    bad(config_value_hub_hostname_doubt, "h.example:8443", "has a port");
    bad(config_value_hub_hostname_doubt, "a_b.c", "no regular host name");
    bad(config_value_hub_hostname_doubt, "a.b.", "no regular host name");
    bad(config_value_hub_hostname_doubt, "-a.b", "no regular host name");
}

static void test_device_id(void **state) {
    (void)state;
    fine(config_value_device_id, "edge-07");
    fine(config_value_device_id, "-:.+%_#*?!(),=@;$'");
    fine(config_value_device_id, X64 X64);
    bad(config_value_device_id, X64 X64 "y", "longer than 128");
    bad(config_value_device_id, "", "empty");
    bad(config_value_device_id, "<ADD DEVICE ID HERE>", "placeholder");
    bad(config_value_device_id, "a b", "no device id has");
    bad(config_value_device_id, "a/b", "no device id has");
    bad(config_value_device_id, "\xC3\xA4", "no device id has");
    assert_non_null(config_value_device_id(slice_make("a\0b", 3)));
    fine(config_value_device_id_doubt, "Edge-07_a.b:c");
    bad(config_value_device_id_doubt, "a#b", "not every tool");
}

static void key_fine(const char *text, size_t len) {
    struct secret key = {.data = NULL};
    const char *reason = NULL;
    assert_int_equal(config_value_key(slice_str(text), &key, &reason, NULL), EDGE_OK);
    assert_int_equal(key.len, len);
    secret_clear(&key);
}

static void key_bad(const char *text, const char *part) {
    struct secret key = {.data = NULL};
    const char *reason = NULL;
    assert_int_equal(config_value_key(slice_str(text), &key, &reason, NULL), EDGE_CONFIG);
    assert_null(key.data);
    if (reason == NULL || strstr(reason, part) == NULL) {
        fail_msg("'%s': '%s' does not contain '%s'", text, reason != NULL ? reason : "", part);
    }
}

static void test_key(void **state) {
    (void)state;
    key_fine("a2V5", 3);
    key_fine("a2V5cw==", 4);
    key_fine("a2V5cw", 4);
    key_fine("AA", 1);
    key_fine(X64 "xxxxxxxxxxxxxxxxxxxxxw==", 64);
    key_bad(X64 "xxxxxxxxxxxxxxxxxxxxxxx=", "longer than 64 bytes");
    key_bad("", "empty");
    key_bad("==", "not base64");
    key_bad("a", "not base64");
    key_bad("a2=V5", "not base64");
    key_bad("a2V5 ", "blank");
    key_bad("a2\nV5", "line break");
    key_bad("a2_5", "for URLs");
    key_bad("<ADD DEVICE KEY HERE>", "placeholder");
}

static void test_no_proxy(void **state) {
    (void)state;
    fine(config_value_no_proxy, "");
    fine(config_value_no_proxy, "*");
    fine(config_value_no_proxy, "localhost, .example,10.0.0.0/8,[::1]:80");
    bad(config_value_no_proxy, "a;b", "commas");
    bad(config_value_no_proxy, "http://a", "not URLs");
    bad(config_value_no_proxy, "a|b", "contains a character");
}

static void test_image(void **state) {
    (void)state;
    fine(config_value_image, "agent");
    fine(config_value_image, "registry.example:5000/a/b_c:1.1-linux");
    fine(config_value_image, "[fe80::1]:5000/a@sha256:0123");
    fine(config_value_image, "Registry.example/a/b:1.1-Linux");
    fine(config_value_image, "a:B@sha256:0123");
    bad(config_value_image, "registry.example/Agent:1.1", "capital letters");
    bad(config_value_image, "registry.example/Azure/agent", "capital letters");
    bad(config_value_image, "Agent", "capital letters");
    bad(config_value_image, "", "empty");
    bad(config_value_image, "<IMAGE>", "placeholder");
    bad(config_value_image, "https://registry.example/a", "leave out");
    bad(config_value_image, "a//b", "no name of an image");
    bad(config_value_image, "a/../b", "no name of an image");
    bad(config_value_image, "a/", "no name of an image");
    bad(config_value_image, "-a", "no name of an image");
    bad(config_value_image, "a b", "no name of an image");
}

static void test_addresses(void **state) {
    (void)state;
    fine(config_value_ip_address, "10.0.0.1");
    fine(config_value_ip_address, "2001:db8::1");
    bad(config_value_ip_address, "10.0.0", "no IP address");
    bad(config_value_ip_address, "10.0.0.1/8", "no IP address");
    fine(config_value_ip_range, "10.0.0.0/32");
    fine(config_value_ip_range, "2001:db8::/128");
    bad(config_value_ip_range, "10.0.0.0/33", "no range");
    bad(config_value_ip_range, "2001:db8::/129", "no range");
    bad(config_value_ip_range, "10.0.0.0", "no range");
    bad(config_value_ip_range, "x/8", "no range");
}

static void test_absolute_path(void **state) {
    (void)state;
    fine(config_value_absolute_path, "/var/lib/x");
    bad(config_value_absolute_path, "", "empty");
    bad(config_value_absolute_path, "var", "absolute");
    bad(config_value_absolute_path, "~/x", "absolute");
}

static void test_tcti(void **state) {
    (void)state;
    fine(config_value_tcti, "device:/dev/tpmrm0");
    fine(config_value_tcti, "swtpm:path=/run/x");
    fine(config_value_tcti, "tabrmd");
    bad(config_value_tcti, "", "NAME:CONFIG");
    bad(config_value_tcti, ":x", "NAME:CONFIG");
    bad(config_value_tcti, "/dev/tpmrm0", "NAME:CONFIG");
    bad(config_value_tcti, "swtpm:path=/a b", "blank");
    bad(config_value_tcti, "x\xC3\xA4", "not ASCII");
    bad(config_value_tcti, "device", "which device");
    bad(config_value_tcti, "device:", "which device");
    bad(config_value_tcti, "device:tpm0", "absolute path");
    assert_true(config_value_tcti_is_device(SLICE_LIT("device:/dev/tpm0")));
    assert_false(config_value_tcti_is_device(SLICE_LIT("device:tpm0")));
    assert_false(config_value_tcti_is_device(SLICE_LIT("deviceX:/dev/tpm0")));
    assert_false(config_value_tcti_is_device(SLICE_LIT("mssim:host=x")));
}

static void test_numbers(void **state) {
    static const char *const wrong[] = {"", ",", "1,", ",1", "24", "1 2", "-1", "1,,2", "x"};
    (void)state;
    uint32_t bits = 77;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(wrong); i++) {
        assert_false(config_value_numbers(slice_str(wrong[i]), 23, &bits));
        assert_int_equal(bits, 77);
    }
    assert_true(config_value_numbers(SLICE_LIT("0"), 23, &bits));
    assert_int_equal(bits, 1);
    assert_true(config_value_numbers(SLICE_LIT(" 23 , 0,2,2"), 23, &bits));
    assert_int_equal(bits, 1 << 23 | 1 << 2 | 1);
}

static void test_tls_version(void **state) {
    (void)state;
    static const char *const known[] = {"tls",    "TLS1",   "tls10",  "tls1.0", "tls1_0",
                                        "TLSv10", "tls11",  "tls1.1", "tls1_1", "tlsv11",
                                        "tls12",  "tls1.2", "tls1_2", "Tlsv12"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(known); i++) {
        assert_true(config_value_is_tls_version(slice_str(known[i])));
    }
    assert_false(config_value_is_tls_version(SLICE_LIT("tls13")));
    assert_false(config_value_is_tls_version(SLICE_LIT("tlsv1")));
    assert_false(config_value_is_tls_version(SLICE_LIT("TLS 1.2")));
    assert_false(config_value_is_tls_version(SLICE_LIT("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_placeholder),     cmocka_unit_test(test_hostname),
        cmocka_unit_test(test_registration_id), cmocka_unit_test(test_scope_id),
        cmocka_unit_test(test_image),           cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_absolute_path),   cmocka_unit_test(test_tcti),
        cmocka_unit_test(test_tls_version),     cmocka_unit_test(test_hub_hostname),
        cmocka_unit_test(test_device_id),       cmocka_unit_test(test_key),
        cmocka_unit_test(test_no_proxy),        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
