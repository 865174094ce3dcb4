/* SPDX-License-Identifier: MIT */
#include "http/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct http_head *ret) {
    const char *reason = NULL;
    int status = http_head_parse((const uint8_t *)text, strlen(text), ret, &reason);
    assert_true((status == 0) == (reason == NULL));
    return status;
}

static void test_takes_out_what_is_needed(void **state) {
    (void)state;
    struct http_head h;
    assert_int_equal(parse("PUT /a/b?c=d HTTP/1.1\r\nhOST: x\r\nContent-type:  text/plain; x \r\n"
                           "Content-Length: 007\r\nExpect: 100-continue\r\n\r\n",
                           &h),
                     0);
    assert_true(slice_eq_str(h.method, "PUT"));
    assert_true(slice_eq_str(h.target, "/a/b?c=d"));
    assert_true(slice_eq_str(h.content_type, "text/plain; x"));
    assert_int_equal(h.framing, HTTP_FRAMING_LENGTH);
    assert_int_equal(h.content_length, 7);
    assert_true(h.expect_continue && h.keep_alive && !h.http_1_0);

    assert_int_equal(parse("GET http://h/x HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &h), 0);
    assert_true(slice_eq_str(h.target, "/x"));
    assert_int_equal(h.framing, HTTP_FRAMING_NONE);
    assert_true(!h.expect_continue && !h.keep_alive && h.http_1_0);
    assert_int_equal(h.content_type.len, 0);

    assert_int_equal(parse("GET HTTP://h:1/ HTTP/1.1\r\nTransfer-Encoding:\tchunked\r\n\r\n", &h),
                     0);
    assert_int_equal(h.framing, HTTP_FRAMING_CHUNKED);
    assert_int_equal(parse("GET /x HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n", &h),
                     0);
    assert_true(h.content_length == INT64_MAX);
    assert_int_equal(parse("GET /x HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", &h),
                     400);
}

static void test_connection_options(void **state) {
    (void)state;
    static const struct {
        const char *head;
        bool keep_alive;
    } table[] = {
        {"GET / HTTP/1.1\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: upgrade,close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: ,, ,\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        struct http_head h;
        assert_int_equal(parse(table[i].head, &h), 0);
        assert_int_equal(h.keep_alive, table[i].keep_alive);
    }
}

/* Every byte value in every part of a head: accepted exactly where the grammar has it. */
static void test_every_byte(void **state) {
    (void)state;
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (unsigned byte = 0; byte < 256; byte++) {
        char method[] = "G? / HTTP/1.1\r\n\r\n";
        char target[] = "GET /? HTTP/1.1\r\n\r\n";
        char name[] = "GET / HTTP/1.1\r\nA?: b\r\n\r\n";
        char value[] = "GET / HTTP/1.1\r\nA: 123456?890123456\r\n\r\n";
        char end[] = "GET / HTTP/1.1\r\nA: 12345678?\r\n\r\n";
        const char *reason;
        struct http_head h;
        bool token = byte != 0 && strchr(tokens, (int)byte) != NULL;
        bool in_value = byte == '\t' || (byte >= ' ' && byte != 127);
        method[1] = target[5] = name[17] = value[25] = end[27] = (char)byte;
        assert_int_equal(http_head_is_token_byte((uint8_t)byte), token);
        assert_int_equal(http_head_is_value_byte((uint8_t)byte), in_value);
        assert_int_equal(http_head_parse((uint8_t *)method, sizeof(method) - 1, &h, &reason) == 0,
                         token);
        assert_int_equal(http_head_parse((uint8_t *)target, sizeof(target) - 1, &h, &reason) == 0,
                         byte > ' ' && byte < 127 && byte != '#');
        assert_int_equal(http_head_parse((uint8_t *)name, sizeof(name) - 1, &h, &reason) == 0,
                         token || byte == ':');
        assert_int_equal(http_head_parse((uint8_t *)value, sizeof(value) - 1, &h, &reason) == 0,
                         in_value);
        assert_int_equal(http_head_parse((uint8_t *)end, sizeof(end) - 1, &h, &reason) == 0,
                         in_value);
    }
}

static void test_finds_the_end(void **state) {
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
    const uint8_t *bytes = (const uint8_t *)head;
    const size_t want = sizeof(head) - 1 - 4;
    size_t len = 0;
    for (size_t have = 0; have < want; have++) {
        assert_int_equal(http_head_find_end(bytes, have, 0, &len), HTTP_HEAD_MORE);
        assert_int_equal(len, 0);
        assert_int_equal(http_head_find_end(bytes, sizeof(head) - 1, have, &len), HTTP_HEAD_FOUND);
        assert_int_equal(len, want);
        len = 0;
    }
    assert_int_equal(http_head_find_end((const uint8_t *)"\n", 1, 0, &len), HTTP_HEAD_BARE_LF);
    assert_int_equal(http_head_find_end((const uint8_t *)"a\r\nb\n", 5, 0, &len),
                     HTTP_HEAD_BARE_LF);
    assert_int_equal(http_head_find_end((const uint8_t *)"\r\n", 2, 0, &len), HTTP_HEAD_MORE);
}

static void test_size_limits(void **state) {
    (void)state;
    static const char start[] = "GET / HTTP/1.1\r\nA: ";
    uint8_t *bytes = malloc(HTTP_HEAD_MAX + 1);
    struct http_head h;
    const char *reason;
    size_t len;
    assert_non_null(bytes);
    memset(bytes, 'a', HTTP_HEAD_MAX + 1);
    memcpy(bytes, start, sizeof(start) - 1);
    assert_int_equal(http_head_find_end(bytes, HTTP_HEAD_MAX - 1, 0, &len), HTTP_HEAD_MORE);
    assert_int_equal(http_head_find_end(bytes, HTTP_HEAD_MAX, 0, &len), HTTP_HEAD_TOO_LARGE);
    memcpy(bytes + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(http_head_find_end(bytes, HTTP_HEAD_MAX, 0, &len), HTTP_HEAD_FOUND);
    assert_int_equal(http_head_parse(bytes, len, &h, &reason), 0);
    memcpy(bytes + HTTP_HEAD_MAX - 4, "a\r\n\r\n", 5);
    assert_int_equal(http_head_find_end(bytes, HTTP_HEAD_MAX + 1, 0, &len), HTTP_HEAD_TOO_LARGE);
    assert_int_equal(http_head_parse(bytes, HTTP_HEAD_MAX + 1, &h, &reason), 431);
    free(bytes);
}

/* The caller cuts at the end that was found; anything else is refused, not misread. */
static void test_wrong_cuts(void **state) {
    (void)state;
    struct http_head h;
    assert_int_equal(parse("", &h), 400);
    assert_int_equal(parse("GET / HTTP/1.1", &h), 400);
    assert_int_equal(parse("GET / HTTP/1.1\n", &h), 400);
    assert_int_equal(parse("GET / HTTP/1.1\r\n", &h), 400);
    assert_int_equal(parse("GET / HTTP/1.1\r\nA: b", &h), 400);
    assert_int_equal(parse("GET / HTTP/1.1\r\nA: b\n\n", &h), 400);
    assert_int_equal(parse("GET / HTTP/1.1\r\n\r\nx", &h), 400);
    assert_int_equal(parse("GET / HTTP/1.1\r\n\r\n\r\n", &h), 400);
    assert_int_equal(parse("\r\n\r\n", &h), 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_out_what_is_needed),
        cmocka_unit_test(test_connection_options),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_finds_the_end),
        cmocka_unit_test(test_size_limits),
        cmocka_unit_test(test_wrong_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
