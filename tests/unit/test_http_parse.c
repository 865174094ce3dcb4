/* SPDX-License-Identifier: MIT */
#include "http/http_parse.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Reads a body in pieces of `step` bytes; returns the verdict and what was left of the input. */
static enum http_parse_result read_body(enum http_framing framing, uint64_t length,
                                        struct slice all, size_t step, struct buf *body,
                                        size_t *ret_left) {
    struct http_parse p;
    struct slice data;
    enum http_parse_result result = HTTP_PARSE_MORE;
    size_t pos = 0;
    http_parse_begin(&p, framing, length);
    while (result == HTTP_PARSE_MORE && pos <= all.len) {
        size_t len = step < all.len - pos ? step : all.len - pos;
        struct slice input = slice_make(all.ptr + pos, len);
        do {
            result = http_parse_next(&p, &input, &data);
            if (result == HTTP_PARSE_DATA) {
                assert_true(data.len > 0);
                assert_int_equal(buf_append_slice(body, data, NULL), EDGE_OK);
            }
        } while (result == HTTP_PARSE_DATA);
        assert_true(result != HTTP_PARSE_MORE || input.len == 0);
        pos += len;
        *ret_left = all.len - pos + input.len;
        if (len == 0) {
            break;
        }
    }
    return result;
}

static void check(enum http_framing framing, uint64_t length, struct slice all,
                  enum http_parse_result want, const char *want_body, size_t want_left) {
    for (size_t step = 1; step <= all.len + 1; step++) {
        struct buf body;
        size_t left = 0;
        buf_init(&body, 1024 * 1024);
        assert_int_equal(read_body(framing, length, all, step, &body, &left), want);
        if (want_body != NULL) {
            assert_true(slice_eq_str(buf_slice(&body), want_body));
            assert_int_equal(left, want_left);
        }
        buf_clear(&body);
    }
}

static void test_counted_bodies(void **state) {
    (void)state;
    check(HTTP_FRAMING_NONE, 0, SLICE_LIT("next"), HTTP_PARSE_DONE, "", 4);
    check(HTTP_FRAMING_LENGTH, 0, SLICE_LIT("next"), HTTP_PARSE_DONE, "", 4);
    check(HTTP_FRAMING_LENGTH, 3, SLICE_LIT("abcnext"), HTTP_PARSE_DONE, "abc", 4);
    check(HTTP_FRAMING_LENGTH, 9, SLICE_LIT("abc"), HTTP_PARSE_MORE, "abc", 0);
    check(HTTP_FRAMING_LENGTH, UINT64_MAX, SLICE_LIT("abc"), HTTP_PARSE_MORE, "abc", 0);
}

static void test_chunked_bodies(void **state) {
    (void)state;
    check(HTTP_FRAMING_CHUNKED, 0, SLICE_LIT("0\r\n\r\nnext"), HTTP_PARSE_DONE, "", 4);
    check(HTTP_FRAMING_CHUNKED, 0,
          SLICE_LIT("3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\nnext"), HTTP_PARSE_DONE,
          "abc0123456789", 4);
    check(HTTP_FRAMING_CHUNKED, 0, SLICE_LIT("2\r\n\r\n\r\n0\r\n\r\n"), HTTP_PARSE_DONE, "\r\n", 0);
    check(HTTP_FRAMING_CHUNKED, 0, SLICE_LIT("fFfFfFfF\r\nabc"), HTTP_PARSE_MORE, "abc", 0);
    check(HTTP_FRAMING_CHUNKED, 0, SLICE_LIT("3\r\nabc\r\n0\r\nT: v\r\n"), HTTP_PARSE_MORE, "abc",
          0);
}

static void test_malformed_chunks(void **state) {
    (void)state;
    static const char *const table[] = {
        "\r\n",
        "g\r\n",
        "3 \r\nabc",
        "3\t\r\nabc",
        " 3\r\nabc",
        "3\nabc",
        "3\r\rabc",
        "3\r\nabcd",
        "3\r\nabc\n",
        "3\r\nabc\r0",
        "3;\x01\r\nabc",
        "3;\n\r\nabc",
        "ffffffffffffffff0\r\n",
        "fffffffffffffffff\r\n",
        "0\r\n: v\r\n",
        "0\r\nT\r\n\r\n",
        "0\r\n T: v\r\n",
        "0\r\nT : v\r\n",
        "0\r\nT: \x7f\r\n",
        "0\r\nT: v\n",
        "0\r\n\rX",
        "0\r\nT: v\rX",
        "0x1\r\na",
        "+1\r\na",
        "1\r\na\r\n\r\n",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        check(HTTP_FRAMING_CHUNKED, 0, slice_str(table[i]), HTTP_PARSE_BAD, NULL, 0);
    }
}

static void test_failure_is_final(void **state) {
    (void)state;
    struct http_parse p;
    struct slice data, bad = SLICE_LIT("x"), good = SLICE_LIT("0\r\n\r\n");
    http_parse_begin(&p, HTTP_FRAMING_CHUNKED, 0);
    assert_int_equal(http_parse_next(&p, &bad, &data), HTTP_PARSE_BAD);
    assert_int_equal(http_parse_next(&p, &good, &data), HTTP_PARSE_BAD);
    http_parse_begin(&p, HTTP_FRAMING_CHUNKED, 0);
    assert_int_equal(http_parse_next(&p, &good, &data), HTTP_PARSE_DONE);
}

static void test_limits(void **state) {
    (void)state;
    struct buf text, body;
    size_t left;
    buf_init(&text, 16384);
    buf_init(&body, 16);
    /* A size line and the trailers, each at its limit and one byte above. */
    for (size_t above = 0; above < 2; above++) {
        buf_reset(&text);
        assert_int_equal(buf_append_str(&text, "0;", NULL), EDGE_OK);
        for (size_t i = 2; i < HTTP_CHUNK_LINE_MAX - 2 + above; i++) {
            assert_int_equal(buf_append_byte(&text, 'x', NULL), EDGE_OK);
        }
        assert_int_equal(buf_append_str(&text, "\r\n\r\n", NULL), EDGE_OK);
        assert_int_equal(read_body(HTTP_FRAMING_CHUNKED, 0, buf_slice(&text), 1000, &body, &left),
                         above ? HTTP_PARSE_BAD : HTTP_PARSE_DONE);
        buf_reset(&text);
        assert_int_equal(buf_append_str(&text, "0\r\nT:", NULL), EDGE_OK);
        for (size_t i = 2; i < HTTP_TRAILERS_MAX - 4 + above; i++) {
            assert_int_equal(buf_append_byte(&text, 'x', NULL), EDGE_OK);
        }
        assert_int_equal(buf_append_str(&text, "\r\n\r\n", NULL), EDGE_OK);
        assert_int_equal(read_body(HTTP_FRAMING_CHUNKED, 0, buf_slice(&text), 1000, &body, &left),
                         above ? HTTP_PARSE_BAD : HTTP_PARSE_DONE);
    }
    buf_clear(&text);
    buf_clear(&body);
}

static void test_library_is_known(void **state) {
    (void)state;
    const char *name = http_parse_library();
    assert_true(strcmp(name, "http-parser") == 0 || strcmp(name, "llhttp") == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted_bodies),   cmocka_unit_test(test_chunked_bodies),
        cmocka_unit_test(test_malformed_chunks), cmocka_unit_test(test_failure_is_final),
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_library_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
