/* SPDX-License-Identifier: MIT */
#include "runtime/docker_sieve.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static const struct docker_sieve_rule some = {.object = "Labels", .keep = "net.edge."};
static const struct docker_sieve_rule none = {.object = "Labels"};
static const char *const names[] = {"A", "Bb", NULL};
static const struct docker_sieve_rule emptied = {.object = "Labels", .keep = "a", .emptied = names};
static const struct docker_sieve_rule exact = {.object = "Labels", .keep = "net.edge\""};
static const struct docker_sieve_rule little = {
    .object = "Labels", .keep = "x", .room = 20, .always = "xx"};

/* In pieces of that size. */
static void check(const struct docker_sieve_rule *rule, const char *in, const char *want,
                  size_t piece) {
    struct docker_sieve s;
    struct buf out EDGE_CLEANUP(buf_clear);
    buf_init(&out, 4096);
    docker_sieve_init(&s, rule);
    for (size_t at = 0; at < strlen(in); at += piece) {
        size_t len = strlen(in) - at < piece ? strlen(in) - at : piece;
        assert_int_equal(docker_sieve_feed(&s, slice_make(in + at, len), &out, NULL), EDGE_OK);
    }
    assert_string_equal(buf_cstr(&out), want);
}

static void test_thins_out(void **state) {
    static const struct {
        const struct docker_sieve_rule *rule;
        const char *in, *want;
    } rows[] = {
        {&some, "{\"Labels\":{\"a\":\"1\",\"net.edge.b\":\"2\",\"c\":\"3\"},\"x\":1}",
         "{\"Labels\":{\"net.edge.b\":\"2\"},\"x\":1}"},
        {&none, "{\"Labels\":{\"a\":\"1\",\"net.edge.b\":\"2\"},\"x\":1}",
         "{\"Labels\":{},\"x\":1}"},
        {&some,
         "[{\"Labels\" : { \"net.edge.a\" : \"}\\\"\" , \"b\":{\"c\":[1,{}]}, "
         "\"net.edge.\":[{\"x\":1},2] } }]",
         "[{\"Labels\" : {\"net.edge.a\" : \"}\\\"\" ,\"net.edge.\":[{\"x\":1},2] } }]"},
        {&some, "{\"Labels\":{},\"b\":{\"Labels\":{\"x\":\"Labels\"}}}",
         "{\"Labels\":{},\"b\":{\"Labels\":{}}}"},
        /* A value of that name, a name of another, another kind of value. */
        {&some, "{\"a\":\"Labels\",\"b\":{\"c\":1}}", "{\"a\":\"Labels\",\"b\":{\"c\":1}}"},
        {&some, "{\"XLabels\":{\"c\":1},\"LabelsX\":{\"c\":1},\"\\\"Labels\":{\"c\":1}}",
         "{\"XLabels\":{\"c\":1},\"LabelsX\":{\"c\":1},\"\\\"Labels\":{\"c\":1}}"},
        {&some, "{\"Labels\":null,\"b\":{\"c\":1}}", "{\"Labels\":null,\"b\":{\"c\":1}}"},
        {&some, "{\"Labels\":[{\"c\":1}],\"b\":{\"c\":1}}",
         "{\"Labels\":[{\"c\":1}],\"b\":{\"c\":1}}"},
        {&some, "{\"Labels\":{\"net.edg\":\"\\\\\",\"net.edge.b\":\"\\\"\"}}",
         "{\"Labels\":{\"net.edge.b\":\"\\\"\"}}"},
        {&some, "{\"Labels\":{\"\\u006eet.edge.x\":1,\"net.edge.\\\"x\":2}}",
         "{\"Labels\":{\"net.edge.\\\"x\":2}}"},
        {&some,
         "{\""
         "a-name-that-is-longer-than-what-is-kept-of-it"
         "\":{\"c\":1}}",
         "{\""
         "a-name-that-is-longer-than-what-is-kept-of-it"
         "\":{\"c\":1}}"},
        {&some, "{\"Labels\":{\"a\":", "{\"Labels\":{"},
        {&emptied,
         "[{\"A\":[1,{\"Bb\":\"]\\\"\"}],\"B\":[2],\"Bb\": \"}\" ,\"Labels\":{\"a\":{\"A\":1}}}]",
         "[{\"A\":null,\"B\":[2],\"Bb\": null,\"Labels\":{\"a\":{\"A\":1}}}]"},
        {&emptied, "{\"x\":{\"A\":-1.5},\"y\":[\"A\",{\"A\":null}],\"Bb\":{}}",
         "{\"x\":{\"A\":null},\"y\":[\"A\",{\"A\":null}],\"Bb\":null}"},
        {&emptied, "{\"A\":,\"Bb\":}", "{\"A\":,\"Bb\":}"},
        {&exact, "{\"Labels\":{\"net.edge\":\"1\",\"net.edge2\":\"2\",\"net.edg\":\"3\"}}",
         "{\"Labels\":{\"net.edge\":\"1\"}}"},
        /* Beyond the room of 20 bytes: what would not fit, however small what comes after it. */
        {&little, "{\"Labels\":{\"x1\":\"123456789012345678\",\"x2\":\"1\",\"x3\":2},\"y\":1}",
         "{\"Labels\":{\"x2\":\"1\",\"x3\":2},\"y\":1}"},
        {&little,
         "[{\"Labels\":{\"x1\":12345678901,\"x2\":[1,2],\"xx\":\"12345\",\"xx1\":3}},"
         "{\"Labels\":{\"x\":[{}]}}]",
         "[{\"Labels\":{\"x1\":12345678901,\"xx\":\"12345\"}},{\"Labels\":{\"x\":[{}]}}]"},
        {&some, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        for (size_t piece = 1; piece < 8; piece++) {
            check(rows[i].rule, rows[i].in, rows[i].want, piece);
        }
        check(rows[i].rule, rows[i].in, rows[i].want, 4096);
    }
}

static void test_room(void **state) {
    struct docker_sieve s;
    struct buf out EDGE_CLEANUP(buf_clear);
    char text[64];
    (void)state;
    buf_init(&out, 40);
    docker_sieve_init(&s, &some);
    assert_int_equal(docker_sieve_feed(&s, SLICE_LIT("{\"Labels\":{\"a\":\""), &out, NULL),
                     EDGE_OK);
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(docker_sieve_feed(&s, slice_make(text, sizeof(text)), &out, NULL),
                         EDGE_OK);
    }
    assert_int_equal(docker_sieve_feed(&s, SLICE_LIT("\",\"net.edge.a\":\""), &out, NULL), EDGE_OK);
    assert_int_equal(docker_sieve_feed(&s, slice_make(text, sizeof(text)), &out, NULL), EDGE_RANGE);
}

/* A name without end does not fill what is kept of an answer. */
static void test_long_names(void **state) {
    struct docker_sieve s;
    struct buf out EDGE_CLEANUP(buf_clear);
    char text[64];
    (void)state;
    buf_init(&out, 512);
    docker_sieve_init(&s, &little);
    assert_int_equal(docker_sieve_feed(&s, SLICE_LIT("{\"Labels\":{\"x"), &out, NULL), EDGE_OK);
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(docker_sieve_feed(&s, slice_make(text, sizeof(text)), &out, NULL),
                         EDGE_OK);
    }
    assert_int_equal(docker_sieve_feed(&s, SLICE_LIT("\":1,\"xx\":2}}"), &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "{\"Labels\":{\"xx\":2}}");
}

static enum edge_code torture(void *data) {
    struct docker_sieve s;
    struct buf out EDGE_CLEANUP(buf_clear);
    (void)data;
    buf_init(&out, 4096);
    docker_sieve_init(&s, &some);
    return docker_sieve_feed(&s, SLICE_LIT("{\"Labels\":{\"a\":1,\"net.edge.b\":2}}"), &out, NULL);
}

static void test_memory_is_short(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(torture, NULL) >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thins_out),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
