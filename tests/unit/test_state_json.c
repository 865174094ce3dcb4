/* SPDX-License-Identifier: MIT */
/*
 * The saved result as text: both formats, what each credential carries, and what is decided by
 * looking at it.
 */
#include "base/checked.h"
#include "provisioning/state.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct provisioning_result key_result(uint64_t generation, bool proven) {
    struct provisioning_result r = {.hub = "a.example",
                                    .device_id = "dev",
                                    .key_generation = generation,
                                    .since_wall_s = 1700000000,
                                    .proven = proven};
    return r;
}

static struct provisioning_result cert_result(void) {
    struct provisioning_result r = key_result(0, true);
    r.credential = PROVISIONING_CERT;
    strcpy(r.cert_path, "/s/external-1.cert.pem");
    strcpy(r.pk_path, "/s/external-1.key.pem");
    return r;
}

static enum edge_code decode_json(const char *json, struct state *ret) {
    struct buf text;
    buf_init(&text, STATE_SIZE_MAX);
    enum edge_code code = checked_seal(slice_str(json), &text, NULL);
    if (code == EDGE_OK) {
        code = state_decode(buf_slice(&text), ret, NULL);
    }
    buf_clear(&text);
    return code;
}

static enum edge_code round_trip(const struct state *s, struct state *ret) {
    struct buf text;
    buf_init(&text, STATE_SIZE_MAX);
    enum edge_code code = state_encode(s, &text, NULL);
    if (code == EDGE_OK) {
        code = state_decode(buf_slice(&text), ret, NULL);
    }
    buf_clear(&text);
    return code;
}

static void test_certificate_and_key(void **unused) {
    (void)unused;
    struct state s = {.has_current = true,
                      .has_previous = true,
                      .current = cert_result(),
                      .previous = key_result(4, true),
                      .inputs = "abcd",
                      .seen = 9,
                      .legacy_root = 2},
                 back = {0};
    assert_int_equal(round_trip(&s, &back), EDGE_OK);
    assert_true(state_is_same(&s.current, &back.current));
    assert_true(state_is_same(&s.previous, &back.previous));
    assert_int_equal(back.seen, 9);
    assert_int_equal(back.legacy_root, 2);
    assert_string_equal(back.inputs, "abcd");
}

static void test_format_1_is_read(void **unused) {
    (void)unused;
    struct state s = {0};
    assert_int_equal(
        decode_json("{\"version\":1,\"inputs\":\"ab\",\"current\":{\"hub\":\"h\",\"device_id\":"
                    "\"d\",\"key_generation\":3,\"since\":5,\"proven\":true}}",
                    &s),
        EDGE_OK);
    assert_true(s.has_current && s.current.proven);
    assert_int_equal(s.current.credential, PROVISIONING_KEY);
    assert_int_equal(s.current.key_generation, 3);
    assert_int_equal(s.seen, 3);
    assert_int_equal(s.legacy_root, 0);
}

static void test_what_is_not_understood(void **unused) {
    (void)unused;
    struct state s = {.seen = 77};
    assert_int_equal(decode_json("{\"version\":3}", &s), EDGE_UNSUPPORTED);
    assert_int_equal(decode_json("{\"version\":0}", &s), EDGE_UNSUPPORTED);
    assert_int_equal(decode_json("{}", &s), EDGE_PARSE);
    assert_int_equal(decode_json("{\"version\":2,\"seen\":-1}", &s), EDGE_PARSE);
    assert_int_equal(
        decode_json("{\"version\":2,\"current\":{\"hub\":\"h\",\"device_id\":\"d\",\"credential\":"
                    "\"wish\",\"key_generation\":3,\"since\":5,\"proven\":true}}",
                    &s),
        EDGE_PARSE);
    assert_int_equal(s.seen, 77);
}

static void test_which_keys_are_in_use(void **unused) {
    (void)unused;
    struct state s = {.has_current = true,
                      .current = key_result(5, true),
                      .previous = key_result(4, true),
                      .legacy_root = 2};
    assert_true(state_uses(&s, 5));
    assert_false(state_uses(&s, 4)); /* no previous */
    s.has_previous = true;
    assert_true(state_uses(&s, 4));
    assert_true(state_uses(&s, 2));
    assert_false(state_uses(&s, 3));
    s.legacy_root = 0;
    assert_false(state_uses(&s, 0));
}

static void test_what_is_the_same(void **unused) {
    (void)unused;
    struct provisioning_result a = key_result(5, true), b = key_result(5, false);
    b.since_wall_s++;
    assert_true(state_is_same(&a, &b));
    b.key_generation = 6;
    assert_false(state_is_same(&a, &b));
    a = b = cert_result();
    assert_true(state_is_same(&a, &b));
    strcpy(b.pk_path, "/s/other.pem");
    assert_false(state_is_same(&a, &b));
}

static void test_advance(void **unused) {
    (void)unused;
    struct state s = {0};
    struct provisioning_result a = key_result(5, true), b = cert_result();
    state_advance(&s, &a);
    assert_false(s.has_previous);
    state_advance(&s, &b);
    assert_true(s.has_previous);
    assert_int_equal(s.previous.key_generation, 5);
    assert_int_equal(s.seen, 5); /* so that key 5 is not taken for an interrupted change */
}

static enum edge_code there_and_back(void *data) {
    struct state s = {.has_current = true, .current = cert_result()}, back = {0};
    (void)data;
    return round_trip(&s, &back);
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(there_and_back, NULL) > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_and_key),    cmocka_unit_test(test_format_1_is_read),
        cmocka_unit_test(test_what_is_not_understood), cmocka_unit_test(test_which_keys_are_in_use),
        cmocka_unit_test(test_what_is_the_same),       cmocka_unit_test(test_advance),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
