/* SPDX-License-Identifier: MIT */
#include "pki/names.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 63 and more letters. */
#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void sanitized_as_in_release_1_1(void **state) {
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"$edgeAgent", "edgeagent"},
        {"$edgeHub", "edgehub"},
        {"tempSensor", "tempsensor"},
        {"a", "a"},
        {"1a2", "a2"},
        {"123", ""},
        {"", ""},
        {"$", ""},
        {"---", ""},
        {"my-module", "my-module"},
        {"my_module.v2", "mymodulev2"},
        {"module--", "module"},
        {"-module-1-", "module-1"},
        {"m,DNS:evil", "mdnsevil"},
        {"UPPER Case", "uppercase"},
        {"\xc3\xa4x1", "x1"},
        {"bad\xff", "bad"},
        {A63 "b", A63},
        {"x" A63, "x"
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        char out[NAMES_LABEL_MAX + 1];
        names_sanitize(slice_str(rows[i].in), out);
        assert_string_equal(out, rows[i].out);
    }
}

static void sanitized_text_is_short_and_plain_whatever_comes(void **state) {
    (void)state;
    srand(4);
    for (unsigned round = 0; round < 20000; round++) {
        char in[160], out[NAMES_LABEL_MAX + 1];
        size_t len = (size_t)rand() % sizeof(in);
        for (size_t i = 0; i < len; i++) {
            in[i] = (char)(rand() % 3 == 0 ? rand() % 256 : 32 + rand() % 95);
        }
        names_sanitize(slice_make(in, len), out);
        assert_true(strlen(out) <= NAMES_LABEL_MAX);
        assert_int_equal(strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(out));
        assert_true(out[0] == '\0' || (out[0] >= 'a' && out[0] <= 'z'));
    }
}

static void lowered(void **state) {
    char out[NAMES_COMMON_NAME_MAX + 1];
    (void)state;
    names_lower(SLICE_LIT("My-Host.Example"), out);
    assert_string_equal(out, "my-host.example");
    names_lower(SLICE_LIT(A63 A63), out);
    assert_int_equal(strlen(out), NAMES_COMMON_NAME_MAX);
}

static void host_names(void **state) {
    static const struct {
        const char *text;
        bool is_dns;
    } rows[] = {
        {"gateway", true},
        {"gateway.local", true},
        {"GW-01.factory.example", true},
        {"my_gateway", true},
        {"123", true},
        {"a.b2", true},
        {A63, true},
        {A63 ".x", true},
        {A63 "a", false},
        {"", false},
        {".", false},
        {"a.", false},
        {".a", false},
        {"a..b", false},
        {"-a", false},
        {"a-", false},
        {"*.a", false},
        {"*", false},
        {"a b", false},
        {"a,b", false},
        {"1.2.3", false},
        {"a.1", false},
        {"b\xc3\xbc.de", false},
        {"a\n", false},
        {"http://a", false},
        {"a:443", false},
        {"a@b", false},
        {"DNS:evil.x", false},
        {"$edgeHub", false},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        if (names_is_dns(slice_str(rows[i].text)) != rows[i].is_dns) {
            fail_msg("'%s'", rows[i].text);
        }
    }
    assert_false(names_is_dns(slice_make("a\0b", 3)));
}

static void refuse(struct slice name, const char *part) {
    struct edge_error err;
    assert_int_equal(names_check_common_name(name, &err), EDGE_INVALID);
    assert_non_null(strstr(edge_error_text(&err), part));
}

static void common_names(void **state) {
    (void)state;
    assert_int_equal(names_check_common_name(SLICE_LIT("gateway.local"), NULL), EDGE_OK);
    assert_int_equal(names_check_common_name(SLICE_LIT("10.0.0.5"), NULL), EDGE_OK);
    assert_int_equal(names_check_common_name(SLICE_LIT("2001:db8::5"), NULL), EDGE_OK);
    assert_int_equal(names_check_common_name(SLICE_LIT(A63), NULL), EDGE_OK);
    refuse(SLICE_LIT(""), "empty");
    refuse(SLICE_LIT(" \t\r\n"), "empty");
    refuse(SLICE_LIT(A63 ".b"), "longer than 64");
    refuse(SLICE_LIT("a\nb"), "control");
    refuse(SLICE_LIT("a\177"), "control");
    refuse(slice_make("a\0b", 3), "control");
    refuse(slice_make("\0", 1), "control");
    refuse(SLICE_LIT("a,DNS:b"), "comma");
    refuse(SLICE_LIT("my host"), "neither");
    refuse(SLICE_LIT("*.a"), "neither");
}

static void ids(void **state) {
    struct edge_error err;
    (void)state;
    assert_int_equal(names_check_id(SLICE_LIT("$edgeAgent"), 64, "the module id", &err), EDGE_OK);
    assert_int_equal(names_check_id(SLICE_LIT("a-:.+%_#*?!(),=@$'"), 64, "x", &err), EDGE_OK);
    assert_int_equal(names_check_id(SLICE_LIT(""), 64, "the module id", &err), EDGE_INVALID);
    assert_non_null(strstr(edge_error_text(&err), "the module id is empty"));
    assert_int_equal(names_check_id(SLICE_LIT("abc"), 2, "x", &err), EDGE_INVALID);
    assert_int_equal(names_check_id(SLICE_LIT("a b"), 64, "x", &err), EDGE_INVALID);
    assert_int_equal(names_check_id(SLICE_LIT("a/b"), 64, "x", &err), EDGE_INVALID);
    assert_int_equal(names_check_id(SLICE_LIT("a\xc3\xbc"), 64, "x", &err), EDGE_INVALID);
    assert_int_equal(names_check_id(SLICE_LIT("a\n"), 64, "x", &err), EDGE_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sanitized_as_in_release_1_1),
        cmocka_unit_test(sanitized_text_is_short_and_plain_whatever_comes),
        cmocka_unit_test(lowered),
        cmocka_unit_test(host_names),
        cmocka_unit_test(common_names),
        cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
