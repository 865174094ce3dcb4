/* SPDX-License-Identifier: MIT */
#include "base/b64.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX 4096

typedef enum edge_code (*encoder)(const void *, size_t, struct buf *, struct edge_error *);
typedef enum edge_code (*decoder)(struct slice, struct buf *, struct edge_error *);

static void check_encode(encoder fn, const void *data, size_t len, const char *want) {
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(buf_append_str(&out, ">", NULL), EDGE_OK);
    assert_int_equal(fn(data, len, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out) + 1, want);
    buf_clear(&out);
}

static void check_decode(decoder fn, const char *text, const char *want) {
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(buf_append_str(&out, ">", NULL), EDGE_OK);
    assert_int_equal(fn(slice_str(text), &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out) + 1, want);
    buf_clear(&out);
}

static void check_refused(decoder fn, struct slice text) {
    struct edge_error err = {0};
    struct buf out;
    buf_init(&out, OUT_MAX);
    assert_int_equal(buf_append_str(&out, ">", NULL), EDGE_OK);
    assert_int_equal(fn(text, &out, &err), EDGE_PARSE);
    assert_int_equal(err.code, EDGE_PARSE);
    assert_int_equal(out.len, 1);
    buf_clear(&out);
}

static void test_rfc4648_vectors(void **state) {
    (void)state;
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const b64[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                      "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    static const char *const b32[] = {"",        "my",       "mzxq",      "mzxw6",
                                      "mzxw6yq", "mzxw6ytb", "mzxw6ytboi"};
    static const char *const hex[] = {"",         "66",         "666f",        "666f6f",
                                      "666f6f62", "666f6f6261", "666f6f626172"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(plain); i++) {
        check_encode(b64_encode, plain[i], strlen(plain[i]), b64[i]);
        check_encode(base32_encode, plain[i], strlen(plain[i]), b32[i]);
        check_encode(hex_encode, plain[i], strlen(plain[i]), hex[i]);
        check_decode(b64_decode, b64[i], plain[i]);
        check_decode(hex_decode, hex[i], plain[i]);
    }
}

static void test_alphabets(void **state) {
    (void)state;
    static const uint8_t all[] = {0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92, 0x8b, 0x30,
                                  0xd3, 0x8f, 0x41, 0x14, 0x93, 0x51, 0x55, 0x97, 0x61, 0x96,
                                  0x9b, 0x71, 0xd7, 0x9f, 0x82, 0x18, 0xa3, 0x92, 0x59, 0xa7,
                                  0xa2, 0x9a, 0xab, 0xb2, 0xdb, 0xaf, 0xc3, 0x1c, 0xb3, 0xd3,
                                  0x5d, 0xb7, 0xe3, 0x9e, 0xbb, 0xf3, 0xdf, 0xbf};
    check_encode(b64_encode, all, sizeof(all),
                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    check_encode(b64_encode_url, all, sizeof(all),
                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    check_encode(b64_encode_url, "\xff", 1, "_w==");
}

/* Every byte value in every place is either of the alphabet or refused. */
static void test_every_byte(void **state) {
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 4; at++) {
            char text[4] = {'A', 'A', 'A', 'A'};
            text[at] = (char)c;
            bool is_digit = c != 0 && strchr(alphabet, (int)c) != NULL;
            bool is_padding = c == '=' && at == 3;
            if (!is_digit && !is_padding) {
                check_refused(b64_decode, slice_make(text, sizeof(text)));
            }
        }
        bool is_hex = c != 0 && strchr("0123456789abcdefABCDEF", (int)c) != NULL;
        const char pair[] = {'0', (char)c};
        const char reverse[] = {(char)c, '0'};
        if (!is_hex) {
            check_refused(hex_decode, slice_make(pair, 2));
            check_refused(hex_decode, slice_make(reverse, 2));
        }
    }
}

static void test_lenient_padding(void **state) {
    (void)state;
    check_decode(b64_decode, "Zg", "f");
    check_decode(b64_decode, "Zg=", "f");
    check_decode(b64_decode, "Zh==", "f");
    check_decode(b64_decode, "Zm8", "fo");
    check_decode(b64_decode, "Zm9=", "fo");
    check_decode(hex_decode, "6F6f", "oo");
}

static void test_malformed(void **state) {
    (void)state;
    static const char *const bad[] = {"Z",     "=",     "==",       "Z=",       "Z===", "Zm9vY",
                                      "Zm9v=", "Zm8==", "Zg==Zg==", "Zm=v",     "Z m9", "Zm9v\n",
                                      "Zg===", "Zm9_",  "Zm9-",     "Zm9vYg=a", "===="};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        check_refused(b64_decode, slice_str(bad[i]));
    }
    check_refused(b64_decode, slice_make("Zm\0v", 4));
    check_refused(hex_decode, slice_str("abc"));
    check_refused(hex_decode, slice_str("0x"));
}

static void test_round_trip(void **state) {
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 167 + 13);
    }
    for (size_t len = 0; len <= sizeof(data); len++) {
        struct buf text;
        struct buf back;
        buf_init(&text, OUT_MAX);
        buf_init(&back, OUT_MAX);
        assert_int_equal(b64_encode(data, len, &text, NULL), EDGE_OK);
        assert_int_equal(text.len, B64_LEN(len));
        assert_int_equal(b64_decode(buf_slice(&text), &back, NULL), EDGE_OK);
        assert_true(slice_eq(buf_slice(&back), slice_make(data, len)));
        buf_reset(&text);
        buf_reset(&back);
        assert_int_equal(hex_encode(data, len, &text, NULL), EDGE_OK);
        assert_int_equal(hex_decode(buf_slice(&text), &back, NULL), EDGE_OK);
        assert_true(slice_eq(buf_slice(&back), slice_make(data, len)));
        buf_clear(&text);
        buf_clear(&back);
    }
}

/* The default registration id of a TPM is the base32 of a SHA-256: 52 characters. */
static void test_base32_of_digest(void **state) {
    (void)state;
    uint8_t digest[32];
    memset(digest, 0xff, sizeof(digest));
    check_encode(base32_encode, digest, sizeof(digest),
                 "777777777777777777777777777777777777777777777777777q");
}

static void test_limits(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 4);
    assert_int_equal(b64_encode("abcd", 4, &out, NULL), EDGE_RANGE);
    assert_int_equal(hex_encode("abc", 3, &out, NULL), EDGE_RANGE);
    assert_int_equal(base32_encode("abc", 3, &out, NULL), EDGE_RANGE);
    assert_int_equal(b64_decode(slice_str("Zm9vYmFy"), &out, NULL), EDGE_RANGE);
    assert_int_equal(hex_decode(slice_str("0011223344"), &out, NULL), EDGE_RANGE);
    assert_int_equal(b64_encode("", SIZE_MAX, &out, NULL), EDGE_RANGE);
    assert_int_equal(hex_encode("", SIZE_MAX, &out, NULL), EDGE_RANGE);
    assert_int_equal(base32_encode("", SIZE_MAX, &out, NULL), EDGE_RANGE);
    assert_int_equal(out.len, 0);
    assert_int_equal(b64_encode("abc", 3, &out, NULL), EDGE_OK);
    buf_clear(&out);
}

static void test_secret(void **state) {
    (void)state;
    struct secret s SECRET_CLEANUP = {0};
    assert_int_equal(b64_decode_secret(slice_str("Zm9vYg=="), 3, &s, NULL), EDGE_RANGE);
    assert_int_equal(b64_decode_secret(slice_str("Zm9v*g=="), 4, &s, NULL), EDGE_PARSE);
    assert_int_equal(b64_decode_secret(slice_str("Zm9vY"), 4, &s, NULL), EDGE_PARSE);
    assert_null(s.data);
    assert_int_equal(b64_decode_secret(slice_str(""), 4, &s, NULL), EDGE_OK);
    assert_int_equal(s.len, 0);
    assert_int_equal(b64_decode_secret(slice_str("Zm9vYg=="), 4, &s, NULL), EDGE_OK);
    assert_true(secret_equal_bytes(&s, "foob", 4));
}

static enum edge_code every_call(void *data) {
    (void)data;
    struct edge_error err = {0};
    struct buf text;
    struct buf back;
    struct secret s SECRET_CLEANUP = {0};
    buf_init(&text, OUT_MAX);
    buf_init_sensitive(&back, OUT_MAX);
    enum edge_code code = b64_encode("some bytes", 10, &text, &err);
    if (code == EDGE_OK) {
        code = b64_decode(buf_slice(&text), &back, &err);
    }
    if (code == EDGE_OK) {
        code = b64_decode_secret(buf_slice(&text), 16, &s, &err);
    }
    assert_true(code == EDGE_OK || (code == EDGE_NOMEM && err.code == EDGE_NOMEM));
    buf_clear(&text);
    buf_clear(&back);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_torture(every_call, NULL), 3);
}

/* Blocks and what is left of them give what one character at a time gives. */
static void test_long_texts(void **state) {
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t data[300];
    uint32_t random = 1;
    for (size_t len = 0; len <= sizeof(data); len++) {
        struct buf text, back;
        buf_init(&text, 512);
        buf_init(&back, 512);
        for (size_t i = 0; i < len; i++) {
            random = random * 1664525u + 1013904223u;
            data[i] = (uint8_t)(random >> 24);
        }
        assert_int_equal(b64_encode(data, len, &text, NULL), EDGE_OK);
        assert_int_equal(text.len, B64_LEN(len));
        for (size_t i = 0; i < len * 8 / 6; i++) {
            unsigned pair = (unsigned)data[i * 6 / 8] << 8;
            pair |= i * 6 / 8 + 1 < len ? data[i * 6 / 8 + 1] : 0u;
            assert_int_equal(text.data[i], alphabet[pair >> (10 - i * 6 % 8) & 63]);
        }
        assert_int_equal(b64_decode(buf_slice(&text), &back, NULL), EDGE_OK);
        assert_true(slice_eq(buf_slice(&back), slice_make(data, len)));
        buf_reset(&text);
        assert_int_equal(b64_encode_url(data, len, &text, NULL), EDGE_OK);
        for (size_t i = 0; i < text.len; i++) {
            assert_null(memchr("+/", text.data[i], 2));
        }
        buf_clear(&text);
        buf_clear(&back);
    }
}

/* A foreign character anywhere, whichever it is. */
static void test_foreign_characters_in_blocks(void **state) {
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[132];
    struct buf out;
    buf_init(&out, 128);
    for (size_t at = 0; at < sizeof(text); at++) {
        for (int c = 0; c < 256; c++) {
            memset(text, 'A', sizeof(text));
            text[at] = (char)c;
            buf_reset(&out);
            bool is_good =
                (c != 0 && strchr(alphabet, c) != NULL) || (c == '=' && at == sizeof(text) - 1);
            assert_int_equal(b64_decode(slice_make(text, sizeof(text)), &out, NULL) == EDGE_OK,
                             is_good);
        }
    }
    buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_foreign_characters_in_blocks),
        cmocka_unit_test(test_rfc4648_vectors),
        cmocka_unit_test(test_alphabets),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_lenient_padding),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_base32_of_digest),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
