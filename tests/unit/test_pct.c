/* SPDX-License-Identifier: MIT */
#include "base/pct.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX 4096

static void check_encode(const char *text, enum pct_set keep, const char *want) {
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(buf_append_str(&out, ">", NULL), EDGE_OK);
    assert_int_equal(pct_encode(slice_str(text), keep, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out) + 1, want);
    buf_clear(&out);
}

static void check_decode(struct slice text, bool plus, struct slice want) {
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(pct_decode(text, plus, &out, NULL), EDGE_OK);
    assert_true(slice_eq(buf_slice(&out), want));
    buf_clear(&out);
}

/* What tokens of real devices contain. */
static void test_known_values(void **state) {
    (void)state;
    check_encode("0ne00000000/registrations/dev-01", PCT_SEGMENT,
                 "0ne00000000%2Fregistrations%2Fdev-01");
    check_encode("hub.example.net/devices/d1/modules/$edgeAgent", PCT_SEGMENT,
                 "hub.example.net%2Fdevices%2Fd1%2Fmodules%2F$edgeAgent");
    check_encode("fzICP13iutSeze/f8l10Neowz8UznAa71iSx1PkV6B8=", PCT_UNRESERVED,
                 "fzICP13iutSeze%2Ff8l10Neowz8UznAa71iSx1PkV6B8%3D");
    check_encode("", PCT_SEGMENT, "");
    check_encode("\xC3\xA4 \xE2\x82\xAC", PCT_SEGMENT, "%C3%A4%20%E2%82%AC");
}

static void test_sets(void **state) {
    (void)state;
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (unsigned c = 0; c < 256; c++) {
        char text[1] = {(char)c};
        struct slice s = slice_make(text, 1);
        struct buf out;
        buf_init(&out, OUT_MAX);
        bool plain = c != 0 && strchr(unreserved, (int)c) != NULL;
        bool segment = plain || (c != 0 && strchr("!$&'()*+,;:@", (int)c));
        assert_int_equal(pct_encode(s, PCT_UNRESERVED, &out, NULL), EDGE_OK);
        assert_int_equal(out.len, plain ? 1 : 3);
        buf_reset(&out);
        assert_int_equal(pct_encode(s, PCT_SEGMENT, &out, NULL), EDGE_OK);
        assert_int_equal(out.len, segment ? 1 : 3);
        check_decode(buf_slice(&out), false, s);
        buf_clear(&out);
    }
}

static void test_decode(void **state) {
    (void)state;
    check_decode(SLICE_LIT("a%2fb%2Fc"), false, SLICE_LIT("a/b/c"));
    check_decode(SLICE_LIT("%2525"), false, SLICE_LIT("%25"));
    check_decode(SLICE_LIT("a+b%2B"), true, SLICE_LIT("a b+"));
    check_decode(SLICE_LIT("a+b"), false, SLICE_LIT("a+b"));
    check_decode(SLICE_LIT("%00"), false, slice_make("\0", 1));
    check_decode(slice_make(NULL, 0), false, SLICE_LIT(""));
}

static void test_malformed(void **state) {
    (void)state;
    static const char *const bad[] = {"%", "%2", "%g0", "%0g", "a%", "ab%f", "%%20", "% 1", "%-1"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        struct edge_error err = {0};
        struct buf out;
        buf_init(&out, OUT_MAX);
        assert_int_equal(buf_append_str(&out, "kept", NULL), EDGE_OK);
        assert_int_equal(pct_decode(slice_str(bad[i]), false, &out, &err), EDGE_PARSE);
        assert_int_equal(err.code, EDGE_PARSE);
        assert_string_equal(buf_cstr(&out), "kept");
        buf_clear(&out);
    }
}

static void test_limits(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 4);
    assert_int_equal(pct_encode(SLICE_LIT("//"), PCT_SEGMENT, &out, NULL), EDGE_RANGE);
    assert_int_equal(pct_decode(SLICE_LIT("abcde"), false, &out, NULL), EDGE_RANGE);
    assert_int_equal(out.len, 0);
    assert_int_equal(pct_encode(SLICE_LIT("/a"), PCT_SEGMENT, &out, NULL), EDGE_OK);
    buf_clear(&out);
}

static enum edge_code both_ways(void *data) {
    (void)data;
    struct buf text;
    struct buf back;
    buf_init(&text, OUT_MAX);
    buf_init(&back, OUT_MAX);
    enum edge_code code = pct_encode(SLICE_LIT("a/b"), PCT_SEGMENT, &text, NULL);
    if (code == EDGE_OK) {
        code = pct_decode(buf_slice(&text), false, &back, NULL);
    }
    buf_clear(&text);
    buf_clear(&back);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_torture(both_ways, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values), cmocka_unit_test(test_sets),
        cmocka_unit_test(test_decode),       cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
