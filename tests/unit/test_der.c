/* SPDX-License-Identifier: MIT */
#include "base/der.h"

#include "support/alloc_fail.h"

#include <openssl/asn1.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct der *w, const void *bytes, size_t len) {
    struct slice s = der_result(w);
    assert_int_equal(s.len, len);
    assert_memory_equal(s.ptr, bytes, len);
}

static void numbers(void **state) {
    uint8_t room[64];
    struct der w;
    (void)state;
    der_init(&w, room, sizeof(room));
    der_uint(&w, (const uint8_t *)"\x80\x01", 2);
    der_uint(&w, (const uint8_t *)"\x00\x00\x7f", 3);
    der_uint(&w, (const uint8_t *)"\x00\x00", 2);
    der_uint(&w, NULL, 0);
    der_small(&w, 2);
    der_bool_true(&w);
    expect(&w, "\x01\x01\xff\x02\x01\x02\x02\x01\x00\x02\x01\x00\x02\x01\x7f\x02\x03\x00\x80\x01",
           20);
}

static void lengths(void **state) {
    static const struct {
        size_t len;
        const char *head;
        size_t head_len;
    } rows[] = {
        {0, "\x30\x00", 2},
        {127, "\x30\x7f", 2},
        {128, "\x30\x81\x80", 3},
        {255, "\x30\x81\xff", 3},
        {256, "\x30\x82\x01\x00", 4},
        {65535, "\x30\x82\xff\xff", 4},
        {65536, "\x30\x83\x01\x00\x00", 5},
    };
    uint8_t *room = calloc(1, 70000);
    uint8_t *zero = calloc(1, 70000);
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct der w;
        der_init(&w, room, 70000);
        der_element(&w, DER_SEQUENCE, zero, rows[i].len);
        struct slice s = der_result(&w);
        assert_int_equal(s.len, rows[i].head_len + rows[i].len);
        assert_int_equal(der_element_len(rows[i].len), s.len);
        assert_memory_equal(s.ptr, rows[i].head, rows[i].head_len);
        struct slice content;
        assert_true(der_take(&s, DER_SEQUENCE, &content));
        assert_int_equal(content.len, rows[i].len);
        assert_int_equal(s.len, 0);
    }
    free(room);
    free(zero);
}

static void bits(void **state) {
    uint8_t room[16];
    struct der w;
    (void)state;
    der_init(&w, room, sizeof(room));
    size_t mark = der_mark(&w);
    der_raw(&w, "ab", 2);
    der_wrap_bits(&w, mark);
    expect(&w,
           "\x03\x03\x00"
           "ab",
           5);
}

static void times_are_those_of_openssl(void **state) {
    static const int64_t rows[] = {0,          1700000000, 2524607999, 2524608000,
                                   4102444800, -631152000, -631152001};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        uint8_t room[32];
        unsigned char *der = NULL;
        struct der w;
        ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)rows[i]);
        int len = i2d_ASN1_TIME(t, &der);
        der_init(&w, room, sizeof(room));
        der_time(&w, rows[i]);
        expect(&w, der, (size_t)len);
        OPENSSL_free(der);
        ASN1_TIME_free(t);
    }
}

static void what_does_not_fit_is_told(void **state) {
    uint8_t room[40];
    (void)state;
    for (size_t cap = 0; cap <= 34; cap++) {
        struct der w;
        memset(room, 0xee, sizeof(room));
        der_init(&w, room, cap);
        size_t mark = der_mark(&w);
        der_raw(&w, "0123456789abcdef0123456789abcdef", 32);
        der_wrap(&w, mark, DER_OCTET_STRING);
        assert_int_equal(der_result(&w).len, cap < 34 ? 0 : 34);
        assert_int_equal(room[cap], 0xee);
    }
}

static void refuse(const char *bytes, size_t len) {
    struct slice in = slice_make(bytes, len);
    struct slice content = SLICE_LIT("untouched");
    uint8_t tag = 0x77;
    assert_false(der_next(&in, &tag, &content));
    assert_int_equal(in.len, len);
    assert_int_equal(tag, 0x77);
    assert_true(slice_eq_str(content, "untouched"));
}

static void elements_are_read_strictly(void **state) {
    (void)state;
    refuse("", 0);
    refuse("\x30", 1);
    refuse("\x30\x01", 2);
    refuse("\x30\x80\x00\x00", 4);                 /* indefinite */
    refuse("\x30\x81\x05\x00\x00\x00\x00\x00", 8); /* not minimal */
    refuse("\x30\x82\x00\x80", 4);
    refuse("\x30\x85\x01\x01\x01\x01\x01", 7);
    refuse("\x30\x84\xff\xff\xff\xff", 6);
    refuse("\x1f\x01\x00", 3); /* long tags */

    struct slice in = slice_make("\x02\x01\x05\x04\x02xy", 7);
    struct slice content;
    uint8_t tag;
    assert_false(der_take(&in, DER_OCTET_STRING, &content));
    assert_true(der_take(&in, DER_INTEGER, NULL));
    assert_true(der_next(&in, &tag, &content));
    assert_int_equal(tag, DER_OCTET_STRING);
    assert_true(slice_eq_str(content, "xy"));
    assert_int_equal(in.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(lengths),
        cmocka_unit_test(bits),
        cmocka_unit_test(times_are_those_of_openssl),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(elements_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
